package nonrooted

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/session"
)

// Message describes what Recv returned.
type Message struct {
	session.Message
	// Session is the one it was sent in.
	Session crypto.SessionID
	// Member is who sent it, as it was when it was heard. Ids mean something
	// within one session only, which after a merger is another one.
	Member *Member
}

// Send gives one message to all other members, in order; or where data has a
// root to whom that says. It waits while the slowest member's credit, or the
// rate, allows no more, and between two sessions; a done ctx ends only that
// wait. Alone in a session it succeeds and reaches nobody (R243).
//
// That it succeeds means that the session that this member is in has the message,
// for those who are in it. Where that session ends while Send waits, the message is
// sent in the one that follows, once. What it had taken and others had not received
// when it ended is lost: they are told by Message.Missed, and Drain fails.
func (p *Peer) Send(ctx context.Context, b []byte) error { return p.SendStream(ctx, 0, b) }

// SendStream is Send on one of the session's streams.
func (p *Peer) SendStream(ctx context.Context, st flow.Stream, b []byte) error {
	for {
		pl, err := p.current(ctx, "send")
		if err != nil {
			return err
		}
		switch err := pl.send(ctx, st, b); {
		case err == nil:
			if p.c.Loopback && !pl.charter.Params.Ordered { // an order gives them back by itself
				p.own.add(pl, st, b)
			}
			return nil
		case !pl.paused.Load() || ctx.Err() != nil:
			return err
		case p.Err() != nil:
			return p.ended("send")
		} // the session ends, not the membership: the next one has it
	}
}

// atOnce is done: who waits with it does not wait.
var atOnce = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// send gives a message to the engine as long as the plane lives. No error: it was
// taken before the plane ended.
func (pl *plane) send(ctx context.Context, st flow.Stream, b []byte) error {
	pl.gate.RLock()
	defer pl.gate.RUnlock()
	if pl.paused.Load() {
		return errEnded
	}
	err := pl.s.Send(atOnce, st, b)
	if err == nil || !errors.Is(err, context.Canceled) {
		return err
	}
	return pl.within(ctx, func(ctx context.Context) error { return pl.s.Send(ctx, st, b) })
}

// within lets f wait until ctx is done, or nothing more is sent in the plane.
func (pl *plane) within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(pl.open, func() { cancel(errEnded) })()
	return f(ctx)
}

// current waits for a plane whose keys are in use.
func (p *Peer) current(ctx context.Context, op string) (*plane, error) {
	for {
		if pl := p.sending.Load(); pl != nil {
			return pl, nil
		}
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		if p.sending.Load() != nil {
			continue
		}
		select {
		case <-p.done:
			return nil, p.ended(op)
		default:
		}
		select {
		case <-changed:
		case <-p.done:
		case <-ctx.Done():
			return nil, transport.Explain(op, p.group, context.Cause(ctx))
		}
	}
}

func (p *Peer) ended(op string) error {
	if p.ctx.Err() != nil {
		return errOver(op)
	}
	return p.Err()
}

// Recv waits for the next message of any member, in order per member and
// stream, and copies it to b. Where b is too short it fails with WSAEMSGSIZE,
// tells the size in N, and the message stays. What was lost at the end of a
// session that merged into another is told in Missed of what is read next.
func (p *Peer) Recv(ctx context.Context, b []byte) (Message, error) {
	for {
		pl, err := p.readable(ctx)
		if err != nil {
			return Message{}, err
		}
		m, err := p.recvFrom(ctx, pl, b)
		switch {
		case err == nil:
			return p.whose(pl, m), nil
		case errors.Is(err, errWoken):
			continue
		case errors.Is(err, errEnded):
			p.drained(pl, m.Missed)
			continue
		case errors.Is(err, net.ErrClosed) && p.left(pl):
			continue // the plane was closed, not the membership
		case p.ctx.Err() != nil:
			err = errOver("receive")
		}
		return p.whose(pl, m), err
	}
}

// recvFrom reads one message, this member's own included where those are wanted.
func (p *Peer) recvFrom(ctx context.Context, pl *plane, b []byte) (session.Message, error) {
	if !p.c.Loopback {
		return pl.s.Recv(ctx, b)
	}
	return p.own.recv(ctx, pl, b)
}

