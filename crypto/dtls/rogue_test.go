package dtls

import (
	"context"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	pion "github.com/pion/dtls/v2"
)

// rogue is an end that keeps our envelopes and nothing else: a net.Conn for
// whatever DTLS it likes.
type rogue struct {
	l        *lab
	at, to   netip.AddrPort
	acceptor bool
	tamper   func(records []byte) []byte // what came in

	mu      sync.Mutex
	id      id
	token   token
	given   chan struct{}
	queue   [][]byte
	wake    chan struct{}
	expired bool
	closed  bool
}

// rogueDialler has a token for its address, as anybody can who has an address.
func (l *lab) rogueDialler(t *testing.T, at string, to netip.AddrPort) *rogue {
	t.Helper()
	r := l.newRogue(at, to)
	for i := range r.id {
		r.id[i] = byte(l.rng.Uint32())
	}
	ask := envelope{kind: kindAsk, id: r.id}
	l.send(ask.append(nil), r.at, to)
	select {
	case <-r.given:
	case <-time.After(time.Second):
		t.Fatal("no token")
	}
	return r
}

func (l *lab) rogueAcceptor(at string) *rogue {
	r := l.newRogue(at, netip.AddrPort{})
	r.acceptor = true
	return r
}

func (l *lab) newRogue(at string, to netip.AddrPort) *rogue {
	r := &rogue{l: l, at: netip.MustParseAddrPort(at), to: to, given: make(chan struct{}), wake: make(chan struct{}, 1)}
	l.attach(r.at, r.handle)
	return r
}

func (r *rogue) handle(packet []byte, from netip.AddrPort) {
	v, d := parseEnvelope(packet)
	if d != 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch v.kind {
	case kindAsk:
		r.id, r.to = v.id, from
		give := envelope{kind: kindGive, id: v.id, token: token{1}}
		go r.l.send(give.append(nil), r.at, from)
	case kindGive:
		if r.token == (token{}) {
			r.token = v.token
			close(r.given)
		}
	default:
		b := append([]byte(nil), v.records...)
		if r.tamper != nil {
			b = r.tamper(b)
		}
		r.queue = append(r.queue, b)
		r.rouse()
	}
}

func (r *rogue) rouse() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *rogue) Read(b []byte) (int, error) {
	for {
		r.mu.Lock()
		switch {
		case r.closed:
			r.mu.Unlock()
			return 0, io.EOF
		case r.expired:
			r.mu.Unlock()
			return 0, os.ErrDeadlineExceeded
		case len(r.queue) > 0:
			n := copy(b, r.queue[0])
			r.queue = r.queue[1:]
			r.mu.Unlock()
			return n, nil
		}
		r.mu.Unlock()
		<-r.wake
	}
}

func (r *rogue) Write(records []byte) (int, error) {
	r.mu.Lock()
	v, to := envelope{kind: kindOpen, id: r.id, token: r.token, records: records}, r.to
	r.mu.Unlock()
	if r.acceptor {
		v.kind = kindCarry
	}
	r.l.send(v.append(nil), r.at, to)
	return len(records), nil
}

func (r *rogue) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	r.rouse()
	return nil
}

func (r *rogue) SetReadDeadline(t time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expired = !t.IsZero()
	r.rouse()
	return nil
}

func (r *rogue) SetDeadline(t time.Time) error    { return r.SetReadDeadline(t) }
func (r *rogue) SetWriteDeadline(time.Time) error { return nil }
func (r *rogue) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(r.at) }
func (r *rogue) RemoteAddr() net.Addr             { return net.UDPAddrFromAddrPort(r.at) }

// shake runs pion as the rogue has it.
func (r *rogue) shake(t *testing.T, c *pion.Config) (*pion.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	var conn *pion.Conn
	var err error
	if r.acceptor {
		conn, err = pion.ServerWithContext(ctx, r, c)
	} else {
		conn, err = pion.ClientWithContext(ctx, r, c)
	}
	t.Cleanup(func() {
		if conn != nil {
			_ = conn.Close()
		}
		_ = r.Close()
	})
	return conn, err
}

// config is pion's for a rogue that keeps to the profile, to be changed.
func (r *rogue) config(t *testing.T, s *suite) *pion.Config {
	t.Helper()
	own, err := newCertificate(time.Now())
	must(t, err)
	c := profile(s, own, 1000, nil)
	c.ClientAuth = pion.RequireAnyClientCert
	return c
}

func newSuite() *suite { return &suite{count: &counters{}} }

// raw sends records as they are.
func (r *rogue) raw(records ...record) {
	var b []byte
	for i := range records {
		b = records[i].append(b)
	}
	_, _ = r.Write(b)
}

// plain is a handshake fragment in the clear.
func plain(number uint64, f fragment) record {
	return record{content: contentHandshake, version: dtls12, number: number, body: f.append(nil)}
}
