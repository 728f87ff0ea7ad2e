package rooted

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// Whoever waits at the root's address with a certificate of the right authority
// is not the root for that: the join fails, at once, and says what is wrong.
func TestC1_AFalseRootIsNotJoined(t *testing.T) {
	inRoom(t, 88, quick, func(r *room) {
		a, b := newAuthority(t), newAuthority(t)
		var log strings.Builder
		root := r.certified(a, 3*time.Minute, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		pin, err := root.Pin()
		if err != nil {
			r.Fatal(err)
		}
		other := pin
		other[0] ^= 1
		join := func(what string, id crypto.Identity, want error, text string) {
			c := r.config("leaf")
			c.Identity = id
			begun := time.Now()
			l, err := Join(r.ctx, root.Addr(), nil, c)
			if !errors.Is(err, want) || !strings.Contains(fmt.Sprint(err), text) {
				r.Errorf("%s: %v; want %v and %q", what, err, want, text)
			}
			if d := time.Since(begun); d > time.Second {
				r.Errorf("%s: it took %v", what, d)
			}
			if l != nil {
				l.Close()
			}
		}
		of := func(a *authority, name string, pin crypto.Pin) crypto.Identity {
			return crypto.Identity{Certificate: a.issue(t, crypto.RoleLeaf, time.Hour), CAs: a.pool, ServerName: name, RootPin: pin}
		}
		join("another name", of(a, "other.test", crypto.Pin{}), crypto.ErrCertificate, "for another name")
		join("an IP address that is not in it", of(a, "10.9.9.9", crypto.Pin{}), crypto.ErrCertificate, "for another name")
		join("no name and no pin", of(a, "", crypto.Pin{}), crypto.ErrIdentity, "ServerName or RootPin")
		join("another authority", of(b, "root.test", crypto.Pin{}), crypto.ErrCertificate, "no authority in CAs")
		join("another key", of(a, "root.test", other), crypto.ErrPin, "this is another machine")
		if n := root.Stats().Control.Opened; n != 0 {
			r.Errorf("%d of them got as far as a JOIN", n)
		}
		for _, id := range []crypto.Identity{of(a, "root.test", crypto.Pin{}), of(a, "10.1.2.3", crypto.Pin{}), of(a, "", pin)} {
			l, _ := r.join("honest", nil, func(c *Config) { c.Identity = id })
			l.Close()
		}
		time.Sleep(4 * time.Minute)
		// Who plays on with a certificate that ran out gets ErrCertificate (see the
		// table in crypto); an honest root does not even try, and says so.
		c := r.config("leaf")
		c.Identity = of(a, "root.test", crypto.Pin{})
		if l, err := Join(r.ctx, root.Addr(), nil, c); err == nil {
			l.Close()
			r.Error("a root whose certificate ran out is joined")
		}
		root.Close()
		if !strings.Contains(log.String(), "this root's certificate ran out") {
			r.Errorf("the root says nothing of it: %s", log.String())
		}

		// A leaf's certificate is no root's, whoever signed it.
		c = r.config("root")
		c.Identity = crypto.Identity{Certificate: a.issue(t, crypto.RoleLeaf, time.Hour, "root.test"), CAs: a.pool}
		c.Authorize = AuthorizeAnyVerified
		if _, err := Listen(r.ctx, testGroup, c); !errors.Is(err, crypto.ErrIdentity) {
			r.Errorf("a leaf's certificate makes a root: %v", err)
		}
	})
}

// ticketed keeps TLS tickets, if any come.
type ticketed struct {
	mu   sync.Mutex
	puts int
}

func (c *ticketed) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (c *ticketed) Put(_ string, s *tls.ClientSessionState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s != nil {
		c.puts++
	}
}

// Connections that are not a leaf's of this authority get no further than the
// handshake; the root counts them, keeps nothing of them and goes on.
func TestC2_AFalseLeafIsRefused(t *testing.T) {
	inRoom(t, 89, quick, func(r *room) {
		a, b := newAuthority(t), newAuthority(t)
		root := r.certified(a, time.Hour, nil)
		tickets := &ticketed{}
		base := func(own *tls.Certificate) *tls.Config {
			c := &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{crypto.Protocol}, InsecureSkipVerify: true, ClientSessionCache: tickets, ServerName: "root.test"}
			if own != nil {
				c.Certificates = []tls.Certificate{*own}
			}
			return c
		}
		good := a.issue(t, crypto.RoleLeaf, time.Hour)
		intruders := map[string]func() *tls.Config{
			"no certificate":       func() *tls.Config { return base(nil) },
			"another authority":    func() *tls.Config { return base(b.issue(t, crypto.RoleLeaf, time.Hour)) },
			"signed by itself":     func() *tls.Config { return base(selfSigned(r)) },
			"a root's certificate": func() *tls.Config { return base(a.issue(t, crypto.RoleRoot, time.Hour)) },
			"one that ran out":     func() *tls.Config { return base(a.issue(t, crypto.RoleLeaf, -time.Hour)) },
			"TLS 1.2":              func() *tls.Config { c := base(good); c.MinVersion, c.MaxVersion = 0, tls.VersionTLS12; return c },
			"another ALPN":         func() *tls.Config { c := base(good); c.NextProtos = []string{"h2"}; return c },
			"no ALPN":              func() *tls.Config { c := base(good); c.NextProtos = nil; return c },
		}
		for what, config := range intruders {
			before := root.Stats()
			conn, err := r.net.Host("eve").Dial(r.ctx, netip.AddrPort{}, root.Addr())
			if err != nil {
				r.Fatal(err)
			}
			client := tls.Client(conn, config())
			if client.Handshake() == nil { // in TLS 1.3 the client is through before it was judged
				client.Write(append([]byte{1, 2, 2, 0}, make([]byte, 32)...)) // a leaf with certificates accepts the root
				client.Write(control.Join{Suites: []uint8{1}}.Append(nil))
				io.Copy(io.Discard, client)
			}
			conn.Close()
			time.Sleep(time.Second)
			after := root.Stats()
			if after.Unproven != before.Unproven+1 || after.Control.Opened != before.Control.Opened || root.gate.inside() != 0 {
				r.Errorf("%s: %d refused, %d let in, %d left in the gate", what, after.Unproven-before.Unproven,
					after.Control.Opened-before.Control.Opened, root.gate.inside())
			}
		}
		if tickets.puts != 0 {
			r.Errorf("the root gave %d tickets", tickets.puts)
		}
		l, m := r.join("honest", nil, func(c *Config) {
			c.Identity = crypto.Identity{Certificate: good, CAs: a.pool, ServerName: "root.test"}
		})
		m.Evict(transport.WSAEACCES, "out")
		l.Close()
	})
}