func (p *Peer) whose(pl *plane, m session.Message) Message {
	if m.From == pl.id {
		return Message{m, pl.charter.Session, pl.self}
	}
	if p.carried.Load() > 0 && m.From != 0 {
		m.Missed += p.carried.Swap(0)
	}
	who := (*pl.known.Load())[m.From]
	if who == nil && m.From != 0 {
		who = &Member{ID: m.From} // it went long ago: see knownKept
	}
	return Message{m, pl.charter.Session, who}
}

// readable is the plane that is read now.
func (p *Peer) readable(ctx context.Context) (*plane, error) {
	for {
		p.mu.Lock()
		changed := p.changed
		if len(p.reading) > 0 {
			pl := p.reading[0]
			p.mu.Unlock()
			return pl, nil
		}
		p.mu.Unlock()
		select {
		case <-p.done:
			return nil, p.ended("receive")
		default:
		}
		select {
		case <-changed:
		case <-p.done:
		case <-ctx.Done():
			return nil, transport.Explain("receive", p.group, context.Cause(ctx))
		}
	}
}

// drained goes on to the next plane.
func (p *Peer) drained(pl *plane, missed uint64) {
	p.carried.Add(missed)
	p.mu.Lock()
	first := len(p.reading) > 0 && p.reading[0] == pl
	if first {
		p.reading = p.reading[1:]
		p.spent = append(p.spent, pl)
	}
	p.mu.Unlock()
	if first { // the loop closes it; after Close that does
		p.do(func(time.Time, *control.Membership) { p.dropOld() })
	}
}

// left reports whether a plane is read no more: another Recv came to its end, or
// too many were waiting.
func (p *Peer) left(pl *plane) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !slices.Contains(p.reading, pl)
}

// Flush sends small messages that wait for company.
func (p *Peer) Flush() {
	if pl := p.sending.Load(); pl != nil {
		pl.s.Flush()
	}
}

// Drain waits until what was sent so far on reliable streams was delivered. It
// fails when this member went over into another session before that, since it
// was asked last.
func (p *Peer) Drain(ctx context.Context) error {
	pl, err := p.current(ctx, "drain")
	if err != nil {
		return err
	}
	err = pl.s.Drain(ctx)
	broke := p.broke.Swap(false)
	switch {
	case !pl.over.Load() && !broke:
		return err
	case p.Err() != nil:
		return p.ended("drain")
	}
	return &transport.Error{Op: "drain", Group: p.group, Code: transport.WSAECONNRESET, Err: errors.New("this member went over into another session; what the others had not received is lost")}
}

// View returns who is in now.
func (p *Peer) View() View { return *p.view.Load() }

// ID is this member's id, as of now.
func (p *Peer) ID() uint32 { return p.view.Load().Self }

// Pin is this member's fingerprint.
func (p *Peer) Pin() crypto.Pin { return p.channels.Pin() }

// Group is the group with the interface that is used.
func (p *Peer) Group() transport.Group { return p.group }

// Interface tells which interface is used, and why.
func (p *Peer) Interface() transport.Choice {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.choice
}

// LocalAddr is where this member hears membership.
func (p *Peer) LocalAddr() netip.AddrPort { return p.wires.local() }

// CalleeData is what the coordinator said when this member came in last. nil is
// nothing, as for who founded the session.
func (p *Peer) CalleeData() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.callee
}

// Evict puts a member out for good: its key is not let in again, whatever
// merges. The coordinator may, and those whom Admins of the founder names.
func (p *Peer) Evict(ctx context.Context, id uint32) error {
	answer := make(chan error, 1)
	if err := p.do(func(now time.Time, m *control.Membership) { answer <- m.Evict(now, id) }); err != nil {
		return err
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return transport.Explain("evict", p.group, context.Cause(ctx))
	}
}

// NextEvent waits for the next event.
func (p *Peer) NextEvent(ctx context.Context) (Event, error) { return p.events.next(ctx, p.done) }

// Done is closed when the membership is over; Err says why.
func (p *Peer) Done() <-chan struct{} { return p.done }

// Err is nil while this member is in; afterwards an error with the code:
// WSAEACCES when it was put out, or matching net.ErrClosed after Close.
func (p *Peer) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}
