package control

import (
	"bytes"
	"cmp"
	"net/netip"
	"time"
)

// encounter is another coordinator on this group, as seen from here.
type encounter struct {
	dialAt time.Time // zero: not to be dialled
	until  time.Time // not to be dialled again before
}

// mostEncounters bounds what strangers can make a coordinator remember.
const mostEncounters = 16

// sight is a coordinator that announces itself. The one at the lower address
// goes to meet the other, which waits for that a little.
func (m *Membership) sight(now time.Time, at netip.AddrPort) {
	if at == m.c.Self.Control || m.standing != leading {
		return
	}
	e := m.greets[at]
	if e == nil {
		if len(m.greets) >= mostEncounters {
			return
		}
		e = &encounter{}
		m.greets[at] = e
	}
	if now.Before(e.until) || !e.dialAt.IsZero() {
		return
	}
	e.dialAt = now
	if lower(at, m.c.Self.Control) {
		e.dialAt = now.Add(greetWait)
	}
	m.encounters(now)
}

func lower(a, b netip.AddrPort) bool {
	return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Port(), b.Port())) < 0
}

// encounters goes to meet who is due, and forgets who was met.
func (m *Membership) encounters(now time.Time) {
	var due netip.AddrPort
	for at, e := range m.greets {
		switch {
		case e.dialAt.IsZero() && !now.Before(e.until):
			delete(m.greets, at)
		case !e.dialAt.IsZero() && !now.Before(e.dialAt) && (!due.IsValid() || lower(at, due)):
			due = at
		}
	}
	if !due.IsValid() || m.greeting() {
		return
	}
	m.greeted(now, due, dialWait)
	m.dial(now, linkGreet, due, [32]byte{})
}

// greeting reports whether as many are being met as may be at once.
func (m *Membership) greeting() bool {
	n := 0
	for _, l := range m.links {
		if l.use == linkGreet && l.closing.IsZero() {
			n++
		}
	}
	return n >= greets
}

func (m *Membership) encounterDue() (due time.Time) {
	busy := m.greeting()
	for _, e := range m.greets {
		if e.dialAt.IsZero() {
			due = earlier(due, e.until)
		} else if !busy {
			due = earlier(due, e.dialAt)
		}
	}
	return due
}

// greeted leaves a coordinator alone for a while.
func (m *Membership) greeted(now time.Time, at netip.AddrPort, pause time.Duration) {
	if e := m.greets[at]; e != nil {
		e.dialAt, e.until = time.Time{}, now.Add(pause)
	}
}

func (m *Membership) sayGreet(l *link) {
	if m.standing != leading {
		m.hang(l)
		return
	}
	l.greet = &Greet{
		Session: m.charter.Session, Charter: m.hash, Term: m.number.Term(), Size: uint16(len(m.roster)), Denied: m.bans,
	}
	l.pipe.Write(l.greet.Append(nil))
}

// onGreet judges two sessions by what was said on this link, as the other end
// does, and goes over to the other where that one is to stay.
func (m *Membership) onGreet(now time.Time, l *link, g Greet) error {
	switch {
	case m.standing != leading:
		return m.notHere(now, l)
	case l.use == linkNew:
		l.use = linkGreet
		m.sayGreet(l)
	}
	m.greeted(now, l.addr, greetAgain)
	own := *l.greet
	l.closing = now.Add(partWait)
	switch {
	case m.isDenied(l.pin):
		return nil // it hears from our list that it is out
	case g.Session == own.Session && g.Charter != own.Charter, g.Term >= lastTerm:
		m.greeted(now, l.addr, greetNever)
		return nil
	case m.unite(now, g.Denied) || m.isDenied(l.pin):
		return nil
	case own.beats(m.c.Self.Pin, g, l.pin):
		return nil
	}
	m.yield(now, Move{l.addr, l.pin})
	return nil
}

// yield sends all members to the other session and goes there too.
func (m *Membership) yield(now time.Time, to Move) {
	word := to.Append(nil)
	for _, l := range m.sorted() {
		if l.use == linkMember && l.open() {
			m.farewell(now, l, bytes.Clone(word))
		}
	}
	m.part(now, going{why: mergesElsewhere, to: to})
}