// selfSigned is a certificate that nobody vouches for.
func selfSigned(r *room) *tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		r.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(3), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		r.Fatal(err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// relay ends TLS with a leaf and with the root, both with keys of its own, and
// passes on what it reads. It keeps what the leaf said.
type relay struct {
	mu   sync.Mutex
	leaf []byte
}

func (y *relay) serve(r *room, ln net.Listener, own *tls.Certificate) {
	for {
		in, err := ln.Accept()
		if err != nil {
			return
		}
		out, err := r.net.Host("relay").Dial(r.ctx, netip.AddrPort{}, r.root.Addr())
		if err != nil {
			in.Close()
			continue
		}
		base := &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{crypto.Protocol}, InsecureSkipVerify: true,
			Certificates: []tls.Certificate{*own}, ClientAuth: tls.RequireAnyClientCert}
		server, client := tls.Server(in, base), tls.Client(out, base)
		if server.Handshake() != nil || client.Handshake() != nil {
			in.Close()
			out.Close()
			continue
		}
		go func() {
			io.Copy(server, client)
			in.Close()
			out.Close()
		}()
		b := make([]byte, 4096)
		for {
			n, err := server.Read(b)
			y.mu.Lock()
			y.leaf = append(y.leaf, b[:n]...)
			y.mu.Unlock()
			if err != nil {
				break
			}
			client.Write(b[:n])
		}
		in.Close()
		out.Close()
	}
}

// Somebody in the middle who ends both TLS connections and passes every byte on
// is noticed by the leaf, which then has proven nothing: the root's proof covers
// another connection and other keys.
func TestC3_ARelayIsNoticed(t *testing.T) {
	inRoom(t, 90, quick, func(r *room) {
		root := r.listen(nil)
		at := netip.MustParseAddrPort("0.0.0.0:7003")
		ln, err := r.net.Host("relay").Listen(r.ctx, at)
		if err != nil {
			r.Fatal(err)
		}
		y, over := &relay{}, make(chan struct{})
		go func() { defer close(over); y.serve(r, ln, selfSigned(r)) }()
		to := netipPort(r.net.Host("relay").Addr(), at.Port())
		l, err := Join(r.ctx, to, nil, r.config("leaf"))
		if l != nil || !errors.Is(err, crypto.ErrProof) || !errors.Is(err, transport.WSAECONNREFUSED) {
			r.Errorf("the leaf hears %v", err)
		}
		time.Sleep(2 * provenWithin)
		ln.Close()
		<-over
		y.mu.Lock()
		defer y.mu.Unlock()
		// It said that it accepts the certificate, and then that it refuses the proof.
		// A proof of its own would be a record of 36 bytes that begins with a 2.
		const records = 2
		if n := len(y.leaf); n == 0 || n > records*36 {
			r.Errorf("the relay has %d bytes of the leaf's: %x", n, y.leaf)
		}
		if st := root.Stats(); st.Unproven == 0 || st.Control.Opened != 0 {
			r.Errorf("the root counts %d unproven and %d let in", st.Unproven, st.Control.Opened)
		}
		honest, _ := r.join("leaf", nil, nil)
		honest.Close()
	})
}

// Another code is refused at once, in words, and neither code is in them.
func TestC3_AWrongCodeIsRefusedAndWorded(t *testing.T) {
	inRoom(t, 91, quick, func(r *room) {
		root := r.listen(nil)
		for range 3 {
			c := r.config("stranger")
			var err error
			if c.Identity.Code, err = crypto.NewCode(); err != nil {
				r.Fatal(err)
			}
			_, err = Join(r.ctx, root.Addr(), nil, c)
			if !errors.Is(err, crypto.ErrProof) || !errors.Is(err, transport.WSAECONNREFUSED) || !strings.Contains(err.Error(), "join code") {
				r.Errorf("a wrong code: %v", err)
			}
			for _, code := range []crypto.JoinCode{c.Identity.Code, r.code} {
				if strings.Contains(fmt.Sprint(err), code.Reveal()[:9]) {
					r.Error("the error tells a code")
				}
			}
		}
		time.Sleep(time.Second)
		if st := root.Stats(); st.Unproven != 3 || st.Control.Opened != 0 {
			r.Errorf("%d unproven, %d let in", st.Unproven, st.Control.Opened)
		}
	})
}
