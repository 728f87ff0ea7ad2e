package main

import (
	"context"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

var (
	goodEnd    = []transport.Code{0}
	closed     = []transport.Code{ours}
	goneSilent = []transport.Code{transport.WSAECONNABORTED}
	// broken: whoever noticed first says so when the network is whole again.
	broken = []transport.Code{transport.WSAECONNABORTED, transport.WSAECONNRESET}
)

const unreadFor = 200 * time.Millisecond

// obey carries an event out, from its beginning to the moment that the leaf is
// well again, or another one has come in its place.
func (p *slot) obey(e event) {
	l := p.current()
	if l == nil && e.kind != join {
		return
	}
	p.s.tally.count(e.kind)
	p.s.log.tell("%s: %v", p.name, e)
	defer time.AfterFunc(4*patience+4*p.s.o.Silence, func() {
		p.s.fail("%s: %v has not ended:\n%s", p.name, e, stacks())
	}).Stop()
	switch e.kind {
	case join:
		p.join(e.plan)
	case loseIn:
		p.s.must(p.host.SetLoss(netlab.In, 20*e.amount))
	case loseOut:
		p.s.must(p.host.SetLoss(netlab.Out, 20*e.amount))
	case whole:
		p.s.must(p.host.SetLoss(netlab.In, 0))
		p.s.must(p.host.SetLoss(netlab.Out, 0))
	case stall:
		p.disturb(e.lasts(p.s.o.Silence), func(d time.Duration) {
			l.stall.Store(time.Now().Add(d).UnixNano())
			p.s.sleep(d)
		})
	case partition, longPartition, linkDown, unplug, remake:
		if !p.interrupt(l, e) {
			p.another(e)
		}
	default:
		p.leave(l, e)
		p.another(e)
	}
}

// another life begins some time after one ended.
func (p *slot) another(e event) {
	p.set(nil)
	if e.away >= 0 && p.s.sleep(e.away) {
		p.join(e.plan)
	}
}

// disturb does what may hold up the reliable stream.
func (p *slot) disturb(d time.Duration, f func(time.Duration)) {
	defer p.s.block()()
	f(d)
}

// interrupt takes the leaf's network away and gives it back. It returns false
// when the membership did not live through it, which may be where it was silent
// for long.
func (p *slot) interrupt(l *life, e event) (lives bool) {
	p.disturb(e.lasts(p.s.o.Silence), func(d time.Duration) {
		switch e.kind {
		case partition, longPartition:
			p.s.cut(p.host, true)
			p.s.sleep(d)
			p.s.cut(p.host, false)
		case linkDown:
			p.s.must(p.host.LinkDown())
			p.s.sleep(d)
			p.s.must(p.host.LinkUp())
		case unplug:
			p.s.must(p.host.Unplug())
			p.s.sleep(d)
			p.s.must(p.host.Plug())
		case remake:
			p.s.must(p.host.RecreateLink())
		}
		lives = l.hears(e.kind.String()) && l.talks(e.kind.String())
		if !lives && e.kind == longPartition { // the root may be the last to know
			l.ends(p.s.o.Silence+patience, e.kind.String(), broken, broken)
			l.bury()
		}
	})
	if !lives && e.kind != longPartition && p.s.ctx.Err() == nil {
		p.s.fail("%v: did not live through %v: %v; the root says %v", l, e, l.leaf.Err(), l.member.Err())
	}
	return lives
}

// leave ends a membership in one of the ways there are.
func (p *slot) leave(l *life, e event) {
	how := e.kind.String()
	l.leaving.Store(true)
	switch e.kind {
	case shutdown:
		l.hush()
		ctx, cancel := context.WithTimeout(p.s.ctx, patience)
		defer cancel()
		if err := l.leaf.Shutdown(ctx); err != nil && p.s.ctx.Err() == nil {
			p.s.fail("%v: shutdown: %v", l, err)
		}
		l.ends(patience, how, closed, goodEnd)
		l.heardAll()
	case closing:
		p.unread(l, e)
		l.leaf.Close()
		l.ends(patience, how, closed, goodEnd)
	case evict:
		low := p.s.sentDone()
		l.member.Evict(transport.WSAEACCES, "the soak's turn")
		high := p.s.sentBegun()
		l.ends(patience, how, []transport.Code{transport.WSAEACCES}, []transport.Code{transport.WSAEACCES})
		l.told(how, low, high)
		p.s.tally.evicted.Add(1)
	case dismiss:
		low := p.s.sentDone()
		l.member.Close()
		l.ends(patience, how, goodEnd, goodEnd)
		// The keys change a moment later; what the leaf hears of until then it
		// tells as missed, though it is not owed.
		l.told(how, low, p.s.sentBegun())
	case crash, fallSilent:
		p.vanish(l, e)
	}
	l.bury()
}

// unread lets something come that nobody reads any more, half the time: what a
// program that ends leaves in its session.
func (p *slot) unread(l *life, e event) {
	if e.amount < 0.5 {
		p.disturb(unreadFor, func(d time.Duration) {
			l.stall.Store(time.Now().Add(d).UnixNano())
			p.s.sleep(d * 9 / 10)
		})
	}
}

// vanish takes the network away from a leaf for good: the root has only its
// silence to go by. The leaf's program is gone as well, or lives on alone.
func (p *slot) vanish(l *life, e event) {
	atLeaf := goneSilent
	if e.kind == crash {
		p.unread(l, e)
	}
	p.disturb(0, func(time.Duration) {
		p.s.cut(p.host, true)
		if e.kind == crash {
			atLeaf = closed
			l.leaf.Close()
		}
		l.ends(2*p.s.o.Silence+wedged, e.kind.String(), atLeaf, goneSilent)
	})
	p.s.cut(p.host, false)
	p.s.tally.vanished.Add(1)
}
