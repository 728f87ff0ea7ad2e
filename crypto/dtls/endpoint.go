package dtls

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
)

// Endpoint is one end of any number of associations over one UDP socket, which
// it does not own: the socket's reader calls Handle, and Config.Write sends.
// It dials and accepts at once. Its methods may be called from any goroutine.
type Endpoint struct {
	config   Config
	way      way
	own      tls.Certificate
	pin      crypto.Pin
	mint     *mint
	began    time.Time
	asks     budget
	count    counters
	logged   atomic.Int64 // when a refusal was last logged, see sinceBegan
	accepted chan *Conn
	closing  chan struct{}
	wg       sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	routes   map[route]*association
	halfOpen int
	perAddr  map[netip.Addr]int // of halfOpen
}

// route is how packets find their association.
type route struct {
	peer netip.AddrPort
	id   id
}

// New makes an Endpoint, or says what is wrong with config.
func New(config Config) (*Endpoint, error) {
	c, w, err := config.complete()
	if err != nil {
		return nil, err
	}
	now := time.Now()
	e := &Endpoint{
		config: c, way: w, mint: newMint(now), began: now,
		asks:     budget{rate: c.AskRate},
		accepted: make(chan *Conn, c.Backlog),
		closing:  make(chan struct{}),
		routes:   map[route]*association{},
		perAddr:  map[netip.Addr]int{},
	}
	e.logged.Store(int64(-time.Second))
	if w == wayCertificates {
		e.own = *c.Identity.Certificate
		e.pin, err = c.Identity.Pin()
	} else {
		e.own, err = newCertificate(now)
		if err == nil {
			e.pin = crypto.PinOf(e.own.Leaf)
		}
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Pin is the fingerprint of our own key, for rosters. Unless the identity is a
// certificate it is another one for every Endpoint.
func (e *Endpoint) Pin() crypto.Pin { return e.pin }

// MaxDatagram is the longest datagram that Conn.Write takes, in bytes.
func (e *Endpoint) MaxDatagram() int {
	return e.config.MTU - carrySize - recordHeader - tagSize - 1
}

// Stats counts from the beginning.
func (e *Endpoint) Stats() Stats {
	s := e.count.snapshot()
	e.mu.Lock()
	defer e.mu.Unlock()
	s.HalfOpen, s.Associations = e.halfOpen, len(e.routes)
	return s
}

// Handle takes one UDP packet that came from an address. It does not block and
// keeps nothing of packet. Packets that are not ours are dropped and counted;
// Owns tells them apart before.
func (e *Endpoint) Handle(packet []byte, from netip.AddrPort) {
	e.count.arrived.Add(1)
	if d := e.handle(packet, plainAddr(from)); d != 0 {
		e.count.drop(d)
		return
	}
	e.count.taken.Add(1)
}

// handle does the cheap checks before the dear ones.
func (e *Endpoint) handle(packet []byte, from netip.AddrPort) Drop {
	select {
	case <-e.closing:
		return DropClosed
	default:
	}
	if len(packet) > maxDatagram {
		return DropOversize
	}
	v, d := parseEnvelope(packet)
	if d != 0 {
		return d
	}
	if v.kind == kindAsk {
		return e.give(&v, from)
	}
	r := route{from, v.id}
	e.mu.Lock()
	a := e.routes[r]
	e.mu.Unlock()
	switch {
	case v.kind == kindGive:
		return a.given(v.token)
	case v.kind == kindOpen && a == nil:
		if !begins(v.records) {
			return DropUnknown // the rest of an association that is over
		}
		if !e.mint.valid(time.Now(), from, v.id, v.token) {
			return DropToken
		}
		if a, d = e.open(r); d != 0 {
			return d
		}
	case v.kind == kindOpen && a.dialled, a == nil:
		return DropUnknown
	}
	return a.pipe.push(v.records)
}

// give answers a stranger, in a third of its bytes, and forgets it.
func (e *Endpoint) give(ask *envelope, from netip.AddrPort) Drop {
	now := time.Now()
	if !e.asks.take(now) {
		return DropRate
	}
	reply := envelope{kind: kindGive, id: ask.id, token: e.mint.token(now, from, ask.id)}
	e.write(reply.append(make([]byte, 0, giveSize)), from)
	return 0
}

// open begins an association that another end has shown a token for.
func (e *Endpoint) open(r route) (*association, Drop) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if a := e.routes[r]; a != nil { // another reader was faster
		return a, 0
	}
	site := siteOf(r.peer.Addr())
	switch {
	case e.closed:
		return nil, DropClosed
	case e.halfOpen >= e.config.HalfOpen:
		e.makeRoom()
		return nil, DropBusy
	case len(e.routes) >= e.config.Associations:
		return nil, DropBusy
	case e.perAddr[site] >= e.config.HalfOpenPerAddress:
		return nil, DropAddress
	}
	e.halfOpen++
	e.perAddr[site]++
	a := newAssociation(e, r, nil)
	a.halfOpen = true
	e.routes[r] = a
	e.wg.Go(a.serve)
	return a, 0
}

// patience is how long a handshake keeps its place when others want it. An
// honest one takes a few milliseconds.
const patience = time.Second

// makeRoom ends the oldest half-open association, if it has had its time: who
// holds places and does not use them keeps nobody out for long. The one that
// wanted the place gets one when it repeats itself.
func (e *Endpoint) makeRoom() {
	var oldest *association
	for _, a := range e.routes {
		if a.halfOpen && (oldest == nil || a.began < oldest.began) {
			oldest = a
		}
	}
	if oldest != nil && e.sinceBegan()-oldest.began > patience {
		oldest.end(fmt.Errorf("%w: it was not done after %v, and others wait", ErrBusy, patience))
	}
}

// siteOf is what limits per address count: an IPv4 address or an IPv6 /64.
func siteOf(a netip.Addr) netip.Addr {
	if a.Is4() {
		return a
	}
	p, err := a.WithZone("").Prefix(64)
	if err != nil {
		return netip.Addr{}
	}
	return p.Addr()
}

// settled takes an association that others began off the half-open ones.
func (e *Endpoint) settled(a *association) {
	e.mu.Lock()
	defer e.mu.Unlock()
	site := siteOf(a.route.peer.Addr())
	a.halfOpen = false
	e.halfOpen--
	if e.perAddr[site]--; e.perAddr[site] == 0 {
		delete(e.perAddr, site)
	}
}

func (e *Endpoint) forget(a *association) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.routes, a.route)
}

