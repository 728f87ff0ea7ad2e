package control

import (
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

var oneSeed = flag.Uint64("seed", 0, "run the model with this seed alone")

// model is a root, its leaves, and the connections between them as queues with
// random delays that may break at any moment, loudly at one or both ends or
// without a word. The applications at both ends act at random.
type model struct {
	seed   uint64
	rng    *rand.Rand
	now    time.Time
	root   *Root
	w      *witness
	leaves []*modelLeaf
	plan   acts
	seq    int
	calm   bool // no more mischief: what is under way shall come to rest

	freshes []uint64 // epochs that came from fresh randomness
	busy    bool     // the root's shell works on an epoch
	wanted  []Event  // asked of it, in order
	bad     []string
	saw     map[string]int // what the run contained, so that a test of nothing shows
}

type modelLeaf struct {
	id              uint32
	l               *Leaf
	cut             bool
	toLeaf, toRoot  time.Time // arrival of the last frame on its way
	closed, started int
	after           bool // something followed Closed
	lazy            bool // its shell answers late, or never
	deaf            bool // it hears nothing of the group
	told            uint64
	from            From
	notices, heard  []Notice // sent to it, and what it was told of
}

// act is something that happens at a time.
type act struct {
	at  time.Time
	seq int
	do  func()
}

type acts []act

func (a acts) Len() int { return len(a) }
func (a acts) Less(i, j int) bool {
	return a[i].at.Before(a[j].at) || a[i].at.Equal(a[j].at) && a[i].seq < a[j].seq
}
func (a acts) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *acts) Push(x any)   { *a = append(*a, x.(act)) }
func (a *acts) Pop() any {
	x := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return x
}

func newModel(seed uint64) *model {
	m := &model{seed: seed, rng: rand.New(rand.NewPCG(seed, 7)), now: epochZero, saw: map[string]int{}}
	m.root = NewRoot(RootConfig{Backlog: 3, Leaves: 6, RequestTimeout: 8 * time.Second})
	m.w = newWitness(m.root)
	return m
}

func (m *model) fail(format string, args ...any) {
	m.bad = append(m.bad, fmt.Sprintf("%v: ", m.now.Sub(epochZero))+fmt.Sprintf(format, args...))
}

func (m *model) odds(n int) bool { return m.rng.IntN(n) == 0 }

func (m *model) upTo(d time.Duration) time.Duration { return time.Duration(m.rng.Int64N(int64(d))) }

func (m *model) after(d time.Duration, do func()) {
	m.seq++
	heap.Push(&m.plan, act{m.now.Add(d), m.seq, do})
}

// connect adds a leaf that asks or is invited.
func (m *model) connect() {
	n := &modelLeaf{id: RootID + 1 + uint32(len(m.leaves)), lazy: m.odds(8), deaf: m.odds(8)}
	n.from = From{FromKind(m.rng.IntN(4)), 0}
	if n.from.Kind >= FromNumber {
		n.from.N = m.rng.Uint64()
	}
	n.l = NewLeaf(m.now, LeafConfig{JoinTimeout: 9 * time.Second, Seed: m.seed + uint64(n.id)})
	m.leaves = append(m.leaves, n)
	if err := m.root.Open(m.now, n.id, leafAddr(n.id)); err != nil {
		m.fail("open: %v", err)
	}
	switch {
	case m.odds(20): // neither: the root's patience with it ends
	case m.odds(3):
		_ = m.root.Invite(m.now, n.id, Invite{Role: Role(m.rng.IntN(3)), Room: 10, Data: []byte("come")})
		m.saw["invited"]++
	default:
		if err := n.l.Join(m.now, Join{Role: Role(m.rng.IntN(3)), Room: 10, From: n.from}); err != nil {
			m.fail("join: %v", err)
		}
	}
	if !m.odds(3) {
		m.after(m.upTo(20*time.Second), func() { m.mischief(n) })
	}
}

// mischief ends a leaf, one way or another.
func (m *model) mischief(n *modelLeaf) {
	if m.calm {
		return
	}
	switch m.rng.IntN(4) {
	case 0:
		_ = n.l.Leave(m.now, 0, "done", nil)
		m.saw["left in order"]++
	case 1:
		_ = m.root.Evict(m.now, n.id, transport.WSAEACCES, "evicted")
		m.saw["evicted"]++
	case 2: // a reset, seen at once or later
		n.cut = true
		m.after(m.upTo(time.Second), func() { m.root.Lost(m.now, n.id, 0) })
		m.after(m.upTo(time.Second), func() { n.l.Lost(m.now, 0) })
		m.saw["reset"]++
	case 3: // a cable pulled: nobody is told
		n.cut = true
		m.saw["silenced"]++
	}
}

// run lets d pass.
func (m *model) run(d time.Duration) {
	for end := m.now.Add(d); len(m.bad) == 0; {
		m.settle()
		next := m.root.NextTimeout()
		for _, n := range m.leaves {
			next = earlier(next, n.l.NextTimeout())
		}
		if len(m.plan) > 0 {
			next = earlier(next, m.plan[0].at)
		}
		if next.IsZero() || next.After(end) {
			m.now = end
			return
		}
		if next.After(m.now) {
			m.now = next
		}
		for len(m.plan) > 0 && !m.plan[0].at.After(m.now) {
			heap.Pop(&m.plan).(act).do()
			m.settle()
		}
		m.root.Advance(m.now)
		for _, n := range m.leaves {
			n.l.Advance(m.now)
		}
	}
}

