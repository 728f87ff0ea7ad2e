package control

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// LeafConfig bounds a Leaf. Zero is the safe default.
type LeafConfig struct {
	// JoinTimeout is how long a join may wait for the root's answer, counted
	// from Join, and an invitation for this side's. Zero means 60 s. Then it
	// ends with WSAETIMEDOUT (R259).
	JoinTimeout time.Duration
	// Silence is as in RootConfig.
	Silence time.Duration
	// Data, which may be nil, counts what the data plane heard of the root. A root
	// that is silent here lives as long as it speaks there.
	Data func() uint64
	// Seed spreads the leaves' RESYNCs in time. Any number, another at each leaf.
	Seed uint64
}

// phase is where a leaf stands.
//
//	        Join                     WELCOME               Ready            START
//	idle ---------------> joining ------------> entering -------> prepared ------> member
//	  |                      ^
//	  | INVITE               | Answer
//	  +------> considering --+
//
// From every phase a BYE, a refusal, a time-out, a loss or Leave leads to over.
type phase uint8

const (
	idle phase = iota
	considering
	joining
	entering
	prepared
	member
	over
	phases
)

// Leaf is the leaf's side of its control connection: bytes and times in,
// frames and events out. It ends with exactly one Closed. Not for concurrent
// use.
type Leaf struct {
	c      LeafConfig
	every  time.Duration
	phase  phase
	role   Role   // its own
	root   Role   // the root's towards it
	room   int32  // for callee data: what this side stated, or considering what the root stated
	told   uint64 // the newest epoch that it knows of
	has    uint64 // and the newest whose keys it has
	acked  uint64
	toldAt time.Time
	askAt  time.Time // when RESYNC is due; zero: it is not
	asked  time.Time // when it last went
	rng    *rand.Rand
	heard  time.Time
	data   uint64 // of LeafConfig.Data
	beat   time.Time
	wait   time.Time
	last   time.Time
	edges  []Edge
	out    outbox
	stats  LeafStats
}

// LeafStats are counts since the start.
type LeafStats struct {
	Epochs uint64 // taken up after the first
	Beats  uint64 // heard
	Late   uint64 // frames and calls after the end
	Pauses uint64 // times this side slept through its beats
	Asked  uint64 // RESYNCs sent
	Faults Faults
}

// NewLeaf makes the leaf's side of a proven connection, whoever dialled it.
// Join asks; without it an INVITE is waited for, 5 s.
func NewLeaf(now time.Time, c LeafConfig) *Leaf {
	c.JoinTimeout = positive(c.JoinTimeout, time.Minute)
	c.Silence = silence(c.Silence)
	every := c.Silence / 5
	return &Leaf{c: c, every: every, heard: now, beat: now.Add(every), wait: now.Add(joinWait), last: now, rng: rand.New(rand.NewPCG(c.Seed, 14))}
}

// Join asks the root to be let in.
func (l *Leaf) Join(now time.Time, j Join) error {
	if l.phase != idle {
		return invalid("a leaf asks once, on a new connection")
	}
	if err := j.Check(); err != nil {
		return err
	}
	l.wake(now)
	l.ask(now, j)
	return nil
}

func (l *Leaf) ask(now time.Time, j Join) {
	l.role, l.room = j.Role, j.Room
	l.enter(now, joining, l.c.JoinTimeout)
	l.out.frame(RootID, j.Append(nil))
}

// Answer decides an invitation. To accept it sends j, with Data, Role and QoS
// taken from a and no room for callee data: here this side is the callee.
// Where to begin is j.From, as in Join.
// Callee data beyond the offer is WSAEINVAL and refuses the root (R176). To
// defer, or to give no valid verdict, leaves the invitation waiting.
func (l *Leaf) Answer(now time.Time, a Answer, j Join) error {
	if l.phase != considering {
		return l.gone("answer", transport.WSAEACCES)
	}
	l.wake(now)
	switch a.Verdict {
	case Accept:
	case Reject:
		l.end(now, ending{by: application, code: a.Code, text: a.Text})
		return nil
	case Defer:
		return nil // the root is told nothing (R93)
	default:
		return invalid("the answer is not one of accept, reject, defer")
	}
	j.Data, j.Role, j.QoS, j.Room = a.Callee, a.Role, a.QoS, -1
	refuse := func(code transport.Code, why string) error {
		l.end(now, ending{by: application, text: why})
		return &transport.Error{Op: "accept", Code: code, Err: errors.New(why)}
	}
	switch err := j.Check(); {
	case len(j.Data) > offer(l.room):
		return refuse(transport.WSAEINVAL, "more callee data than the root has room for")
	case !Meet(l.root, j.Role):
		return refuse(transport.WSAECONNREFUSED, "roles do not meet: neither side receives what the other sends")
	case err != nil:
		return err
	}
	if l.room < 0 {
		j.Data = nil
	}
	l.ask(now, j)
	return nil
}

