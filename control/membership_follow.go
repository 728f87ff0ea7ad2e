package control

import (
	"cmp"
	"slices"
	"time"
)

// upState is a member's, who has a coordinator.
type upState struct {
	link    *link     // nil: lost, or being dialled again
	heard   time.Time // when the coordinator last was, of links that are gone
	retryAt time.Time // when the membership is taken up again, without a link
	suspect time.Time // since when it is held for gone; zero: it is not
	promise uint32    // the term of a claim that was agreed to
}

// lostUp is the end of the link to the coordinator, or of the way to one.
func (m *Membership) lostUp(now time.Time, l *link, refused bool) {
	switch {
	case m.standing == arriving && l == m.seek.link:
		m.notThere(now, refused)
	case m.standing == following && l == m.up.link:
		if l.pipe != nil {
			m.up.heard = l.pipe.Heard()
		}
		m.up.link, m.up.retryAt = nil, now
		if m.up.promise > 0 || refused {
			m.up.retryAt = now.Add(resumeWait)
		}
		if m.up.promise > 0 && l.pipe != nil {
			m.suspect(now) // it claimed, and went away
		}
	}
}

// upHeard is when the coordinator was last heard.
func (m *Membership) upHeard() time.Time {
	if l := m.up.link; l != nil && l.pipe != nil {
		return l.pipe.Heard()
	}
	return m.up.heard
}

// followOn is what a member does in time.
func (m *Membership) followOn(now time.Time) {
	u := &m.up
	switch {
	case !u.suspect.IsZero():
		if !now.Before(m.claimAt()) {
			m.claimChair(now)
		}
	case now.Sub(m.upHeard()) >= m.c.Silence:
		m.suspect(now)
	case u.link == nil && !now.Before(u.retryAt):
		m.resume(now)
	}
}

// resume takes the membership up again, over a new link.
func (m *Membership) resume(now time.Time) {
	u := &m.up
	u.retryAt = now.Add(resumeWait)
	e := m.roster.find(m.lead)
	if e == nil || u.promise > 0 {
		return
	}
	u.link = m.dial(now, linkUp, e.Control, e.Pin)
}

// suspect holds the coordinator for gone. The oldest who is left claims at
// once, the next ones later, should it not.
func (m *Membership) suspect(now time.Time) {
	u := &m.up
	if !u.suspect.IsZero() {
		return
	}
	u.suspect = now
	if l := u.link; l != nil {
		u.heard = m.upHeard()
		u.link = nil
		m.hang(l)
	}
	if !now.Before(m.claimAt()) {
		m.claimChair(now)
	}
}

// claimAt is when this member claims: the older, the sooner. The first few are
// given time to; that all of them are gone as well is a partition, and then the
// next ones must not wait for long.
func (m *Membership) claimAt() time.Time {
	rank := 0
	for _, e := range m.roster {
		if e.ID < m.id && e.ID != m.lead {
			rank++
		}
	}
	step := m.c.Silence / 8
	return m.up.suspect.Add(time.Duration(min(rank, patientRanks))*step + time.Duration(max(0, rank-patientRanks))*step/5)
}

func (m *Membership) followDue() time.Time {
	u := &m.up
	if !u.suspect.IsZero() {
		return m.claimAt()
	}
	due := m.upHeard().Add(m.c.Silence)
	if u.link == nil && u.promise == 0 {
		due = earlier(due, u.retryAt)
	}
	return due
}

func (m *Membership) onView(now time.Time, l *link, v View) error {
	v = v.clone()
	if m.standing == arriving && l == m.seek.link {
		return m.firstView(now, l, &v)
	}
	if m.standing != following || l != m.up.link {
		return FaultState
	}
	next := m.roster.apply(&v)
	switch own := next.find(m.id); {
	case v.Number < m.number || v.Number == m.number && !v.Full:
		return FaultValue
	case v.Number.Term() != cmp.Or(m.up.promise, m.number.Term()):
		return FaultValue // a term is claimed, not taken
	case len(next) > MaxEquals:
		return FaultLimit
	case own == nil || own.Pin != m.c.Self.Pin:
		return FaultValue
	case next.find(v.Coordinator) == nil || next.find(v.Coordinator).Pin != l.pin:
		return FaultValue // the coordinator speaks for itself alone
	}
	m.up.promise, m.up.suspect = 0, time.Time{}
	if v.Number > m.number {
		m.adopt(&v, next)
	}
	l.pipe.Write(Taken{v.Number}.Append(nil))
	return nil
}

func (m *Membership) onUse(_ time.Time, l *link, u Use) error {
	if m.standing != following || l != m.up.link || u.Number > m.number {
		return FaultState
	}
	m.useKeys(u.Number)
	return nil
}

// onPart is a goodbye: of a member, or of the coordinator.
func (m *Membership) onPart(now time.Time, l *link, _ Part) error {
	switch {
	case m.standing == leading && l.use == linkMember && m.chair.member[l.id] == l:
		m.depart(now, l.id, partGather)
	case m.standing == leading && l.use == linkMember:
		m.hang(l) // a joiner that is not in yet
	case m.standing == following && l == m.up.link:
		m.suspect(now)
	case m.standing == arriving && l == m.seek.link:
		m.notThere(now, false)
	}
	return nil
}

// onMove goes where the coordinator says that the other members are.
func (m *Membership) onMove(now time.Time, l *link, v Move) error {
	if m.standing == arriving && l == m.seek.link { // it went over before its first view
		m.elsewhere(now, v.Control, v.Pin)
		return nil
	}
	if m.standing != following || l != m.up.link {
		return FaultState
	}
	l.closing = now.Add(partWait)
	m.part(now, going{why: mergesElsewhere, to: v})
	return nil
}

// onDeny is an answer of no.
func (m *Membership) onDeny(now time.Time, l *link, d Deny) error {
	final := d.Why == DenyRefused
	switch {
	case l.use == linkGreet:
		m.greeted(now, l.addr, greetAgain)
		m.hang(l)
	case l.use == linkClaim:
		m.claimDenied(now, l, d)
	case m.standing == arriving && l == m.seek.link && final:
		m.hang(l)
		m.over(now, d.Code, d.Text)
	case m.standing == arriving && l == m.seek.link && d.Why == DenyElsewhere:
		m.elsewhere(now, d.Control, d.Pin)
	case m.standing == arriving && l == m.seek.link:
		m.notThere(now, false)
	case m.standing == following && l == m.up.link && final:
		m.hang(l)
		m.over(now, d.Code, d.Text)
	case m.standing == following && l == m.up.link && d.Why == DenyElsewhere:
		m.hang(l)
		m.move(now, Move{d.Control, d.Pin}, "the session went on without this member")
	case m.standing == following && l == m.up.link && d.Why == DenyUnknown:
		m.hang(l)
		m.move(now, Move{l.addr, l.pin}, "the session went on without this member")
	case m.standing == following && l == m.up.link:
		m.hang(l)
		m.lostUp(now, l, true)
	}
	return nil
}

// view is the present view, for whom it is told in full.
func (m *Membership) view() View {
	return View{Number: m.number, Coordinator: m.id, State: m.chair.state}
}

// others is everybody else but the coordinator that is held for gone.
func (m *Membership) others() roster {
	return slices.DeleteFunc(slices.Clone(m.roster), func(e Equal) bool { return e.ID == m.id || e.ID == m.lead })
}