// settle polls every machine to its end.
func (m *model) settle() {
	for o, ok := m.root.Poll(); ok; o, ok = m.root.Poll() {
		m.w.saw(o)
		if o.Event.Kind == 0 {
			m.carry(m.leaves[o.To-RootID-1], o.Frame, true)
		} else {
			m.rootShell(o.Event)
		}
	}
	for _, n := range m.leaves {
		for o, ok := n.l.Poll(); ok; o, ok = n.l.Poll() {
			n.after = n.after || n.closed > 0
			if o.Event.Kind == 0 {
				m.carry(n, o.Frame, false)
			} else {
				m.leafShell(n, o.Event)
			}
		}
	}
}

// carry brings a frame over in order, after a while, unless the connection is
// cut by then.
func (m *model) carry(n *modelLeaf, frame []byte, toLeaf bool) {
	last := &n.toRoot
	if toLeaf {
		last = &n.toLeaf
	}
	at := m.now.Add(m.upTo(60 * time.Millisecond))
	if at.Before(*last) {
		at = *last
	}
	*last = at
	m.after(at.Sub(m.now), func() {
		switch {
		case n.cut:
		case toLeaf:
			n.l.Handle(m.now, RootID, frame)
		default:
			m.root.Handle(m.now, n.id, frame)
		}
	})
}

// check holds the end to what must be: both sides agree on who is a member and
// on the epoch, nobody who left knows it, every event came once.
func (m *model) check() {
	m.bad = append(m.bad, m.w.check()...)
	members := 0
	for _, n := range m.leaves {
		c := m.root.find(n.id)
		if n.closed > 1 || n.started > 1 || n.after {
			m.fail("leaf %d: %d Closed, %d Started, something after Closed: %v", n.id, n.closed, n.started, n.after)
		}
		if atRoot, atLeaf := c != nil && c.state == joined, n.l.phase == member; atRoot != atLeaf || (c == nil) != (n.l.phase == over) {
			m.fail("leaf %d: member at the root %v, at the leaf %v; phase %d", n.id, atRoot, atLeaf, n.l.phase)
		}
		if c == nil {
			m.checkGone(n)
			continue
		}
		members++
		if !slices.Equal(n.heard, n.notices) {
			m.fail("leaf %d was told %v, it was sent %v", n.id, n.heard, n.notices)
		}
		if e := m.root.rekey.epoch; c.acked != e || n.l.acked != e || n.l.told != e {
			m.fail("leaf %d: epoch %d at the root, %d and %d at the leaf, newest %d", n.id, c.acked, n.l.told, n.l.acked, e)
		}
	}
	if k := m.root.rekey; k.fresh || k.asked != 0 || k.settling || k.behind != 0 {
		m.fail("rekeying is not at rest: %+v", k)
	}
	if s := m.root.Stats(); s.Leaves != members || s.Joined-s.Left != uint64(members) || s.Faults.Total() != 0 {
		m.fail("stats %+v with %d members", s, members)
	}
}

// checkGone: between what a leaver was last told and now lies a fresh epoch.
func (m *model) checkGone(n *modelLeaf) {
	knew := m.w.known[n.id]
	if knew > 0 && !slices.ContainsFunc(m.freshes, func(e uint64) bool { return e > knew }) {
		m.fail("leaf %d left knowing epoch %d, and none since is fresh: %v", n.id, knew, m.freshes)
	}
	if n.closed != 1 {
		m.fail("leaf %d is gone with %d Closed", n.id, n.closed)
	}
	if f := n.l.Stats().Faults; f.Total() != 0 {
		m.fail("leaf %d found faults %v", n.id, f)
	}
}

// story is one run from beginning to end.
func (m *model) story() {
	for range 4 + m.rng.IntN(9) {
		m.after(m.upTo(15*time.Second), m.connect)
	}
	m.run(25 * time.Second)
	m.calm = true
	m.run(45 * time.Second) // every wait is over
	m.check()
	m.saw["members at rest"] += m.root.count[joined]
	m.root.Close(m.now, 0, "over")
	m.run(time.Second)
	for _, n := range m.leaves {
		if n.closed != 1 {
			m.fail("after Close leaf %d has %d Closed", n.id, n.closed)
		}
	}
	if len(m.root.conns) != 0 || !m.root.NextTimeout().IsZero() {
		m.fail("after Close %d connections are left", len(m.root.conns))
	}
	m.bad = append(m.bad, m.w.check()...)
}

func TestModelOfManyLeavesComesToRestConsistent(t *testing.T) {
	from, to := uint64(1), uint64(1000)
	if testing.Short() {
		to = 100
	}
	if *oneSeed != 0 {
		from, to = *oneSeed, *oneSeed
	}
	t.Logf("seeds %d to %d", from, to)
	saw := map[string]int{}
	for seed := from; seed <= to; seed++ {
		m := newModel(seed)
		m.story()
		if len(m.bad) > 0 {
			t.Fatalf("seed %d (go test -run Model -seed %d): %q", seed, seed, m.bad)
		}
		for k, n := range m.saw {
			saw[k] += n
		}
	}
	t.Logf("it contained %v", saw)
	if *oneSeed != 0 || testing.Short() {
		return
	}
	for _, k := range []string{
		"requested", "withdrawn", "accepted", "failed", "epoch wanted", "epoch ready", "joined", "left", "hang up",
		"invited", "evicted", "reset", "silenced", "deferred", "tombstone", "gone while shown", "overtaken", "members at rest", "noticed", "missed", "lagging",
	} {
		if saw[k] < 10 {
			t.Errorf("%q happened %d times: the model tests too little", k, saw[k])
		}
	}
}
