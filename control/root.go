package control

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// Times that are not configurable.
const (
	joinWait  = 5 * time.Second        // a proven connection's JOIN
	readyWait = 10 * time.Second       // every step of a joiner after its request was accepted
	ackWait   = 10 * time.Second       // REKEYED
	settle    = 500 * time.Millisecond // after SetEpoch, for those who answer late
	grantGap  = 500 * time.Millisecond // between two answers to one leaf's RESYNC; it asks once a second
	rekeyGap  = 50 * time.Millisecond  // between epochs: fresh ones always, steps of a large session
	tellCost  = 50 * time.Microsecond  // gap between steps per leaf that must answer
)

// RootConfig bounds a Root. Zero is the safe default.
type RootConfig struct {
	// Backlog is how many requests may wait for an accept call. Zero means
	// 128, negative none: every request is refused; above 1024 is 1024 (R262).
	Backlog int
	// Unasked is how many proven connections may be there that have not sent
	// JOIN. Zero means 256. One more closes the oldest.
	Unasked int
	// Leaves is how many leaves there may be, those on their way in included.
	// Zero means 10,000. One more is refused with WSAECONNREFUSED.
	Leaves int
	// RequestTimeout is how long a request or an invitation may wait for the
	// answer. Zero means 60 s. Then it is refused with WSAETIMEDOUT (R259).
	RequestTimeout time.Duration
	// Silence is how long a connection may say nothing. Zero means 5 s, the
	// least is 100 ms. Then it is lost with WSAECONNABORTED (R225). A fifth of
	// it is between beats, so both sides want the same.
	Silence time.Duration
	// Data, which may be nil, is when the data plane last heard a leaf; zero:
	// never. A leaf that is silent here lives if it speaks there: after an outage
	// TCP tries again only at doubled intervals.
	Data func(leaf uint32) time.Time
}

func (c RootConfig) withDefaults() RootConfig {
	c.Backlog = clampBacklog(c.Backlog)
	c.Unasked = positive(c.Unasked, 256)
	c.Leaves = positive(c.Leaves, 10_000)
	c.RequestTimeout = positive(c.RequestTimeout, time.Minute)
	c.Silence = silence(c.Silence)
	return c
}

// silence applies the default and the least: a beat is a fifth of it and must
// not fill the line.
func silence(d time.Duration) time.Duration {
	return max(positive(d, 5*time.Second), 100*time.Millisecond)
}

func positive[T int | time.Duration](v, zero T) T {
	if v <= 0 {
		return zero
	}
	return v
}

// state is where a connection stands.
//
//	               Invite          JOIN        Answer
//	         +---> inviting -----> accepted ---------+
//	         |                                       v     SetEpoch
//	Open --> proven -------------> queued -----> admitted --------> welcomed
//	               JOIN            | ^   Answer                        | READY
//	                               +-+ defer                           v
//	                                             joined <----------- ready
//	                                                      Start
//
// From every state a BYE, a refusal, a time-out, a loss or Evict leads out.
type state uint8

const (
	proven state = iota
	inviting
	accepted
	queued
	admitted
	welcomed
	ready
	joined
	states
)

// conn is one control connection at the root.
type conn struct {
	id    uint32
	addr  netip.AddrPort
	state state
	role  Role   // the root's towards this leaf
	room  int32  // inviting: the root's room for callee data
	join  Join   // what the leaf asked
	reply Answer // admitted: what goes into WELCOME
	udp   netip.AddrPort

	// "this leaf must know epoch n" as two values: resending is told minus
	// acked, and a rekey that overtakes another is no special case.
	told, acked uint64
	toldAt      time.Time // when acked was first behind told
	first       uint64    // the epoch of its WELCOME
	grantAt     time.Time // no RESYNC is answered earlier than this

	heard, beat time.Time // last frame, next BEAT
	wait        time.Time // when the state's patience ends; zero: never
	due         time.Time // key in the heap of deadlines
	place       int       // index there
}

// asked returns what the leaf asked, for an event.
func (c *conn) asked() *Join {
	j := c.join
	return &j
}

// Root is the root's side of every control connection of a session: bytes and
// times in, frames and events out. Several connections of both kinds, asking
// and invited, run at once (R61, R153). Not for concurrent use.
type Root struct {
	c       RootConfig
	every   time.Duration // between beats
	conns   []*conn       // by id
	count   [states]int
	due     deadlines
	backlog backlog
	last    time.Time // the last input
	lastID  uint32
	closed  bool
	edges   []Edge
	beats   [2][]byte // BEAT for strangers and for members, made once for all
	out     outbox
	rekey   rekeying
	stats   RootStats
}

