package rooted

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport/session"
)

func unprotected(c *Config) {
	c.Identity, c.Insecure, c.Source = crypto.Identity{}, crypto.InsecurePlaintextForTesting, Signed
}

// Both ends without protection: the session works as any other, in clear, and
// says so.
func TestInsecure_SessionRunsInClearAndWarns(t *testing.T) {
	inRoom(t, 151, quick, func(r *room) {
		var said bytes.Buffer
		root := r.listen(func(c *Config) {
			unprotected(c)
			c.Logger = slog.New(slog.NewTextHandler(&said, nil))
		})
		l, m := r.join("leaf", nil, unprotected)
		if level := SourceLevel(l.params.Level); level != Group {
			r.Errorf("data is at level %v, where a signature proves nothing", level)
		}
		if m.Addr().Addr() != r.net.Host("leaf").Addr() {
			r.Errorf("the member is at %v", m.Addr())
		}
		if n := root.ring.Overhead(); n != 24 {
			r.Errorf("a packet costs %d bytes beside its frame", n)
		}
		var want []byte
		for i := range 200 {
			p := bytes.Repeat([]byte{byte(i)}, 100+i)
			want = append(want, p...)
			if err := root.Send(r.ctx, p); err != nil {
				r.Fatal(err)
			}
		}
		got := make([]byte, 0, len(want))
		for len(got) < len(want) {
			p := make([]byte, 1000)
			m, err := l.Recv(r.ctx, p)
			if err != nil {
				r.Fatal(err)
			}
			got = append(got, p[:m.N]...)
		}
		if !bytes.Equal(got, want) {
			r.Error("what came is not what was sent")
		}
		if err := l.Send(r.ctx, []byte("to the root")); err != nil {
			r.Fatal(err)
		}
		p := make([]byte, 100)
		if m, err := root.Recv(r.ctx, p); err != nil || string(p[:m.N]) != "to the root" {
			r.Errorf("%q, %v", p[:m.N], err)
		}
		if !strings.Contains(said.String(), "nothing is encrypted") {
			r.Errorf("the log says %q", &said)
		}
	})
}

// C9: one end without protection and one with it never meet, whichever is which,
// in control or in data, and each is told why.
func TestC9_InsecureAndSecureEndsNeverMeet(t *testing.T) {
	for name, secure := range map[string]bool{"secure root": true, "secure leaf": false} {
		t.Run(name, func(t *testing.T) {
			inRoom(t, 152, quick, func(r *room) {
				ends := [2]func(*Config){nil, unprotected}
				if !secure {
					ends[0], ends[1] = ends[1], ends[0]
				}
				root := r.listen(ends[0])
				ctx, cancel := context.WithTimeout(r.ctx, 20*time.Second)
				defer cancel()
				c := r.config("leaf")
				if ends[1] != nil {
					ends[1](&c)
				}
				l, err := Join(ctx, root.Addr(), nil, c)
				if err == nil {
					l.Close()
					r.Fatal("it is in")
				}
				if ctx.Err() != nil {
					r.Errorf("nobody said anything: %v", err)
				}
				r.Logf("the leaf is told: %v", err)
				if n := len(root.Members()); n != 0 {
					r.Errorf("%d members", n)
				}
			})
		})
	}
}

// A packet of version 15 is dropped by who is protected, and one of version 1 by
// who is not, as another version, before anything else is looked at.
func TestC9_PacketsOfTheOtherModeAreOfAnotherVersion(t *testing.T) {
	for _, secure := range []bool{true, false} {
		inRoom(t, 153, quick, func(r *room) {
			var mode func(*Config)
			other := crypto.InsecurePlaintextForTesting
			if !secure {
				mode, other = unprotected, crypto.Protected
			}
			root := r.listen(mode)
			l, _ := r.join("leaf", nil, mode)
			ring, err := crypto.NewRing(crypto.RingConfig{Session: l.session, Self: 1, Group: l.params.Group, Insecure: other})
			if err != nil {
				r.Fatal(err)
			}
			epoch, err := crypto.FirstEpoch(l.session, crypto.BindParams(l.hash, root.author.Public()), crypto.Roster([]uint32{1}))
			if err != nil {
				r.Fatal(err)
			}
			if err := errors.Join(ring.Add(epoch), ring.Activate(epoch.Number())); err != nil {
				r.Fatal(err)
			}
			p, err := ring.Seal(nil, 0, 0, 0, []byte("from the other side"))
			if err != nil {
				r.Fatal(err)
			}
			before := l.dropped(session.DropVersion)
			if err := r.net.Inject(netip.AddrPortFrom(r.net.Host("stranger").Addr(), 7005), l.params.Group, p); err != nil {
				r.Fatal(err)
			}
			time.Sleep(time.Second)
			if got := l.dropped(session.DropVersion) - before; got != 1 {
				r.Errorf("secure %v: %d packets were dropped as of another version", secure, got)
			}
		})
	}
}

// Half a decision is an error: an identity that nobody looks at, a value that is none.
func TestInsecure_IsChosenWholeOrNotAtAll(t *testing.T) {
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Config{
		"with a code":  {Identity: crypto.Identity{Code: code}, Insecure: crypto.InsecurePlaintextForTesting},
		"with a token": {Identity: crypto.Identity{Token: []byte("t")}, Insecure: crypto.InsecurePlaintextForTesting},
		"1":            {Identity: crypto.Identity{Code: code}, Insecure: 1},
		"nothing":      {},
	} {
		if _, err := Listen(t.Context(), testGroup, c); !errors.Is(err, crypto.ErrIdentity) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// What speaks neither TLS nor this is told so, and not waited for.
func TestInsecure_HandshakeRefusesOtherProtocols(t *testing.T) {
	inRoom(t, 154, quick, func(r *room) {
		root := r.listen(unprotected)
		for _, hello := range []string{"GET / HTTP/1.1\r\n\r\n", "joinleaf-insecure\x01", "\x16\x03\x01\x00\xff"} {
			conn, err := r.net.Host("eve").Dial(r.ctx, netip.AddrPort{}, root.Addr())
			if err != nil {
				r.Fatal(err)
			}
			if _, err := io.WriteString(conn, hello); err != nil {
				r.Fatal(err)
			}
			conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			if b, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(b), "joinleaf-insecure\x01") {
				r.Errorf("%q is answered with %q, %v", hello, b, err)
			}
			conn.Close()
		}
	})
}
