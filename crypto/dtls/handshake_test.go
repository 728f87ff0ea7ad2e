package dtls

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
)

func TestHandshake_EachIdentityWorks(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		ca := newAuthority(t)
		code := crypto.Identity{Code: l.code}
		server := crypto.Identity{Certificate: ca.issue(t, issue{names: []string{"b.test", "10.0.0.2"}}), CAs: ca.pool}
		member := crypto.Identity{Certificate: ca.issue(t, issue{names: []string{"a.test"}}), CAs: ca.pool}
		serverPin, err := server.Pin()
		must(t, err)
		own := func(e *Endpoint) Who { return Who{Pin: e.Pin()} }
		for name, c := range map[string]struct {
			a, b crypto.Identity
			who  func(b *Endpoint) Who
		}{
			"join code":                  {code, code, func(*Endpoint) Who { return Who{} }},
			"join code and pin":          {code, code, own},
			"certificates by name":       {member, server, func(*Endpoint) Who { return Who{Name: "b.test"} }},
			"certificates by IP address": {member, server, func(*Endpoint) Who { return Who{Name: "10.0.0.2"} }},
			"certificates by pin":        {member, server, func(*Endpoint) Who { return Who{Pin: serverPin} }},
			"any certificate":            {member, server, func(*Endpoint) Who { return Who{Any: true} }},
			"pins alone":                 {crypto.Identity{}, crypto.Identity{}, own},
		} {
			var seen []crypto.PeerInfo
			with := func(id crypto.Identity) func(*Config) {
				return func(c *Config) {
					c.Identity = id
					c.Admit = func(_ context.Context, p crypto.PeerInfo) error { seen = append(seen, p); return nil }
				}
			}
			a, _ := l.host("10.0.0.1:4000", with(c.a))
			b, to := l.host("10.0.0.2:4000", with(c.b))
			start := time.Now()
			d, acc := l.meet(a, b, to, c.who(b))
			if took := time.Since(start); took > 50*time.Millisecond {
				t.Errorf("%s: took %v without loss; an end waited for a timeout", name, took)
			}
			alive(t, d, acc)
			if d.Peer().Pin != b.Pin() || acc.Peer().Pin != a.Pin() || acc.Peer().AddrPort.String() != "10.0.0.1:4000" || len(seen) != 2 {
				t.Errorf("%s: peers %+v and %+v, Admit saw %d", name, d.Peer(), acc.Peer(), len(seen))
			}
			if certified := c.a.Certificate != nil; certified != (d.Peer().Certificate != nil) || certified != (acc.Peer().Certificate != nil) {
				t.Errorf("%s: certificates %v and %v", name, d.Peer().Certificate, acc.Peer().Certificate)
			}
			must(t, errors.Join(a.Close(), b.Close()))
			balanced(t, a, b)
		}
	})
}

