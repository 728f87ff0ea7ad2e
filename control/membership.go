package control

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// MembershipConfig says who a member is. Self and the funcs are required.
type MembershipConfig struct {
	// Self is this member as others are to know it; the id is given later.
	Self Equal
	// Callee is what this member says to joiners while it is the coordinator.
	Callee []byte
	// Found draws up the charter of a session that this member founds.
	Found func() (Charter, error)
	// Key draws the keys of a view: from fresh randomness, or by a step that all
	// who have the keys before could take. It is called in the order of numbers.
	Key func(c Charter, number ViewNumber, fresh bool, ids []uint32) (Secret, error)
	// Sign signs with this member's key. Verify reports whose key, by its
	// fingerprint, signed a text. They may be slow: a member makes a signature for
	// each term and each denial, and checks one or two for each denial it hears of.
	Sign   func(text []byte) (Signature, error)
	Verify func(text []byte, s Signature) (pin [32]byte, ok bool)

	// Silence is how long a member may say nothing. Zero means 2 s.
	Silence time.Duration
	// FoundAfter is how long a session is looked for before one is founded.
	// Zero means 600 ms.
	FoundAfter time.Duration
	// Datagram is the longest datagram on a link. Zero means 1,100.
	Datagram int
	// Seed decides what is random here: jitter and lots.
	Seed uint64
}

// standing is where a member stands.
//
//	         HERE              VIEW               coordinator gone
//	seeking ------> arriving --------> following ------------------> claiming
//	   |               ^  ^               |   ^                        |
//	   | nobody        |  |         MOVE  |   | alive after all        | agreed
//	   |               |  +---------------+   +------------------------+
//	   |               |                                               v
//	   +---------------|--------------------------------------------> leading
//	                   +---------------------- lost to another session ---+
type standing uint8

const (
	seeking standing = iota
	arriving
	following
	claiming
	leading
	parting    // the session is about to end for this member: what is on its way in it may arrive
	succeeding // and a session of its own begins in an instant
	departed
)

// Membership is one member's side of a session of equals: packets, datagrams
// and times in, the same and events out. It is never in two sessions at once,
// and ends with exactly one EqualClosed. Not for concurrent use.
type Membership struct {
	c     MembershipConfig
	dice  *rand.Rand
	out   []Action
	last  time.Time // of the last input
	due   time.Time // when Advance was to be called, as last said
	stats MembershipStats

	standing standing
	charter  Charter
	hash     [32]byte
	id       uint32
	number   ViewNumber // of the view that was taken last
	using    ViewNumber // and of the one whose keys are in use
	lead     uint32     // whose view it is
	roster   roster
	bans     []Ban // each of them proven, see membership_deny.go

	links map[uint32]*link
	conns uint32

	seek   seekState
	up     upState
	claim  claimState
	chair  chairState
	going  going
	greets map[netip.AddrPort]*encounter
}

// MembershipStats are counts since the start.
type MembershipStats struct {
	Hellos, Answered, Unanswered uint64 // heard from strangers; answered or, being too many, not
	Malformed                    uint64 // plain packets that are none of ours
	Views, Claims, Moves         uint64 // taken up; made; into other sessions
	Refused                      uint64 // who asked to be let in and was not
	Bans, Undue                  uint64 // of others: taken; dropped, since nobody who may had signed them
	Pauses                       uint64 // times this side slept through its beats
	Datagrams, Bytes             uint64 // sent on links
	Faults                       Faults
}

// NewMembership makes a member that looks for its session from now on.
func NewMembership(now time.Time, c MembershipConfig) *Membership {
	c.Silence = max(positive(c.Silence, 2*time.Second), 100*time.Millisecond)
	c.FoundAfter = positive(c.FoundAfter, 600*time.Millisecond)
	c.Datagram = positive(c.Datagram, 1100)
	c.Self = c.Self.clone()
	m := &Membership{
		c: c, dice: rand.New(rand.NewPCG(c.Seed, 0x6a6f696e)),
		links: make(map[uint32]*link), greets: make(map[netip.AddrPort]*encounter),
	}
	m.search(now)
	return m
}

// ActionKind says what a Membership wants done.
type ActionKind uint8

// The actions.
const (
	Multicast ActionKind = iota + 1 // Bytes to the group's membership port
	Unicast                         // Bytes to Addr, in clear
	Dial                            // a link to Addr, whose key is Pin unless that is zero; answer with Opened or Closed
	Transmit                        // Bytes as one datagram on Conn
	HangUp                          // close Conn; nothing follows for it
	Tell                            // Event
)

// Action is one of them.
type Action struct {
	Kind  ActionKind
	Conn  uint32
	Addr  netip.AddrPort
	Pin   [32]byte
	Bytes []byte
	Event EqualEvent
}

// EqualEventKind says what happened to a membership.
type EqualEventKind uint8

