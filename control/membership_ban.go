package control

import (
	"errors"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

const (
	// ownBans are kept free for the coordinator's own word: what others bring from
	// elsewhere could else fill the list, with keys that they drew themselves, and
	// no eviction would hold.
	ownBans = 64
	// mostUndue bounds what a list of false bans costs in signatures checked.
	mostUndue = 16
)

func (m *Membership) isDenied(pin [32]byte) bool {
	return slices.ContainsFunc(m.bans, func(d Ban) bool { return d.Pin == pin })
}

// holds reports whether who gave a ban may: an admin of the charter, or whom
// the one who is out had sworn to follow, then and there.
func (m *Membership) holds(d Ban) bool {
	by, ok := m.c.Verify(d.Text(), d.By)
	switch {
	case !ok || by == d.Pin:
		return false
	case d.Oath.IsZero():
		return slices.Contains(m.charter.Admins, by)
	}
	sworn, ok := m.c.Verify(OathText(d.Session, d.Term, by), d.Oath)
	return ok && sworn == d.Pin
}

// believe takes from others' bans those that hold, as long as there are no more
// than most, and reports whether this member itself is out by one of them. The
// others are dropped.
func (m *Membership) believe(ds []Ban, most int) (out bool) {
	undue := 0
	for _, d := range ds {
		switch {
		case m.isDenied(d.Pin) || len(m.bans) >= most:
		case undue >= mostUndue:
			m.stats.Undue++ // not looked at
		case !m.holds(d):
			m.stats.Undue++
			undue++
		default:
			m.stats.Bans++
			m.bans = append(m.bans, d)
		}
	}
	return m.isDenied(m.c.Self.Pin)
}

// under takes up a charter: what its admins did not say, others' did, holds no more.
func (m *Membership) under(c Charter) {
	m.charter, m.hash = c, c.Hash()
	m.bans = slices.DeleteFunc(m.bans, func(d Ban) bool { return d.Oath.IsZero() && !m.holds(d) })
}

// swear signs that this member follows a coordinator in a term.
func (m *Membership) swear(session [16]byte, term uint32, coordinator [32]byte) (Signature, error) {
	return m.c.Sign(OathText(session, term, coordinator))
}

// sworn reports whether that is the oath of who has that key, to this member.
func (m *Membership) sworn(oath Signature, term uint32, pin [32]byte) bool {
	by, ok := m.c.Verify(OathText(m.charter.Session, term, m.c.Self.Pin), oath)
	return ok && by == pin
}

// ban makes a ban of this member's own.
func (m *Membership) ban(pin [32]byte, oath Signature) (d Ban, err error) {
	if len(m.bans) >= MaxDenied {
		return d, &transport.Error{Op: "evict", Code: transport.WSAENOBUFS, Err: errors.New("as many were put out as are remembered; the session needs another join code or authority")}
	}
	d = Ban{Session: m.charter.Session, Term: m.number.Term(), Pin: pin, Oath: oath}
	if d.By, err = m.c.Sign(d.Text()); err != nil {
		return d, &transport.Error{Op: "evict", Code: transport.CodeOf(err), Err: err}
	}
	if !m.isDenied(pin) {
		m.bans = append(m.bans, d)
	}
	return d, nil
}

// Evict puts a member out for good: its key is never let in again. The
// coordinator may, and those whom the charter names.
func (m *Membership) Evict(now time.Time, id uint32) error {
	m.wake(now)
	e := m.roster.find(id)
	admin := slices.Contains(m.charter.Admins, m.c.Self.Pin)
	switch {
	case e == nil || m.standing == seeking || m.standing == arriving || m.standing == departed:
		return &transport.Error{Op: "evict", Code: transport.WSAENOTCONN, Err: errors.New("there is no such member")}
	case id == m.id:
		return invalid("a member that is to go leaves; it does not evict itself")
	case m.standing != leading && !admin:
		return &transport.Error{Op: "evict", Code: transport.WSAEACCES, Err: errors.New("only the coordinator evicts, and whom the charter names as admins")}
	case m.standing != leading && (m.up.link == nil || !m.up.link.open()):
		return &transport.Error{Op: "evict", Code: transport.WSATRY_AGAIN, Err: errors.New("there is no coordinator just now")}
	}
	var oath Signature
	if !admin {
		oath = m.chair.sworn[id]
	}
	d, err := m.ban(e.Pin, oath)
	switch {
	case err != nil:
		return err
	case m.standing == leading:
		m.putOut(now, *e)
	default: // this member remembers it too, should the coordinator not
		m.up.link.pipe.Write(Evict{d}.Append(nil))
	}
	m.flush(now)
	return nil
}

// onEvict is an admin's ban.
func (m *Membership) onEvict(now time.Time, _ *link, e Evict) error {
	d := e.Ban
	if m.standing != leading || d.Session != m.charter.Session || !d.Oath.IsZero() {
		return FaultState
	}
	if !m.isDenied(d.Pin) {
		if !m.holds(d) {
			m.stats.Undue++
			return FaultState
		}
		if len(m.bans) >= MaxDenied {
			return nil
		}
		m.stats.Bans++
		m.bans = append(m.bans, d)
	}
	if d.Pin == m.c.Self.Pin {
		m.over(now, transport.WSAEACCES, "put out by an admin")
		return nil
	}
	if t := m.roster.byPin(d.Pin); t != nil {
		m.putOut(now, *t)
	}
	return nil
}

// unite takes another session's word on who is out, and reports whether it is
// this member.
func (m *Membership) unite(now time.Time, denied []Ban) (out bool) {
	if m.believe(denied, MaxDenied-ownBans) {
		m.over(now, transport.WSAEACCES, putOutElsewhere)
		return true
	}
	for _, e := range slices.Clone(m.roster) {
		if e.ID != m.id && m.isDenied(e.Pin) {
			m.putOut(now, e)
		}
	}
	return false
}

const putOutElsewhere = "put out of the session by its other part"

// putOut takes a member out that was denied.
func (m *Membership) putOut(now time.Time, e Equal) {
	if l := m.chair.member[e.ID]; l != nil {
		m.farewell(now, l, denyEvicted)
	}
	m.depart(now, e.ID, 0)
}

var denyEvicted = Deny{Why: DenyRefused, Code: transport.WSAEACCES, Text: "this member was put out of the session"}.Append(nil)
