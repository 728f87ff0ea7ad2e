package nonrooted

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/crypto/dtls"
	"github.com/joinleaf/joinleaf/transport"
)

// Peer is one member of a session of equals. All methods may be called by
// several goroutines.
type Peer struct {
	c      Config
	log    *slog.Logger
	group  transport.Group
	choice transport.Choice // changed by the loop alone, under mu
	events eventQueue
	own    copies

	ctx      context.Context // ends with the membership's resources
	cancel   context.CancelCauseFunc
	in       chan func(time.Time, *control.Membership)
	loop     chan struct{} // closed when the loop has ended
	wg       sync.WaitGroup
	closing  once
	wires    wires
	links    links
	channels *dtls.Endpoint

	// Owned by the loop.
	next     *sockets            // for the next plane: open before anybody is asked to let us in
	plane    *plane              // of this session; nil between sessions
	planes   int                 // made so far
	arrived  *control.EqualEvent // in a session, whose first view is not here yet
	moved    bool                // out of another session
	relinked bool                // out of this one, for want of an interface

	sending atomic.Pointer[plane] // whose keys are in use; nil: Sends wait
	view    atomic.Pointer[View]
	used    atomic.Uint64 // the last view whose keys are in use and whose members are owed data
	inOnce  sync.Once
	entered chan struct{} // closed when the first keys are in use
	done    chan struct{} // closed when the membership is over

	mu      sync.Mutex
	reading []*plane      // to be read, in this order; the last one is the session's
	changed chan struct{} // closed and made anew when sending or reading changes
	callee  []byte
	err     error
	refused error    // why the last channel that was refused was
	spent   []*plane // read to their end

	broke   atomic.Bool   // a session ended with something undelivered, and Drain has not said so
	carried atomic.Uint64 // messages lost at the end of a plane, not told yet
}

// Join makes this process a member of the session on a group. Where nobody
// answers it founds the session, so joining an empty one succeeds (R72). It
// returns once this member has the keys, and all others have them too.
func Join(ctx context.Context, g transport.Group, c Config) (*Peer, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := g.Check(); err != nil {
		return nil, err
	}
	if g.Source.IsValid() {
		return nil, &transport.Error{Op: "join", Group: g, Code: transport.WSAEINVAL, Err: errors.New("a source-specific group has one sender, a session of equals many")}
	}
	ctx, cancel := context.WithTimeout(ctx, c.JoinTimeout)
	defer cancel()
	p, err := open(ctx, g, c)
	if err != nil {
		return nil, err
	}
	select {
	case <-p.entered:
		return p, nil
	case <-p.done:
		err = p.Err()
	case <-ctx.Done():
		err = transport.Explain("join", g, context.Cause(ctx))
	}
	p.Close()
	return nil, err
}

// open makes a member that is looking for its session.
func open(ctx context.Context, g transport.Group, c Config) (p *Peer, err error) {
	p = &Peer{
		c: c, log: c.Logger, in: make(chan func(time.Time, *control.Membership)), loop: make(chan struct{}),
		entered: make(chan struct{}), done: make(chan struct{}), changed: make(chan struct{}),
	}
	p.events.init()
	p.links.init()
	p.closing.init()
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	if p.choice, err = transport.Choose(c.Network, c.Interface, g.Addr.Addr(), netip.Addr{}); err != nil {
		return nil, err
	}
	p.group = g
	p.group.Interface = p.choice.Interface.Name
	if err := p.wires.open(ctx, c, p.group, p.choice.Interface); err != nil {
		return nil, err
	}
	if p.next, err = p.openSockets(ctx); err != nil {
		p.wires.close()
		return nil, err
	}
	if p.channels, err = dtls.New(c.channels(&p.wires)); err != nil {
		p.wires.close()
		p.next.close()
		return nil, &transport.Error{Op: "join", Group: g, Code: transport.WSAEINVAL, Err: err}
	}
	m := control.NewMembership(time.Now(), p.membership())
	p.wg.Go(p.accept)
	p.listen()
	p.wg.Go(p.watch)
	go p.run(m)
	return p, nil
}

// listen starts the readers of the membership's sockets.
func (p *Peer) listen() {
	unicast, group := p.wires.now()
	p.wg.Go(func() { p.wires.read(unicast, false, p.channels, p.plain, p.log) })
	p.wg.Go(func() { p.wires.read(group, true, p.channels, p.plain, p.log) })
}

