package control

import "time"

const mergesElsewhere = "the session merges into another"

// lastWait is how long a session goes on for who leaves it for another one, and
// says nothing new in it: what the others have not received is repaired, and of
// what cannot be, they hear that there was something.
const lastWait = 150 * time.Millisecond

// going is the way from one session into another: to the coordinator of one that
// is there, or to one that this member founds.
type going struct {
	why   string
	until time.Time
	to    Move

	founds  bool
	charter Charter
	term    uint32
	with    int // members who go there
}

// part goes there, in a moment.
func (m *Membership) part(now time.Time, g going) {
	g.until = now.Add(lastWait)
	e := EqualEvent{Kind: EqualParting, Text: g.why}
	if old := m.roster.find(m.lead); old != nil && (g.founds || m.up.promise > 0) {
		e.Removed = []Equal{*old} // whose silence began it
	}
	m.going, m.standing = g, parting
	m.up, m.claim = upState{}, claimState{}
	m.tell(e)
}

func (m *Membership) partOn(now time.Time) {
	g := m.going
	switch {
	case now.Before(g.until):
	case g.founds:
		m.forget(now, g.why)
		m.standing = succeeding // once the shell has said where data is heard now
	default:
		m.move(now, g.to, g.why)
	}
}

// move leaves this session for another one, where the members get new ids.
func (m *Membership) move(now time.Time, v Move, why string) {
	m.forget(now, why)
	m.seek = seekState{moved: true}
	m.enter(now, v.Control, v.Pin)
}
