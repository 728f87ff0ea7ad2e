package control

import "time"

// Advance lets time-outs happen.
func (m *Membership) Advance(now time.Time) {
	m.wake(now)
	m.linksOn(now)
	switch m.standing {
	case seeking:
		m.seekOn(now)
	case arriving:
		if !now.Before(m.seek.until) {
			m.notThere(now, false)
		}
	case following:
		m.followOn(now)
	case claiming:
		m.claimOn(now)
	case leading:
		m.leadOn(now)
	case parting:
		m.partOn(now)
	case succeeding:
		m.preside(now, m.going.charter, m.going.term, m.going.with)
	}
	m.flush(now)
}

// linksOn ends links whose time is over.
func (m *Membership) linksOn(now time.Time) {
	for _, l := range m.sorted() {
		switch due := m.linkDue(l); {
		case due.IsZero() || now.Before(due):
		case !l.closing.IsZero():
			m.hang(l)
		default:
			m.hang(l)
			m.lostLink(now, l, false)
		}
	}
}

// linkDue is when a link is given up if nothing happens; zero: it is not.
func (m *Membership) linkDue(l *link) time.Time {
	switch {
	case !l.closing.IsZero():
		return l.closing
	case l.pipe == nil:
		return l.since.Add(dialWait)
	case l.use == linkNew || l.use == linkGreet:
		return l.since.Add(wordWait)
	}
	return time.Time{}
}

// NextTimeout is when Advance is next needed.
func (m *Membership) NextTimeout() time.Time {
	var due time.Time
	for _, l := range m.links {
		due = earlier(due, m.linkDue(l))
		if l.pipe != nil {
			due = earlier(due, l.pipe.NextTimeout())
		}
	}
	switch m.standing {
	case seeking:
		due = earlier(due, m.seekDue())
	case arriving:
		due = earlier(due, m.seek.until)
	case following:
		due = earlier(due, m.followDue())
	case claiming:
		due = earlier(due, m.claim.until)
	case leading:
		due = earlier(due, m.leadDue())
	case parting:
		due = earlier(due, m.going.until)
	case succeeding:
		due = m.last
	}
	m.due = due
	return due
}