// Ready tells the root that the group is joined and the epoch of Welcomed, or
// a later one, is taken up.
func (l *Leaf) Ready(now time.Time, y Ready) error {
	switch {
	case l.phase != entering:
		return l.gone("ready", transport.WSAENOTCONN)
	case y.Epoch == 0 || y.Epoch > l.told || y.Epoch < l.acked:
		return invalid("ready for an epoch that was not given")
	case y.Addr.Port() == 0 || y.Addr.Addr().IsMulticast():
		return invalid("ready needs the unicast address and port where data is heard")
	}
	l.wake(now)
	l.acked = y.Epoch
	l.have(y.Epoch)
	l.enter(now, prepared, readyWait)
	l.out.frame(RootID, y.Append(nil))
	return nil
}

// Rekeyed tells the root that an epoch is taken up: that of Rekeying, or one
// that the group has told of.
func (l *Leaf) Rekeyed(now time.Time, epoch uint64) error {
	switch {
	case l.phase < entering || l.phase == over:
		return l.gone("rekey", transport.WSAENOTCONN)
	case epoch <= l.acked:
		return nil
	}
	l.wake(now)
	l.told = max(l.told, epoch)
	l.acked = epoch
	l.have(epoch)
	l.stats.Epochs++
	l.out.frame(RootID, Rekeyed{epoch}.Append(nil))
	return nil
}

// Chat sends a side chat message to the root.
func (l *Leaf) Chat(now time.Time, data []byte) error {
	if l.phase != member {
		return l.gone("chat", transport.WSAENOTCONN)
	}
	if err := checkChat(data, l.role.Sends() && l.root.Receives()); err != nil {
		return err
	}
	l.wake(now)
	l.out.frame(RootID, Chat{data}.Append(nil))
	return nil
}

// SetEdges tells how far this leaf has sent, for BEAT.
func (l *Leaf) SetEdges(edges []Edge) error {
	if err := checkEdges(edges); err != nil {
		return err
	}
	l.edges = slices.Clone(edges)
	return nil
}

// Leave ends it from this side: a member leaves, a request is withdrawn, an
// invitation refused. Code 0 is a close in good order, and edges say how far
// this leaf has sent.
func (l *Leaf) Leave(now time.Time, code transport.Code, text string, edges []Edge) error {
	if l.phase == over {
		return l.gone("leave", transport.WSAENOTCONN)
	}
	if err := checkEdges(edges); err != nil {
		return err
	}
	l.wake(now)
	l.edges = slices.Clone(edges)
	l.end(now, ending{by: application, code: code, text: text})
	return nil
}

// Lost reports that the connection broke: WSAECONNRESET for a reset or an end
// without BYE, which code 0 stands for (R225).
func (l *Leaf) Lost(now time.Time, code transport.Code) {
	if code == 0 {
		code = transport.WSAECONNRESET
	}
	l.wake(now)
	l.end(now, ending{by: peer, code: code, text: "control connection lost"})
}

// Stats is a snapshot.
func (l *Leaf) Stats() LeafStats { return l.stats }

// Poll returns the next output, until false.
func (l *Leaf) Poll() (Output, bool) { return l.out.poll() }

func (l *Leaf) enter(now time.Time, p phase, d time.Duration) {
	l.phase = p
	l.wait = time.Time{}
	if d > 0 {
		l.wait = now.Add(d)
	}
}

// gone answers a call that came too late, or too early.
func (l *Leaf) gone(op string, code transport.Code) error {
	if l.phase == over {
		l.stats.Late++
	}
	return &transport.Error{Op: op, Code: code}
}