// Dial makes an association with the Endpoint at an address and returns when
// both ends have admitted each other. ctx and Config.HandshakeTimeout bound it.
func (e *Endpoint) Dial(ctx context.Context, to netip.AddrPort, who Who) (*Conn, error) {
	if err := e.way.check(who); err != nil {
		return nil, err
	}
	a, err := e.dial(plainAddr(to), who)
	if err != nil {
		return nil, fmt.Errorf("dtls: dialling %v: %w", to, err)
	}
	select {
	case err = <-a.outcome:
	case <-ctx.Done():
		err = context.Cause(ctx)
		a.end(err)
	}
	if err != nil {
		return nil, fmt.Errorf("dtls: dialling %v: %w", to, err)
	}
	return &Conn{a}, nil
}

func (e *Endpoint) dial(to netip.AddrPort, who Who) (*association, error) {
	r := route{peer: to}
	if _, err := rand.Read(r.id[:]); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return nil, net.ErrClosed
	case len(e.routes) >= e.config.Associations:
		return nil, fmt.Errorf("%w: %d at this end; close some, or raise Config.Associations", ErrBusy, len(e.routes))
	}
	a := newAssociation(e, r, &who)
	e.routes[r] = a
	e.wg.Go(a.serve)
	return a, nil
}

// Accept returns the next association that another end made.
func (e *Endpoint) Accept(ctx context.Context) (*Conn, error) {
	select {
	case <-e.closing:
		return nil, fmt.Errorf("dtls: accepting: %w", net.ErrClosed)
	default:
	}
	select {
	case c := <-e.accepted:
		return c, nil
	case <-e.closing:
		return nil, fmt.Errorf("dtls: accepting: %w", net.ErrClosed)
	case <-ctx.Done():
		return nil, fmt.Errorf("dtls: accepting: %w", context.Cause(ctx))
	}
}

// Close ends all associations, tells their other ends, and returns when no
// goroutine of the Endpoint runs any more; see Conn.Close. An Admit that runs
// is waited for.
func (e *Endpoint) Close() error {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.closing)
	}
	all := make([]*association, 0, len(e.routes))
	for _, a := range e.routes {
		all = append(all, a)
	}
	e.mu.Unlock()
	for _, a := range all {
		a.end(net.ErrClosed)
	}
	e.wg.Wait()
	return nil
}

func (e *Endpoint) write(packet []byte, to netip.AddrPort) {
	if err := e.config.Write(packet, to); err != nil {
		e.count.writeErrors.Add(1)
	}
}

func (e *Endpoint) sinceBegan() time.Duration { return time.Since(e.began) }

// log says that a peer failed, at most once a second.
func (e *Endpoint) log(peer netip.AddrPort, err error) {
	now, last := int64(e.sinceBegan()), e.logged.Load()
	if now-last >= int64(time.Second) && e.logged.CompareAndSwap(last, now) {
		e.config.Logger.Warn("dtls: peer failed", slog.Any("peer", peer), slog.Any("error", err))
	}
}

// String says what proves it, not what with.
func (e *Endpoint) String() string { return "dtls endpoint with " + e.way.String() }

// Format is String for every verb.
func (e *Endpoint) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.String()) }