// A mismatch gives both ends an error of the same kind, long before a timeout.
func TestHandshake_MismatchesAreTheSameErrorAtBothEnds(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		ca, other := newAuthority(t), newAuthority(t)
		code2, err := crypto.NewCode()
		must(t, err)
		with := func(id crypto.Identity) func(*Config) {
			return func(c *Config) { c.Identity, c.Admit = id, AnyMember }
		}
		certs := func(ca *authority, i issue) func(*Config) {
			return with(crypto.Identity{Certificate: ca.issue(t, i), CAs: ca.pool})
		}
		crossed := with(crypto.Identity{Certificate: other.issue(t, issue{}), CAs: ca.pool})
		refusing := func(c *Config) {
			c.Admit = func(context.Context, crypto.PeerInfo) error { return errors.New("not in the roster") }
		}
		any := Who{Any: true}
		for name, c := range map[string]struct {
			a, b func(*Config)
			who  Who
			want error
		}{
			"C3 another code":                    {nil, with(crypto.Identity{Code: code2}), Who{}, crypto.ErrProof},
			"a code against certificates":        {nil, certs(ca, issue{}), Who{}, crypto.ErrIdentity},
			"certificates against a code":        {certs(ca, issue{}), nil, any, crypto.ErrIdentity},
			"a code against pins":                {nil, with(crypto.Identity{}), Who{}, crypto.ErrIdentity},
			"another key":                        {nil, nil, Who{Pin: crypto.Pin{1}}, crypto.ErrPin},
			"another name":                       {certs(ca, issue{}), certs(ca, issue{names: []string{"x.test"}}), Who{Name: "b.test"}, crypto.ErrCertificate},
			"a name in the subject alone":        {certs(ca, issue{}), certs(ca, issue{subject: "b.test"}), Who{Name: "b.test"}, crypto.ErrCertificate},
			"another IP address":                 {certs(ca, issue{}), certs(ca, issue{names: []string{"10.0.0.9"}}), Who{Name: "10.0.0.2"}, crypto.ErrCertificate},
			"another authority's dialler":        {crossed, certs(ca, issue{}), any, crypto.ErrCertificate},
			"another authority's acceptor":       {certs(ca, issue{}), crossed, any, crypto.ErrCertificate},
			"an expired certificate":             {certs(ca, issue{expired: true}), certs(ca, issue{}), any, crypto.ErrCertificate},
			"a certificate for servers":          {certs(ca, issue{}), certs(ca, issue{server: true}), any, crypto.ErrCertificate},
			"refused by the acceptor's callback": {nil, refusing, Who{}, ErrRefused},
			"refused by the dialler's callback":  {refusing, nil, Who{}, ErrRefused},
		} {
			a, _ := l.host("10.0.0.1:4000", c.a)
			b, to := l.host("10.0.0.2:4000", c.b)
			log := &lastError{}
			b.config.Logger = log.logger()
			start := time.Now()
			_, acc, err, _ := try(t, a, b, to, c.who)
			if !errors.Is(err, c.want) || time.Since(start) > time.Second {
				t.Errorf("%s: after %v the dialler's error is %v, want %v", name, time.Since(start), err, c.want)
			}
			synctest.Wait()
			time.Sleep(time.Second)
			if acc != nil || !errors.Is(log.err(), c.want) {
				t.Errorf("%s: accepted %v, the acceptor's error is %v, want %v", name, acc, log.err(), c.want)
			}
			if s := b.Stats(); s.Associations+s.HalfOpen != 0 || s.Failed != 1 {
				t.Errorf("%s: something is left: %+v", name, s)
			}
			must(t, errors.Join(a.Close(), b.Close()))
		}
	})
}

// Three packets in ten are lost, others come twice or late, and still everybody
// gets in; what is delivered is delivered once.
func TestHandshake_ABadNetwork(t *testing.T) {
	for seed := range uint64(12) {
		synctest.Test(t, func(t *testing.T) {
			l := newLab(t, seed)
			l.loss, l.twice, l.shuffle = 0.3, 0.2, 0.3
			a, _ := l.host("10.0.0.1:4000", func(c *Config) { c.HandshakeTimeout = slot; c.MTU = minMTU })
			b, to := l.host("10.0.0.2:4000", func(c *Config) { c.HandshakeTimeout = slot; c.MTU = minMTU; c.Unread = 1000 })
			d, acc := l.meet(a, b, to, Who{})
			got := map[string]int{}
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			for i := range 500 {
				must(t, d.Write(fmt.Appendf(nil, "message %d", i)))
				time.Sleep(time.Millisecond)
			}
			p := make([]byte, 100)
			for {
				n, err := acc.Read(ctx, p)
				if err != nil {
					break
				}
				got[string(p[:n])]++
			}
			for m, n := range got {
				if n != 1 {
					t.Errorf("%q came %d times", m, n)
				}
			}
			if len(got) < 250 || l.longest > minMTU {
				t.Errorf("%d of 500 came; the longest packet has %d bytes", len(got), l.longest)
			}
			balanced(t, a, b)
		})
	}
}

