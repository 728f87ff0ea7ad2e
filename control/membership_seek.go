package control

import (
	"net/netip"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// helloTimes is when a HELLO goes out, counted from the beginning of a search.
var helloTimes = []time.Duration{0, 100 * time.Millisecond, 250 * time.Millisecond, 450 * time.Millisecond}

// mostDeferrals is how often a seeker lets one with a lower lot go first.
const mostDeferrals = 2

// seekState is of a member that looks for a session.
type seekState struct {
	began    time.Time
	foundAt  time.Time
	hellos   int
	lot      uint64
	lower    bool // somebody else with a lower lot is looking
	deferred int
	target   netip.AddrPort // arriving: whom
	pin      [32]byte       // and its key, where that is known
	link     *link
	until    time.Time
	moved    bool             // comes from another session
	refusals []netip.AddrPort // sessions that did not want us, in this search
	hops     int              // redirections in a row
	entered  *Entered         // said already, the view is missing
}

// search begins to look for a session, or begins again.
func (m *Membership) search(now time.Time) {
	moved, lot := m.seek.moved, m.dice.Uint64()|1
	m.standing = seeking
	m.seek = seekState{began: now, foundAt: now.Add(m.c.FoundAfter), lot: lot, moved: moved, refusals: m.seek.refusals}
}

// hello asks for sessions when it is time to.
func (m *Membership) hello(now time.Time) {
	s := &m.seek
	for s.hellos < len(helloTimes) && !now.Before(s.began.Add(helloTimes[s.hellos])) {
		s.hellos++
		m.out = append(m.out, Action{Kind: Multicast, Bytes: Hello{s.lot}.Append(nil)})
	}
}

// seekDue is when a seeker has something to do.
func (m *Membership) seekDue() time.Time {
	s := &m.seek
	if s.hellos < len(helloTimes) {
		return earlier(s.foundAt, s.began.Add(helloTimes[s.hellos]))
	}
	return s.foundAt
}

// seekOn asks again, and founds a session when nobody has answered.
func (m *Membership) seekOn(now time.Time) {
	s := &m.seek
	m.hello(now)
	if now.Before(s.foundAt) {
		return
	}
	if len(s.refusals) > 0 {
		m.over(now, transport.WSAEACCES, "there is a session on this group that does not let this member in: its join code, certificates or limits say no")
		return
	}
	if s.lower && s.deferred < mostDeferrals {
		s.deferred++
		s.lower, s.hellos, s.began = false, 0, now
		s.foundAt = now.Add(m.c.FoundAfter)
		m.hello(now)
		return
	}
	m.found(now)
}

// found makes a session of which this is the first member.
func (m *Membership) found(now time.Time) {
	c, err := m.c.Found()
	if err == nil {
		err = c.Check()
	}
	if err != nil {
		m.over(now, transport.CodeOf(err), "the session could not be founded: "+err.Error())
		return
	}
	m.seek.moved = false
	m.preside(now, c, 1, 1)
}

// preside makes this member the first of a session that begins once so many
// members are in.
func (m *Membership) preside(now time.Time, c Charter, term uint32, members int) {
	m.under(c.clone())
	m.id = 1
	self := m.c.Self
	self.ID = m.id
	m.tell(EqualEvent{Kind: EqualEntered, Charter: m.charter, ID: m.id, Founded: true})
	m.sit(now, term, roster{self})
	m.chair.with, m.chair.alone = members, now.Add(expectWait)
	m.tellView(now, firstView(term), roster{self}, true)
	m.announce(now)
}

// Plain takes a packet from the membership port that is in no channel.
func (m *Membership) Plain(now time.Time, from netip.AddrPort, packet []byte) {
	m.wake(now)
	if h, err := ParseHello(packet); err == nil {
		m.onHello(now, from, h)
	} else if h, err := ParseHere(packet); err == nil {
		m.onHere(now, from, h)
	} else {
		m.stats.Malformed++
	}
	m.flush(now)
}

func (m *Membership) onHello(now time.Time, from netip.AddrPort, h Hello) {
	switch {
	case m.standing == seeking:
		if h.Lot < m.seek.lot {
			m.seek.lower = true
		}
	case m.standing == leading:
		m.stats.Hellos++
		if !m.chair.mayAnswer(now) {
			m.stats.Unanswered++
			return
		}
		m.stats.Answered++
		m.out = append(m.out, Action{Kind: Unicast, Addr: from, Bytes: m.here(h.Lot).Append(nil)})
	}
}

func (m *Membership) here(lot uint64) Here {
	return Here{lot, [8]byte(m.charter.Session[:8]), [16]byte(m.hash[:16])}
}

func (m *Membership) onHere(now time.Time, from netip.AddrPort, h Here) {
	switch m.standing {
	case seeking:
		if (h.Lot == m.seek.lot || h.Lot == 0) && !slices.Contains(m.seek.refusals, from) {
			m.enter(now, from, [32]byte{})
		}
	case leading:
		if h.Lot == 0 {
			m.sight(now, from)
		}
	}
}

// enter goes to a coordinator and asks to be let in.
func (m *Membership) enter(now time.Time, at netip.AddrPort, pin [32]byte) {
	m.standing = arriving
	m.seek.target, m.seek.pin, m.seek.until, m.seek.entered = at, pin, now.Add(enterWait), nil
	m.seek.link = m.dial(now, linkUp, at, pin)
}

// ask says what a link to the coordinator was dialled for.
func (m *Membership) ask(l *link) {
	if m.standing == arriving {
		l.pipe.Write(Enter{m.c.Self.Role, m.c.Self.Addr, m.c.Self.Data, m.seek.moved, m.bans}.Append(nil))
		return
	}
	l.pipe.Write(Resume{m.charter.Session, m.id}.Append(nil))
}

// notThere gives up a coordinator that could not be reached or said no.
func (m *Membership) notThere(now time.Time, refused bool) {
	if l := m.seek.link; l != nil {
		m.hang(l)
	}
	if refused && m.seek.pin == [32]byte{} {
		m.seek.refusals = append(m.seek.refusals, m.seek.target)
	}
	m.search(now.Add(searchAgain/2 + time.Duration(m.dice.Int64N(int64(searchAgain)))))
}

// elsewhere follows a redirection, not for ever.
func (m *Membership) elsewhere(now time.Time, at netip.AddrPort, pin [32]byte) {
	hops := m.seek.hops
	if l := m.seek.link; l != nil {
		m.hang(l)
	}
	if hops >= 4 || at == m.c.Self.Control || pin == m.c.Self.Pin {
		m.search(now)
		return
	}
	m.enter(now, at, pin)
	m.seek.hops = hops + 1
}

func (m *Membership) onEntered(now time.Time, l *link, e Entered) error {
	if m.standing != arriving || m.seek.entered != nil || l != m.seek.link {
		return FaultState
	}
	oath, err := m.swear(e.Charter.Session, e.Term, l.pin)
	if err != nil {
		m.over(now, transport.CodeOf(err), "this member could not sign that it follows: "+err.Error())
		return nil
	}
	e.Charter = e.Charter.clone()
	e.Data = append([]byte(nil), e.Data...)
	m.seek.entered = &e
	l.pipe.Write(Swear{oath}.Append(nil))
	return nil
}

// firstView makes a joiner a member.
func (m *Membership) firstView(now time.Time, l *link, v *View) error {
	e := m.seek.entered
	if e == nil || !v.Full {
		return FaultState
	}
	if v.Number.Term() >= lastTerm || v.Number.Term() != e.Term {
		return FaultValue // nobody could ever take over; or it is not what was sworn to
	}
	next := roster(nil).apply(v)
	if own := next.find(e.ID); own == nil || own.Pin != m.c.Self.Pin || next.find(v.Coordinator) == nil || next.find(v.Coordinator).Pin != l.pin {
		return FaultValue
	}
	m.under(e.Charter)
	m.id = e.ID
	m.standing = following
	m.up = upState{link: l, heard: now}
	m.seek = seekState{}
	m.tell(EqualEvent{Kind: EqualEntered, Charter: e.Charter, ID: e.ID, Data: e.Data})
	m.adopt(v, next)
	l.pipe.Write(Taken{v.Number}.Append(nil))
	return nil
}
