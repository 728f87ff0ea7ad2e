package nonrooted

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/transport"
)

// watchEvery is how often a member that hears nothing looks after its interface.
const watchEvery = time.Second

// watch looks whether the interface is still the one that the sockets were opened
// on: one that is deleted, or deleted and made again, takes the groups that were
// joined on it along, and no socket is told (F-8). Where the group's packets come,
// one a second of the coordinator at least, nothing is looked at.
func (p *Peer) watch() {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	heard := uint64(0)
	var lost time.Time
	for {
		select {
		case <-tick.C:
		case <-p.ctx.Done():
			return
		case <-p.done:
			return
		}
		p.wires.mu.Lock()
		quiet := p.wires.failed
		p.wires.mu.Unlock()
		now := p.wires.counts.shared.Load()
		quiet, heard = quiet || now == heard, now
		if !quiet && lost.IsZero() {
			continue
		}
		is, same := p.looked()
		switch {
		case same && lost.IsZero():
		case lost.IsZero():
			lost = time.Now()
			p.do(func(now time.Time, m *control.Membership) { p.unlinked() })
			if is == nil {
				continue
			}
			fallthrough
		case is != nil:
			back := make(chan bool, 1)
			if p.do(func(now time.Time, m *control.Membership) { back <- p.relink(now, m, *is) }) == nil && <-back {
				lost = time.Time{}
			}
		case time.Since(lost) >= p.c.JoinTimeout:
			p.do(func(now time.Time, m *control.Membership) {
				p.giveUp(m, &transport.Error{Op: "session", Group: p.group, Code: transport.WSAENETDOWN, Err: fmt.Errorf(
					"the interface %s was deleted and has not come back within %v; name another one, or join again when it is there", p.group.Interface, p.c.JoinTimeout)})
			})
			return
		}
	}
}

// looked finds the interface as it is now, nil where it cannot be used, and
// whether it is the one that the sockets are on.
func (p *Peer) looked() (is *transport.Interface, same bool) {
	all, err := p.c.Network.Interfaces()
	if err != nil {
		return nil, true // nobody knows: as it was
	}
	was := p.Interface().Interface
	for _, i := range all {
		if i.Name != was.Name {
			continue
		}
		bound := p.wires.local().Addr().WithZone("")
		has := slices.ContainsFunc(i.Addrs, func(a netip.Prefix) bool { return a.Addr().Unmap() == bound.Unmap() })
		if i.Index == was.Index && (has || !i.Up) {
			return &i, true // one that is down keeps its groups
		}
		if _, err := localAddr(i, p.group.Addr.Addr()); err != nil || !i.Up {
			return nil, false
		}
		return &i, false
	}
	return nil, false
}

// unlinked tells of an interface that is gone.
func (p *Peer) unlinked() {
	text := fmt.Sprintf("the interface %s was deleted: nothing is heard, and nothing can be sent, until it is there again", p.group.Interface)
	p.log.Warn("the interface was deleted", "interface", p.group.Interface)
	p.events.add(Event{Kind: InterfaceLost, Text: text})
}

// relink opens all sockets anew and looks for the session. It runs in the loop.
func (p *Peer) relink(now time.Time, m *control.Membership, i transport.Interface) bool {
	p.wires.close()
	before := p.choice
	p.mu.Lock()
	p.choice.Interface = i
	p.mu.Unlock()
	undo := func(err error) bool {
		p.log.Warn("the interface is there again, and cannot be used yet", "interface", i.Name, "cause", err)
		p.mu.Lock()
		p.choice = before
		p.mu.Unlock()
		return false
	}
	if err := p.wires.open(p.ctx, p.c, p.group, i); err != nil {
		return undo(err)
	}
	next, err := p.openSockets(p.ctx)
	if err != nil {
		return undo(err) // what was opened is closed when this is tried again
	}
	if p.next != nil {
		p.next.close()
	}
	p.next = next
	p.listen()
	m.Rehome(next.unicast.LocalAddr())
	p.log.Info("the interface is there again", "interface", i.Name, "index", i.Index)
	p.events.add(Event{Kind: InterfaceBack, Text: fmt.Sprintf("the interface %s is there again", i.Name)})
	p.relinked = p.plane != nil || p.arrived != nil
	m.Resettle(now, p.wires.local(), "the interface was deleted and made again")
	return true
}
