package simnet

import (
	"math"
	"sync"
	"time"
)

// A node is something that happens at a time: a packet arrives, a deadline
// passes. It lives inside what it belongs to and is armed again and again, so
// the scheduler allocates nothing.
//
// Nodes of the same instant fire in the order of k1 and k2, which are made of
// names and port numbers: never in the order in which goroutines came by.
type node struct {
	at     int64 // nanoseconds since the network began
	k1, k2 uint64
	fire   func(at int64)
	index  int // place in the heap plus one; zero: not armed
}

// The classes of nodes, highest byte of k1: what is written leaves before what
// is under way arrives.
const (
	classSend = iota + 1
	classSent
	classLane
	classLate
	classDown
	classDial
	classFlush
	classArrive
	classAck
	classReset
	classStall
	classDeadline
)

func key(class, a, b int) uint64 {
	return uint64(class)<<56 | uint64(a)&0xfffffff<<28 | uint64(b)&0xfffffff
}

// never is later than all times.
const never = math.MaxInt64

// schedule is the one clock and the one list of things to come. Everything in
// a Net is guarded by its mutex.
type schedule struct {
	mu      sync.Mutex
	heap    []*node
	start   time.Time
	timer   *time.Timer
	armed   int64 // when the timer goes off
	running bool  // run is at work and will look at the heap again
	closed  bool
	idle    sync.Cond // run has ended; for Close
	calls   []func()  // hooks to call once the instant is over, unlocked
}

func (s *schedule) now() int64 { return int64(time.Since(s.start)) }

// arm sets when n fires, in place of what was set before.
func (s *schedule) arm(n *node, at int64) {
	if s.closed {
		return
	}
	n.at = at
	if n.index == 0 {
		s.heap = append(s.heap, n)
		n.index = len(s.heap)
		s.up(n.index - 1)
	} else if i := n.index - 1; !s.up(i) {
		s.down(i)
	}
	if !s.running && s.heap[0].at < s.armed {
		s.wait(s.heap[0].at, s.now())
	}
}

func (s *schedule) disarm(n *node) {
	if n.index == 0 {
		return
	}
	i, last := n.index-1, len(s.heap)-1
	n.index = 0
	if i != last {
		s.heap[i] = s.heap[last]
		s.heap[i].index = i + 1
	}
	s.heap[last] = nil
	s.heap = s.heap[:last]
	if i != last && !s.up(i) {
		s.down(i)
	}
}

// wait sets the timer.
func (s *schedule) wait(at, now int64) {
	s.armed = at
	s.timer.Reset(time.Duration(max(at-now, 0)))
}

// run fires everything that is due. The timer starts it; it never runs twice
// at a time.
func (s *schedule) run() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running || s.closed {
		return
	}
	s.running = true
	s.fireDue()
	s.running = false
	s.idle.Broadcast()
}

// fireDue fires instant by instant. Between two instants, never within one, it
// lets go of the mutex: inside a synctest bubble no time passes meanwhile, so
// there all of an instant happens before anybody sees a part of it.
func (s *schedule) fireDue() {
	s.armed = never
	now := s.now()
	for len(s.heap) > 0 && !s.closed {
		at := s.heap[0].at
		if at > now {
			if now = s.now(); at > now {
				s.wait(at, now)
				return
			}
		}
		for len(s.heap) > 0 && s.heap[0].at == at {
			n := s.heap[0]
			s.disarm(n)
			n.fire(at)
		}
		calls := s.calls
		s.calls = nil
		s.mu.Unlock()
		for _, call := range calls {
			call()
		}
		s.mu.Lock()
	}
}

// stop ends the schedule and waits for run.
func (s *schedule) stop() {
	s.closed = true
	s.timer.Stop()
	for _, n := range s.heap {
		n.index = 0
	}
	s.heap = nil
	for s.running {
		s.idle.Wait()
	}
}

func (n *node) before(m *node) bool {
	if n.at != m.at {
		return n.at < m.at
	}
	if n.k1 != m.k1 {
		return n.k1 < m.k1
	}
	return n.k2 < m.k2
}

func (s *schedule) up(i int) (moved bool) {
	for i > 0 {
		parent := (i - 1) / 2
		if !s.heap[i].before(s.heap[parent]) {
			return moved
		}
		s.swap(i, parent)
		i, moved = parent, true
	}
	return moved
}

func (s *schedule) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(s.heap); c++ {
			if s.heap[c].before(s.heap[least]) {
				least = c
			}
		}
		if least == i {
			return
		}
		s.swap(i, least)
		i = least
	}
}

func (s *schedule) swap(i, j int) {
	s.heap[i], s.heap[j] = s.heap[j], s.heap[i]
	s.heap[i].index, s.heap[j].index = i+1, j+1
}