// RootStats are counts since the start, Leaves and Waiting as of now.
type RootStats struct {
	Opened, Requested, Invited, Refused, Withdrawn, Joined, Left uint64
	Epochs                                                       uint64
	Reminded, Resyncs, Granted                                   uint64 // leaves that were slow to know an epoch; that asked for one; that were sent one alone
	Late                                                         uint64 // frames for a connection that was over
	Silent                                                       uint64 // connections lost for silence
	Pauses                                                       uint64 // times this side slept through its beats
	Faults                                                       Faults // connections closed for a frame, by reason
	Leaves                                                       int    // members
	Waiting                                                      int    // requests in the backlog
}

// NewRoot makes a root without connections.
func NewRoot(c RootConfig) *Root {
	c = c.withDefaults()
	return &Root{c: c, every: c.Silence / 5, backlog: backlog{limit: c.Backlog}}
}

// Open adds a proven connection under a member id: above RootID, rising, never
// used before. A leaf that asks sends JOIN next, for one that is to be invited
// call Invite next. addr is the other end.
func (r *Root) Open(now time.Time, id uint32, addr netip.AddrPort) error {
	if id <= RootID || id <= r.lastID {
		return invalid("member ids rise from 2 and are never used again")
	}
	r.wake(now)
	r.lastID = id
	r.stats.Opened++
	c := &conn{id: id, addr: addr, heard: now, beat: now.Add(r.every), wait: now.Add(joinWait)}
	if !r.closed && r.count[proven] >= r.c.Unasked {
		oldest := r.conns[slices.IndexFunc(r.conns, func(o *conn) bool { return o.state == proven })]
		r.end(now, oldest, ending{by: machine, code: transport.WSAECONNREFUSED, text: "too many connections that have not asked to join; try again"})
	}
	r.conns = append(r.conns, c)
	r.count[proven]++
	r.due.add(c, r.next(c))
	if r.closed {
		r.end(now, c, ending{by: machine, code: transport.WSAECONNREFUSED, text: "the session is over"})
	}
	return nil
}

// SetBacklog changes how many requests may wait, as RootConfig.Backlog says
// it. Requests that wait already stay.
func (r *Root) SetBacklog(n int) { r.backlog.limit = clampBacklog(n) }

// SetEdges tells how far the root has sent, for BEAT and BYE.
func (r *Root) SetEdges(edges []Edge) error {
	if err := checkEdges(edges); err != nil {
		return err
	}
	if !slices.Equal(r.edges, edges) {
		r.edges = slices.Clone(edges)
		r.beats[1] = nil
	}
	return nil
}

// Next shows the request at the head of the queue to an accept call, which is
// to Answer it, once. Another accept call meanwhile is shown the next one. A
// request with a Code is gone already and needs no answer.
func (r *Root) Next() (Request, bool) { return r.backlog.next() }

// Waiting tells how many requests there are for accept calls to see, and
// whether the first was deferred: then no accept event is due, even if others
// wait behind it (R94).
func (r *Root) Waiting() (n int, deferred bool) {
	for _, w := range r.backlog.list {
		if w.offered {
			continue
		}
		if n == 0 {
			deferred = w.req.Deferred && w.req.Code == 0
		}
		n++
	}
	return n, deferred
}

// LeafInfo is what the root knows of a connection.
type LeafInfo struct {
	Addr    netip.AddrPort // the control connection's other end
	UDP     netip.AddrPort // where it hears unicast; invalid before READY
	Role    Role           // the root's towards it
	Join    Join
	Acked   uint64 // the newest epoch it is known to hold
	Ready   bool   // it waits for Start
	Member  bool
	Invited bool // the invitation is unanswered
}

// Leaf tells what is known of a connection that is not over.
func (r *Root) Leaf(id uint32) (LeafInfo, bool) {
	c := r.find(id)
	if c == nil {
		return LeafInfo{}, false
	}
	return LeafInfo{
		Addr: c.addr, UDP: c.udp, Role: c.role, Join: c.join, Acked: c.acked,
		Ready: c.state == ready, Member: c.state == joined, Invited: c.state == inviting,
	}, true
}

// Stats is a snapshot.
func (r *Root) Stats() RootStats {
	s := r.stats
	s.Leaves, s.Waiting, s.Epochs = r.count[joined], len(r.backlog.list), r.rekey.sets
	return s
}

// Poll returns the next output, until false.
func (r *Root) Poll() (Output, bool) { return r.out.poll() }

func (r *Root) find(id uint32) *conn {
	i, ok := slices.BinarySearchFunc(r.conns, id, func(c *conn, id uint32) int { return cmp.Compare(c.id, id) })
	if !ok {
		return nil
	}
	return r.conns[i]
}

// enter moves c on. It waits there for d at most; zero means without limit.
func (r *Root) enter(now time.Time, c *conn, s state, d time.Duration) {
	r.count[c.state]--
	c.state = s
	r.count[s]++
	c.wait = time.Time{}
	if d > 0 {
		c.wait = now.Add(d)
	}
	r.due.move(c, r.next(c))
}

// leaves counts members and those on their way to be one.
func (r *Root) leaves() int {
	return len(r.conns) - r.count[proven] - r.count[queued]
}
