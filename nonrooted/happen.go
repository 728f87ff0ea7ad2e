package nonrooted

import (
	"errors"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// happened carries out what the machine tells. It runs in the loop.
func (p *Peer) happened(m *control.Membership, e control.EqualEvent) {
	switch e.Kind {
	case control.EqualEntered:
		p.arrived = &e
		p.mu.Lock()
		p.callee = e.Data
		p.mu.Unlock()
	case control.EqualViewed:
		if err := p.viewed(&e); err != nil {
			p.giveUp(m, err)
		}
	case control.EqualUsing:
		p.using(uint64(e.Number))
	case control.EqualParting:
		p.parting(&e)
	case control.EqualMoving:
		p.parted(m, e.Text)
	case control.EqualClosed:
		p.closed(e)
	}
}

// giveUp ends a membership that cannot go on.
func (p *Peer) giveUp(m *control.Membership, err error) {
	p.log.Error("the membership cannot go on", "cause", err)
	p.mu.Lock()
	if p.err == nil {
		p.err = err
	}
	p.mu.Unlock()
	m.Leave(time.Now())
}

// viewed takes a view up, and with the first one of a session the data plane.
func (p *Peer) viewed(e *control.EqualEvent) error {
	if a := p.arrived; a != nil {
		p.arrived = nil
		pl, err := p.begin(a, e)
		if err != nil {
			return err
		}
		p.plane = pl
	}
	if p.plane == nil {
		return nil // could not be begun: this member is on its way out
	}
	if err := p.plane.viewed(e); err != nil {
		return err
	}
	p.toRead()
	before := p.view.Load()
	p.view.Store(viewOf(e, p.plane))
	p.tell(e, before)
	return nil
}

// toRead puts a new plane behind those that are still read.
func (p *Peer) toRead() {
	p.mu.Lock()
	known := slices.Contains(p.reading, p.plane)
	if !known {
		p.reading = append(p.reading, p.plane)
	}
	p.mu.Unlock()
	if !known {
		p.stir()
	}
}

// tell turns a view into events.
func (p *Peer) tell(e *control.EqualEvent, before *View) {
	n := uint64(e.Number)
	for _, m := range e.Removed {
		p.events.add(Event{Kind: Left, Member: memberOf(m), View: n})
	}
	for _, m := range e.Added {
		p.events.add(Event{Kind: Joined, Member: memberOf(m), View: n})
	}
	if before == nil || before.Coordinator != e.Lead || before.Session != p.view.Load().Session {
		lead, _ := p.view.Load().Member(e.Lead)
		p.events.add(Event{Kind: Leads, Member: lead, View: n})
	}
	if e.Merged || p.moved {
		p.moved = false
		p.events.add(Event{Kind: Merged, View: n})
	}
	p.log.Info("view", "number", n, "members", len(e.Roster), "coordinator", e.Lead)
}

// using seals under an epoch from now on.
func (p *Peer) using(epoch uint64) {
	pl := p.plane
	if pl == nil {
		return
	}
	pl.use(pl.s, epoch)
	pl.owe()
	p.used.Store(epoch)
	p.events.add(Event{Kind: Rekeyed, View: epoch})
	if p.sending.Load() != pl {
		p.sending.Store(pl)
		p.stir()
		p.log.Info("joined", "member", pl.id, "group", p.group, "interface", p.choice)
	}
	p.inOnce.Do(func() { close(p.entered) })
}

// stir wakes who waits for another plane.
func (p *Peer) stir() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
}

// parting lets nothing new into a session that is about to end: who waits to send
// does so in the next one.
func (p *Peer) parting(e *control.EqualEvent) {
	p.sending.Store(nil)
	if p.plane != nil {
		for _, m := range e.Removed {
			p.plane.s.RemoveMember(m.ID) // else what waits for it is not sent to anybody
		}
		p.plane.pause()
	}
}

// parted ends this session's data plane; another one follows.
func (p *Peer) parted(m *control.Membership, why string) {
	p.events.add(Event{Kind: Parted, Text: why})
	p.log.Info("on the way into another session", "why", why)
	p.moved, p.relinked = !p.relinked, false
	p.sending.Store(nil)
	if p.plane != nil {
		p.plane.end(errEnded)
		p.plane = nil
	}
	p.arrived = nil
	p.dropOld()
	if p.next == nil {
		var err error
		if p.next, err = p.openSockets(p.ctx); err != nil {
			p.giveUp(m, err)
			return
		}
	}
	m.Rehome(p.next.unicast.LocalAddr())
}

// planesKept is how many planes that are over wait to be read. More are lost,
// unread messages and all. Those that were read to their end go at once.
const planesKept = 2

func (p *Peer) dropOld() {
	p.mu.Lock()
	old := p.spent
	p.spent = nil
	for len(p.reading) > planesKept {
		old, p.reading = append(old, p.reading[0]), p.reading[1:]
	}
	p.mu.Unlock()
	for _, pl := range old {
		p.wg.Go(pl.close)
	}
}

// closed ends the membership.
func (p *Peer) closed(e control.EqualEvent) {
	p.mu.Lock()
	if p.err == nil {
		p.err = p.ending(e)
	}
	err := p.err
	p.mu.Unlock()
	p.sending.Store(nil)
	if p.plane != nil {
		p.plane.end(err)
		p.plane = nil
	}
	p.events.add(Event{Kind: Closed, Code: e.Code, Text: e.Text})
	p.log.Info("the membership is over", "code", int(e.Code), "why", e.Text)
	close(p.done)
	p.stir()
}

// ending is the error of a membership that is over. The lock is held.
func (p *Peer) ending(e control.EqualEvent) error {
	if e.Code == 0 {
		return errOver("session")
	}
	cause := errors.New(e.Text)
	select {
	case <-p.entered:
	default:
		if p.refused != nil {
			return &transport.Error{Op: "join", Group: p.group, Code: e.Code, Err: p.refused}
		}
	}
	return &transport.Error{Op: "session", Group: p.group, Code: e.Code, Err: cause}
}

func memberOf(e control.Equal) Member {
	return Member{ID: e.ID, Pin: crypto.Pin(e.Pin), Control: e.Control, Addr: e.Addr, Role: e.Role, Data: e.Data}
}