func (p *Peer) membership() control.MembershipConfig {
	pin := p.channels.Pin()
	return control.MembershipConfig{
		Self: control.Equal{
			Pin: pin, Control: p.wires.local(), Addr: p.next.unicast.LocalAddr(), Role: p.c.Role, Data: p.c.Data,
		},
		Callee: p.c.Callee, Silence: p.c.Silence, FoundAfter: p.c.FoundAfter, Seed: binary.BigEndian.Uint64(pin[:]),
		Found: func() (control.Charter, error) { return p.c.charter(p.group, p.choice.Interface) },
		Key:   p.key,
		Sign: func(text []byte) (control.Signature, error) {
			s, err := p.channels.Sign(text)
			return s, err
		},
		Verify: func(text []byte, s control.Signature) ([32]byte, bool) {
			pin, ok := dtls.Verify(text, s)
			return pin, ok
		},
	}
}

// key draws the keys of a view. It runs in the loop.
func (p *Peer) key(c control.Charter, n control.ViewNumber, fresh bool, ids []uint32) (control.Secret, error) {
	var e *crypto.Epoch
	switch {
	case fresh || p.plane == nil:
		var err error
		if e, err = crypto.EpochAt(c.Session, c.Hash(), crypto.Roster(ids), uint64(n)); err != nil {
			return nil, err
		}
	case p.plane.epoch.Number()+1 != uint64(n):
		return nil, fmt.Errorf("epoch %d does not follow %d", uint64(n), p.plane.epoch.Number())
	default:
		e = p.plane.epoch.Next(crypto.Roster(ids))
	}
	defer e.Wipe()
	return e.AppendState(nil), nil
}

// run drives the machine until Close.
func (p *Peer) run(m *control.Membership) {
	defer close(p.loop)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		for a, ok := m.Poll(); ok; a, ok = m.Poll() {
			p.act(m, a)
		}
		if p.ctx.Err() != nil && m.Over() {
			return
		}
		var expired <-chan time.Time
		if t := m.NextTimeout(); !t.IsZero() {
			timer.Reset(time.Until(t))
			expired = timer.C
		}
		select {
		case f := <-p.in:
			f(time.Now(), m)
		case <-expired:
			m.Advance(time.Now())
		case <-p.ctx.Done():
			return
		}
	}
}

// do hands f to the loop.
func (p *Peer) do(f func(time.Time, *control.Membership)) error {
	select {
	case p.in <- f:
		return nil
	case <-p.loop:
		return errOver("use session")
	}
}

func (p *Peer) plain(packet []byte, from netip.AddrPort) {
	p.do(func(now time.Time, m *control.Membership) { m.Plain(now, from, packet) })
}

// act carries out what the machine wants. It runs in the loop.
func (p *Peer) act(m *control.Membership, a control.Action) {
	switch a.Kind {
	case control.Multicast:
		p.wires.send(a.Bytes, p.wires.to)
	case control.Unicast:
		p.wires.send(a.Bytes, a.Addr)
	case control.Dial:
		p.reach(a.Conn, a.Addr, a.Pin)
	case control.Transmit:
		p.transmit(a.Conn, a.Bytes)
	case control.HangUp:
		p.hangUp(a.Conn)
	case control.Tell:
		p.happened(m, a.Event)
	}
}

func (p *Peer) noteRefusal(err error) {
	p.mu.Lock()
	p.refused = err
	p.mu.Unlock()
}

// Close leaves at once and frees everything: the others are told, and what is
// not delivered yet is lost. Closing twice is harmless.
func (p *Peer) Close() error {
	p.closing.do(func() {
		over := make(chan struct{})
		if p.do(func(now time.Time, m *control.Membership) {
			m.Leave(now)
			close(over)
		}) == nil {
			<-over
			p.lastWords()
		}
		p.cancel(errOver("use session"))
		<-p.loop
		p.channels.Close()
		p.wires.close()
		p.wg.Wait()
		p.mu.Lock()
		planes := append(p.spent, p.reading...)
		p.spent, p.reading = nil, nil
		p.mu.Unlock()
		for _, pl := range planes {
			pl.close()
		}
		if p.next != nil {
			p.next.close()
		}
	})
	return nil
}

// lastWords waits until the goodbye has arrived, a moment at most.
func (p *Peer) lastWords() {
	for range 60 {
		said := make(chan bool, 1)
		if p.do(func(now time.Time, m *control.Membership) { said <- m.Over() }) != nil || <-said {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Shutdown leaves in good order: what was sent is delivered first. A done ctx
// cuts the waiting short and is returned; the membership is over all the same.
func (p *Peer) Shutdown(ctx context.Context) error {
	err := p.Drain(ctx)
	p.Close()
	return err
}

func errOver(op string) error {
	return &transport.Error{Op: op, Code: transport.WSA_OPERATION_ABORTED, Err: errors.New("the session was closed")}
}