// The events.
const (
	EqualEntered EqualEventKind = iota + 1 // in a session: Charter, ID, Data, Founded; EqualViewed follows
	EqualViewed                            // a view: take up the keys of State, open under them: Number, Roster, Added, Removed, Lead
	EqualUsing                             // seal under the keys of Number from now on
	EqualParting                           // EqualMoving follows in a moment: seal nothing new until EqualUsing of the next session: Removed are gone already, Text
	EqualMoving                            // out of the session, on the way into another; EqualEntered follows: Text
	EqualClosed                            // it is over; nothing follows: Code, Text
)

// EqualEvent is what happened. What it points to is not changed by anybody.
type EqualEvent struct {
	Kind    EqualEventKind
	Charter Charter
	ID      uint32
	Data    []byte
	Founded bool
	Number  ViewNumber
	State   Secret
	Lead    uint32
	Roster  []Equal
	Added   []Equal
	Removed []Equal
	Merged  bool
	Code    transport.Code
	Text    string
}

// Poll returns what to do next, until false.
func (m *Membership) Poll() (Action, bool) {
	if len(m.out) == 0 {
		m.out = nil
		return Action{}, false
	}
	a := m.out[0]
	m.out[0] = Action{}
	m.out = m.out[1:]
	return a, true
}

func (m *Membership) tell(e EqualEvent) { m.out = append(m.out, Action{Kind: Tell, Event: e}) }

// Stats is a snapshot.
func (m *Membership) Stats() MembershipStats { return m.stats }

// Rehome tells where this member hears data from its next session on: after
// EqualMoving, before anything else.
func (m *Membership) Rehome(data netip.AddrPort) { m.c.Self.Addr = data }

// Resettle begins anew from other sockets: the ones before hear nothing any more.
// This member is out of its session and looks for it, as Rehome says where data is
// heard. control is where it hears membership.
func (m *Membership) Resettle(now time.Time, control netip.AddrPort, why string) {
	m.wake(now)
	if m.standing == departed {
		return
	}
	m.c.Self.Control = control
	m.forget(now, why)
	m.seek = seekState{}
	m.search(now)
	m.flush(now)
}

// Coordinator is the member whose view this is; 0 while there is none.
func (m *Membership) Coordinator() uint32 { return m.lead }

// Leave ends the membership: the others are told. EqualClosed follows.
func (m *Membership) Leave(now time.Time) { m.over(now, 0, "left") }

// over ends it. Code 0 is a departure in good order.
func (m *Membership) over(now time.Time, code transport.Code, text string) {
	if m.standing == departed {
		return
	}
	m.wake(now)
	for _, l := range m.sorted() {
		if l.open() && (l.use == linkMember || l.use == linkUp) {
			l.pipe.Write(Part{}.Append(nil))
			l.closing = now.Add(partWait)
		} else {
			m.hang(l)
		}
	}
	m.standing, m.lead = departed, 0
	m.tell(EqualEvent{Kind: EqualClosed, Code: code, Text: text})
	m.flush(now)
}

// Over reports whether nothing is left to be done.
func (m *Membership) Over() bool {
	return m.standing == departed && len(m.links) == 0 && len(m.out) == 0
}

// wake notes the time. A side that slept through its own beats cannot blame
// others for silence: what they said waits in its sockets.
func (m *Membership) wake(now time.Time) {
	late := now.Sub(m.due)
	m.last = now
	if m.due.IsZero() || late < m.c.Silence/4 {
		return
	}
	m.due = time.Time{}
	m.stats.Pauses++
	for _, l := range m.links {
		if l.pipe != nil {
			l.pipe.heard = now
		}
	}
	for id := range m.chair.heard {
		m.chair.heard[id] = now
	}
	if !m.up.heard.IsZero() {
		m.up.heard = now
	}
}

// adopt takes a view up and tells of it.
func (m *Membership) adopt(v *View, next roster) {
	added, removed := m.roster.changed(next)
	m.roster, m.number, m.lead = next, v.Number, v.Coordinator
	m.believe(v.Denied, MaxDenied)
	m.stats.Views++
	m.tell(EqualEvent{
		Kind: EqualViewed, Number: v.Number, State: v.State, Lead: v.Coordinator, Merged: v.Merged,
		Roster: slices.Clone(next), Added: added, Removed: removed,
	})
}

func (m *Membership) useKeys(n ViewNumber) {
	if n <= m.using {
		return
	}
	m.using = n
	m.tell(EqualEvent{Kind: EqualUsing, Number: n})
}

// forget leaves the session behind, on the way into another.
func (m *Membership) forget(now time.Time, why string) {
	if m.id != 0 {
		m.stats.Moves++
		m.tell(EqualEvent{Kind: EqualMoving, Text: why})
	}
	for _, l := range m.sorted() {
		if l.closing.IsZero() {
			m.hang(l)
		}
	}
	m.id, m.number, m.using, m.lead, m.roster = 0, 0, 0, 0, nil
	m.up, m.claim, m.chair = upState{}, claimState{}, chairState{}
	clear(m.greets)
}
