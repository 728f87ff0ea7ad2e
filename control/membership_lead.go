package control

import (
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// chairState is the coordinator's.
type chairState struct {
	nextID  uint32
	joiners []joiner // in the next view
	gone    []uint32 // not in it
	merged  bool
	viewAt  time.Time            // when it is made; zero: there is no reason to
	useAt   time.Time            // when the view that was told is used at the latest; zero: it is
	before  roster               // the roster before that view
	prior   ViewNumber           // and its number
	state   Secret               // of the last view
	member  map[uint32]*link     // of members, where there is one
	heard   map[uint32]time.Time // of members without: when they last were
	sworn   map[uint32]Signature // their oaths
	hereAt  time.Time
	answers int // to strangers, in the second that began at since
	since   time.Time

	with  int       // members without whom no keys are used: what is sent is owed to who is in
	alone time.Time // they are from then on
}

type joiner struct {
	link *link
	as   Equal
	oath Signature
}

// mayAnswer is the limit of answers to strangers.
func (c *chairState) mayAnswer(now time.Time) bool {
	if now.Sub(c.since) >= time.Second {
		c.since, c.answers = now, 0
	}
	c.answers++
	return c.answers <= hereRate
}

// takeChair makes this member the coordinator of a term, with these members,
// and the links to them.
func (m *Membership) takeChair(now time.Time, term uint32, with roster, seats map[uint32]*link) {
	m.sit(now, term, with)
	for _, e := range with {
		if l := seats[e.ID]; l != nil {
			m.seat(l, e.ID)
			m.chair.sworn[e.ID] = l.oath
		}
	}
	m.tellView(now, firstView(term), with, true)
	m.announce(now)
}

func (m *Membership) sit(now time.Time, term uint32, with roster) {
	m.standing = leading
	last := m.id
	for _, r := range []roster{m.roster, with} {
		if len(r) > 0 {
			last = max(last, r[len(r)-1].ID)
		}
	}
	if term > 1 {
		last += MaxEquals // who came in by views that were not heard of here
	}
	m.chair = chairState{
		nextID: last + 1, member: make(map[uint32]*link), heard: make(map[uint32]time.Time), sworn: make(map[uint32]Signature), hereAt: now, prior: m.number,
	}
}

func (m *Membership) announce(now time.Time) {
	m.out = append(m.out, Action{Kind: Multicast, Bytes: m.here(0).Append(nil)})
	m.chair.hereAt = now.Add(hereEvery - hereEvery/8 + time.Duration(m.dice.Int64N(int64(hereEvery/4))))
}

// tellView makes a view and tells it to everybody who is in it.
func (m *Membership) tellView(now time.Time, n ViewNumber, next roster, fresh bool) {
	state, err := m.c.Key(m.charter, n, fresh, next.ids())
	if err != nil {
		m.over(now, transport.CodeOf(err), "no keys could be drawn: "+err.Error())
		return
	}
	c := &m.chair
	c.before, c.prior, c.state = m.roster, m.number, state
	v := View{Number: n, Coordinator: m.id, State: state, Merged: c.merged}
	c.merged, c.viewAt = false, time.Time{}
	m.adopt(&v, next)
	for _, e := range next {
		if l := c.member[e.ID]; l != nil {
			m.sendView(l, v)
		}
	}
	c.useAt = now.Add(useWait)
	m.maybeUse(now)
}

// sendView sends a member what has changed, or all of it where it was not sent
// the view before.
func (m *Membership) sendView(l *link, v View) {
	c := &m.chair
	if l.told == c.prior && l.told != 0 {
		var removed roster
		v.Add, removed = c.before.changed(m.roster)
		v.Remove = removed.ids()
		v.Denied = m.bans[min(l.bans, len(m.bans)):]
	} else {
		v.Full, v.Add, v.Denied = true, m.roster, m.bans
	}
	l.told, l.bans = v.Number, len(m.bans)
	l.pipe.Write(v.Append(nil))
}

// maybeUse lets the keys of the last view be used once everybody has them, or
// has had time to.
func (m *Membership) maybeUse(now time.Time) {
	c := &m.chair
	if c.useAt.IsZero() {
		return
	}
	if now.Before(c.useAt) {
		for _, e := range m.roster {
			if l := c.member[e.ID]; e.ID != m.id && (l == nil || l.taken < m.number) {
				return
			}
		}
	}
	c.useAt = time.Time{}
	if len(m.roster) < c.with { // a session that succeeds another one begins with all who come along
		return
	}
	c.with = 0
	m.useKeys(m.number)
	for _, e := range m.roster {
		if l := c.member[e.ID]; l != nil {
			l.pipe.Write(Use{m.number}.Append(nil))
		}
	}
}

// expectOn begins with those who have come in time.
func (m *Membership) expectOn(now time.Time) {
	c := &m.chair
	if c.with > 0 && !now.Before(c.alone) {
		c.with = 0
		if c.useAt.IsZero() {
			c.useAt = now
		}
	}
}

// want asks for another view, soon.
func (m *Membership) want(now time.Time, gather time.Duration) {
	m.chair.viewAt = earlier(m.chair.viewAt, now.Add(gather))
}

// nextView makes a view of who came and who went, once the one before is used.
func (m *Membership) nextView(now time.Time) {
	c := &m.chair
	if c.viewAt.IsZero() || now.Before(c.viewAt) || !c.useAt.IsZero() {
		return
	}
	next := slices.DeleteFunc(slices.Clone(m.roster), func(e Equal) bool { return slices.Contains(c.gone, e.ID) })
	fresh := len(next) < len(m.roster)
	came := false
	for _, j := range c.joiners {
		if m.links[j.link.conn] != j.link || !j.link.closing.IsZero() {
			continue
		}
		if m.isDenied(j.as.Pin) { // another joiner has told
			m.stats.Refused++
			m.farewell(now, j.link, denyEvicted)
			continue
		}
		next = append(next, j.as)
		c.member[j.as.ID], c.sworn[j.as.ID] = j.link, j.oath
		came = true
	}
	c.joiners, c.gone, c.viewAt = nil, nil, time.Time{}
	next.sort() // who was given an id first may have sworn later
	if fresh || came {
		m.tellView(now, m.number+1, next, fresh)
	}
}

// depart takes a member out, in the next view.
func (m *Membership) depart(now time.Time, id uint32, gather time.Duration) {
	c := &m.chair
	if l := c.member[id]; l != nil {
		delete(c.member, id)
		l.id = 0
		if l.closing.IsZero() {
			m.hang(l)
		}
	}
	delete(c.heard, id)
	delete(c.sworn, id)
	if !slices.Contains(c.gone, id) {
		c.gone = append(c.gone, id)
	}
	m.want(now, gather)
}

// refuse answers no and lets the link go.
func (m *Membership) refuse(now time.Time, l *link, d Deny) error {
	m.stats.Refused++
	m.farewell(now, l, d.Append(nil))
	return nil
}

// notHere sends somebody to the coordinator, if there is one.
func (m *Membership) notHere(now time.Time, l *link) error {
	return m.refuse(now, l, m.elsewhereWord())
}

func (m *Membership) elsewhereWord() Deny {
	if e := m.roster.find(m.lead); e != nil && m.standing == following && m.up.suspect.IsZero() {
		return Deny{Why: DenyElsewhere, Control: e.Control, Pin: e.Pin}
	}
	return Deny{Why: DenyBusy}
}

// onResume gives a member that lost its link another one, and the view.
func (m *Membership) onResume(now time.Time, l *link, r Resume) error {
	e := m.roster.find(r.ID)
	switch {
	case m.isDenied(l.pin):
		m.farewell(now, l, denyEvicted)
		return nil
	case m.standing != leading:
		return m.notHere(now, l)
	case r.Session != m.charter.Session || e == nil || e.Pin != l.pin || slices.Contains(m.chair.gone, r.ID):
		return m.refuse(now, l, Deny{Why: DenyUnknown})
	}
	if old := m.chair.member[r.ID]; old != nil {
		m.hang(old)
	}
	m.seat(l, r.ID)
	m.sendView(l, m.view())
	if m.using == m.number { // else it hears with the others
		l.pipe.Write(Use{m.number}.Append(nil))
	}
	return nil
}

// seat makes a link a member's.
func (m *Membership) seat(l *link, id uint32) {
	l.use, l.id, l.told, l.taken, l.bans = linkMember, id, 0, 0, 0
	m.chair.member[id] = l
	delete(m.chair.heard, id)
}

func (m *Membership) onTaken(now time.Time, l *link, t Taken) error {
	if t.Number > l.told {
		return FaultValue
	}
	l.taken = max(l.taken, t.Number)
	if m.standing == leading {
		m.maybeUse(now)
	}
	return nil
}

// leadOn is what a coordinator does in time.
func (m *Membership) leadOn(now time.Time) {
	c := &m.chair
	for _, e := range slices.Clone(m.roster) {
		if e.ID == m.id || slices.Contains(c.gone, e.ID) {
			continue
		}
		if now.Sub(m.memberHeard(e.ID)) >= m.c.Silence {
			m.depart(now, e.ID, partGather)
		}
	}
	if !now.Before(c.hereAt) {
		m.announce(now)
	}
	m.expectOn(now)
	m.maybeUse(now)
	m.nextView(now)
	m.encounters(now)
}

// memberHeard is when a member was last heard, by whichever link.
func (m *Membership) memberHeard(id uint32) time.Time {
	c := &m.chair
	if l := c.member[id]; l != nil {
		if m.links[l.conn] == l {
			c.heard[id] = l.pipe.Heard()
		} else {
			delete(c.member, id)
		}
	}
	if _, ok := c.heard[id]; !ok {
		c.heard[id] = m.last
	}
	return c.heard[id]
}

// leadDue is when a coordinator has something to do.
func (m *Membership) leadDue() time.Time {
	c := &m.chair
	due := earlier(c.hereAt, c.useAt)
	if c.useAt.IsZero() {
		due = earlier(due, c.viewAt)
	}
	for _, e := range m.roster {
		if e.ID != m.id && !slices.Contains(c.gone, e.ID) {
			due = earlier(due, m.memberHeard(e.ID).Add(m.c.Silence))
		}
	}
	if c.with > 0 {
		due = earlier(due, c.alone)
	}
	return earlier(due, m.encounterDue())
}
