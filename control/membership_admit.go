package control

import (
	"bytes"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// onEnter tells somebody what it is about to enter, and waits for its oath.
func (m *Membership) onEnter(now time.Time, l *link, e Enter) error {
	if no, frame := m.admits(l); no {
		return m.turnAway(now, l, frame)
	}
	if m.unite(now, e.Denied) {
		return nil
	}
	if m.isDenied(l.pin) { // it says so itself
		return m.turnAway(now, l, denyEvicted)
	}
	for _, o := range m.sorted() {
		if o != l && o.pin == l.pin && o.asks != nil && o.use == linkNew {
			m.hang(o) // else one key could hold any number of links
		}
	}
	e.Data, e.Denied = bytes.Clone(e.Data), nil
	l.asks, l.id = &e, m.chair.nextID
	m.chair.nextID++
	l.pipe.Write(Entered{l.id, m.number.Term(), m.charter, m.c.Callee}.Append(nil))
	return nil
}

// onSwear lets somebody in, in the next view.
func (m *Membership) onSwear(now time.Time, l *link, w Swear) error {
	c := &m.chair
	if no, frame := m.admits(l); no {
		return m.turnAway(now, l, frame)
	}
	if !m.sworn(w.Oath, m.number.Term(), l.pin) {
		return FaultValue
	}
	if old := m.roster.byPin(l.pin); old != nil && !slices.Contains(c.gone, old.ID) {
		m.supersede(now, old.ID) // it has begun anew, whatever it was before
	}
	c.joiners = slices.DeleteFunc(c.joiners, func(j joiner) bool {
		if j.link.pin == l.pin {
			m.hang(j.link)
		}
		return j.link.pin == l.pin
	})
	e := l.asks
	l.use, l.asks = linkMember, nil
	as := Equal{ID: l.id, Pin: l.pin, Control: l.addr, Addr: e.Addr, Role: e.Role, Data: e.Data}
	c.joiners = append(c.joiners, joiner{l, as, w.Oath})
	c.merged = c.merged || e.Moved
	m.want(now, joinGather)
	return nil
}

// admits reports whether there is a reason to let nobody in by that link, and how
// to say so.
func (m *Membership) admits(l *link) (no bool, frame []byte) {
	switch {
	case m.isDenied(l.pin):
		return true, denyEvicted
	case m.standing != leading:
		return true, m.elsewhereWord().Append(nil)
	case len(m.roster)+len(m.chair.joiners)-len(m.chair.gone) >= int(m.charter.Limit):
		return true, denyFull
	case l.pin == m.c.Self.Pin:
		return true, Deny{Why: DenyBusy}.Append(nil)
	}
	return false, nil
}

var denyFull = Deny{Why: DenyRefused, Code: transport.WSAECONNREFUSED, Text: "the session has as many members as it may"}.Append(nil)

func (m *Membership) turnAway(now time.Time, l *link, frame []byte) error {
	m.stats.Refused++
	m.farewell(now, l, frame)
	return nil
}

// supersede takes a member out whose key has come in anew. It is told for good:
// were it another process with the same key, the two would throw each other out
// for ever.
func (m *Membership) supersede(now time.Time, id uint32) {
	if l := m.chair.member[id]; l != nil && l.open() {
		m.farewell(now, l, denyTwice)
	}
	m.depart(now, id, 0)
}

var denyTwice = Deny{Why: DenyRefused, Code: transport.WSAEADDRINUSE, Text: "another process came in with the same key; each needs one of its own"}.Append(nil)