// Early protected records wait for their keys, on both sides, in whatever order
// the datagrams come.
func TestHandshake_TheLastFlightOvertakes(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		ca := newAuthority(t)
		long := issue{names: []string{"b.test"}}
		for i := range 60 {
			long.names = append(long.names, fmt.Sprintf("a-rather-long-name-of-member-%d.test", i))
		}
		with := func(c *Config) {
			c.Identity = crypto.Identity{Certificate: ca.issue(t, long), CAs: ca.pool}
			c.Admit, c.MTU = AnyMember, minMTU
		}
		a, from := l.host("10.0.0.1:4000", with)
		b, to := l.host("10.0.0.2:4000", with)
		// Every datagram of a flight arrives before the one that was sent ahead of it.
		var delay time.Duration = 20 * time.Millisecond
		l.filter = func(p []byte, src, dst netip.AddrPort) bool {
			if delay -= 500 * time.Microsecond; delay < 0 {
				delay = 20 * time.Millisecond
			}
			time.AfterFunc(delay, func() { l.inject(p, src, dst) })
			return false
		}
		d, acc := l.meet(a, b, to, Who{Name: "b.test"})
		l.mu.Lock()
		l.filter = nil
		l.mu.Unlock()
		alive(t, d, acc)
		if l.longest > minMTU {
			t.Errorf("a packet of %d bytes", l.longest)
		}
		_ = from
	})
}

func TestHandshake_BothDialAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		a, at := l.host("10.0.0.1:4000", nil)
		b, bt := l.host("10.0.0.2:4000", nil)
		type ends struct{ d, acc *Conn }
		var one, two ends
		done := make(chan struct{})
		go func() { defer close(done); one.d, _, _, _ = tryDial(t, a, bt); two.acc, _ = a.Accept(t.Context()) }()
		two.d, _, _, _ = tryDial(t, b, at)
		one.acc, _ = b.Accept(t.Context())
		<-done
		alive(t, one.d, one.acc)
		alive(t, two.d, two.acc)
		x, err1 := one.d.Export("EXPORTER-test", nil, 32)
		y, err2 := two.d.Export("EXPORTER-test", nil, 32)
		if err1 != nil || err2 != nil || bytes.Equal(x, y) {
			t.Errorf("two associations export %x and %x, %v, %v", x, y, err1, err2)
		}
	})
}

func tryDial(t *testing.T, e *Endpoint, to netip.AddrPort) (*Conn, *Conn, error, error) {
	c, err := e.Dial(t.Context(), to, Who{})
	if err != nil {
		t.Error(err)
	}
	return c, nil, err, nil
}

// An end that was started again at its old address gets in at once, and the
// association that its other end still holds stays what it is.
func TestHandshake_AnEndStartsAgain(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		a, _ := l.host("10.0.0.1:4000", nil)
		b, to := l.host("10.0.0.2:4000", nil)
		_, old := l.meet(a, b, to, Who{})
		again, _ := l.host("10.0.0.1:4000", nil) // a is cut off without a farewell
		d, acc := l.meet(again, b, to, Who{})
		alive(t, d, acc)
		if old.Peer().Pin == acc.Peer().Pin || b.Stats().Associations != 2 {
			t.Errorf("pins %v and %v, stats %+v", old.Peer().Pin, acc.Peer().Pin, b.Stats())
		}
		must(t, old.Write([]byte("for nobody")))
		alive(t, d, acc)
	})
}

func TestHandshake_OverLoopback(t *testing.T) {
	code, err := crypto.NewCode()
	must(t, err)
	a, _ := loopback(t, code)
	b, to := loopback(t, code)
	d, acc, err1, err2 := try(t, a, b, to, Who{Pin: b.Pin()})
	must(t, errors.Join(err1, err2))
	for i := range 100 {
		pass(t, d, acc, fmt.Sprint("there ", i))
		pass(t, acc, d, fmt.Sprint("and back ", i))
	}
	big := bytes.Repeat([]byte{7}, d.MaxDatagram())
	pass(t, d, acc, string(big))
	must(t, d.Close())
	if _, err := acc.Read(t.Context(), big); err != io.EOF {
		t.Errorf("after the other end closed: %v", err)
	}
	if err := acc.Write(nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("writing after the other end closed: %v", err)
	}
}

func TestHandshake_NobodyThere(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		a, _ := l.host("10.0.0.1:4000", nil)
		start := time.Now()
		_, err := a.Dial(t.Context(), netip.MustParseAddrPort("10.0.0.9:1"), Who{})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Dial(ctx, netip.MustParseAddrPort("10.0.0.9:1"), Who{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a ctx of its own: %v", err)
		}
		synctest.Wait()
		if s := a.Stats(); s.Associations != 0 || s.Failed != 2 {
			t.Errorf("stats %+v", s)
		}
	})
}
