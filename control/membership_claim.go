package control

import (
	"bytes"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// claimState is of a member that means to be the coordinator.
type claimState struct {
	term   uint32
	until  time.Time
	open   int      // members that have not answered
	agreed []uint32 // who follow
	alive  int      // who say that the coordinator lives
	later  *Move    // a later term's coordinator, as somebody said
}

// lastTerm is far beyond what a session comes to: who claims it wants to make
// further claims impossible.
const lastTerm = 1 << 30

// claimChair asks everybody who is left to follow this member. A proven channel
// to a key of the roster is what signs a claim.
func (m *Membership) claimChair(now time.Time) {
	m.stats.Claims++
	term := max(m.number.Term(), m.up.promise) + 1
	if term >= lastTerm { // a liar led here, and nobody agrees to more: all begin again
		m.forget(now, "the session has no terms left")
		m.seek = seekState{moved: true}
		m.search(now)
		return
	}
	m.standing = claiming
	m.claim = claimState{term: term, until: now.Add(claimWait)}
	for _, e := range m.others() {
		if m.isDenied(e.Pin) {
			continue
		}
		m.claim.open++
		l := m.dial(now, linkClaim, e.Control, e.Pin)
		l.id = e.ID
	}
	m.claimOn(now)
}

// claimOn ends a claim when everybody has answered or had time to.
func (m *Membership) claimOn(now time.Time) {
	c := &m.claim
	if c.open > 0 && now.Before(c.until) {
		return
	}
	switch {
	case c.later != nil && len(c.agreed) == 0:
		to := *c.later
		m.move(now, to, "the session went on without this member")
	case c.alive > 0 && len(c.agreed) == 0:
		m.standDown(now)
		m.up = upState{heard: now, retryAt: now} // it is this member that is out of touch
	default:
		m.succeed(now)
	}
}

// standDown gives a claim up and follows whoever comes.
func (m *Membership) standDown(now time.Time) {
	for _, l := range m.sorted() {
		if l.use == linkClaim {
			m.hang(l)
		}
	}
	m.claim = claimState{}
	m.standing = following
	m.up = upState{heard: now, retryAt: now.Add(resumeWait)}
}

// succeed makes this member the coordinator of those who agreed.
func (m *Membership) succeed(now time.Time) {
	term, agreed := m.claim.term, m.claim.agreed
	with := slices.DeleteFunc(slices.Clone(m.roster), func(e Equal) bool {
		return e.ID != m.id && (!slices.Contains(agreed, e.ID) || m.isDenied(e.Pin))
	})
	seats := make(map[uint32]*link)
	for _, l := range m.sorted() {
		switch {
		case l.use == linkClaim && l.open() && slices.Contains(agreed, l.id) && !m.isDenied(l.pin):
			seats[l.id] = l
		case l.use == linkClaim:
			m.hang(l)
		}
	}
	if m.charter.restarts() {
		m.begin(now, term, seats)
		return
	}
	m.claim, m.up = claimState{}, upState{}
	m.takeChair(now, term, with, seats)
}

// begin succeeds a session whose data hangs on its coordinator by another one,
// the same in all but its id. Who agreed enters it.
func (m *Membership) begin(now time.Time, term uint32, seats map[uint32]*link) {
	c, err := m.c.Found()
	if err != nil {
		m.over(now, transport.CodeOf(err), "the session could not be succeeded: "+err.Error())
		return
	}
	c.Params, c.Limit, c.Admins = m.charter.Params, m.charter.Limit, m.charter.Admins
	word := Move{m.c.Self.Control, m.c.Self.Pin}.Append(nil)
	for _, l := range m.sorted() {
		if seats[l.id] == l {
			m.farewell(now, l, bytes.Clone(word))
		}
	}
	m.part(now, going{why: "the coordinator is gone, and with it the order or the root of data", founds: true, charter: c, term: term, with: 1 + len(seats)})
}

// answered counts an answer to a claim, or that there will be none.
func (m *Membership) answered(now time.Time, l *link, yes bool) {
	c := &m.claim
	if m.standing != claiming {
		return
	}
	if yes {
		c.agreed = append(c.agreed, l.id)
	} else {
		c.agreed = slices.DeleteFunc(c.agreed, func(id uint32) bool { return id == l.id })
		if l.spoke {
			return // it had answered, and went away
		}
	}
	l.spoke = true
	c.open--
	m.claimOn(now)
}

func (m *Membership) onAgree(now time.Time, l *link, a Agree) error {
	if m.standing != claiming || a.Term != m.claim.term || l.spoke {
		return FaultState
	}
	if !m.sworn(a.Oath, a.Term, l.pin) {
		return FaultValue
	}
	l.oath = a.Oath
	if m.believe(a.Denied, MaxDenied) {
		m.over(now, transport.WSAEACCES, putOutElsewhere)
		return nil
	}
	m.answered(now, l, true) // nobody who is out is taken into the next view, see succeed
	return nil
}

func (m *Membership) claimDenied(now time.Time, l *link, d Deny) {
	if m.standing != claiming || l.spoke {
		return
	}
	switch d.Why {
	case DenyAlive:
		m.claim.alive++
	case DenyElsewhere:
		if d.Pin != m.c.Self.Pin {
			m.claim.later = &Move{d.Control, d.Pin}
		}
	}
	m.hang(l)
	m.answered(now, l, false)
}

// onClaim follows a claimant, or says why not. Two of one term: the older
// member is it.
func (m *Membership) onClaim(now time.Time, l *link, c Claim) error {
	e := m.roster.find(c.ID)
	switch {
	case m.isDenied(l.pin):
		m.farewell(now, l, denyEvicted)
		return nil
	case m.id == 0 || c.Session != m.charter.Session || e == nil || e.Pin != l.pin || c.Term >= lastTerm:
		return m.refuse(now, l, Deny{Why: DenyUnknown})
	case m.standing == parting || m.standing == succeeding:
		return m.refuse(now, l, Deny{Why: DenyBusy})
	case m.standing == leading && c.Term <= m.number.Term():
		return m.refuse(now, l, Deny{Why: DenyElsewhere, Control: m.c.Self.Control, Pin: m.c.Self.Pin})
	case m.standing == leading:
		return m.refuse(now, l, Deny{Why: DenyAlive})
	case c.Term <= m.number.Term():
		return m.notHere(now, l)
	case m.standing == claiming && (c.Term < m.claim.term || c.Term == m.claim.term && c.ID > m.id):
		return m.refuse(now, l, Deny{Why: DenyBusy}) // it will hear from here
	case m.standing == claiming:
		m.standDown(now)
	case m.up.promise >= c.Term && m.up.link != nil:
		return m.refuse(now, l, Deny{Why: DenyBusy})
	case m.up.suspect.IsZero() && m.up.promise == 0 && now.Sub(m.upHeard()) < m.c.Silence/2:
		return m.refuse(now, l, Deny{Why: DenyAlive})
	}
	oath, err := m.swear(m.charter.Session, c.Term, l.pin)
	if err != nil {
		return m.refuse(now, l, Deny{Why: DenyBusy})
	}
	if old := m.up.link; old != nil {
		m.hang(old)
	}
	l.use = linkUp
	l.pipe.Expect(MaxFrame) // views come
	m.up = upState{link: l, heard: now, promise: c.Term}
	l.pipe.Write(Agree{c.Term, oath, m.bans}.Append(nil))
	return nil
}
