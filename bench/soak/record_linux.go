package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
)

const (
	slack    = 4 << 20  // how much memory may differ, beside a share of it, before it counts
	mostRing = 40 << 20 // two streams of 16 MiB, and what chunks add
)

// point is one record.
type point struct {
	At          float64 // seconds since the beginning
	State       string  // before, churn, calm, empty, after
	Heap        uint64  // bytes of objects after a collection
	Goroutines  int
	Descriptors int
	Leaves      int
	Buffers     int    // bytes of receive buffers held, all members
	Ring        int    // bytes the root keeps for repairs
	Sent        uint64 // reliable messages
	SentBytes   uint64
	SentBest    uint64 // best-effort ones
	Delivered   uint64 // to all leaves together, both streams
	MissedBest  uint64 // told missed
	Missed      uint64 // the same of the reliable stream
	Repaired    uint64 // messages that needed a repair
	Joins       uint64
	Evicted     uint64
	Vanished    uint64
}

// measure takes a record.
func (s *soak) measure(state string) point {
	p := point{At: time.Since(s.began).Seconds(), State: state}
	if s.root != nil {
		st := s.root.Stats().Data
		p.Buffers, p.Ring = st.BuffersHeld, st.Sender.Memory
	}
	if s.sends[0] != nil {
		p.Sent, p.SentBytes, p.SentBest = s.sends[reliable].done.Load(), s.sends[reliable].bytes.Load(), s.sends[bestEffort].done.Load()
	}
	for _, x := range s.slots {
		if l := x.current(); l != nil {
			p.Leaves++
			p.Buffers += l.leaf.Stats().Data.BuffersHeld
		}
	}
	t := &s.tally
	p.Delivered = t.delivered[0].Load() + t.delivered[1].Load()
	p.MissedBest, p.Missed, p.Repaired = t.missedBest.Load(), t.missedReliable.Load(), t.repaired.Load()
	p.Joins, p.Evicted, p.Vanished = t.joins.Load(), t.evicted.Load(), t.vanished.Load()
	p.Goroutines = runtime.NumGoroutine()
	if list, err := os.ReadDir("/proc/self/fd"); err == nil {
		p.Descriptors = len(list)
	}
	runtime.GC() // twice: what pools kept through the first goes with the second
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	p.Heap = m.HeapAlloc
	return p
}

// keep adds a record to the run's.
func (s *soak) keep(p point) {
	s.pointMu.Lock()
	s.points = append(s.points, p)
	s.pointMu.Unlock()
	s.log.say("%-6s %s heap, %d goroutines, %d descriptors, %d leaves, %s buffers, ring %s; sent %d (%s) + %d, delivered %d, missed %d + %d; %d joins, %d evicted, %d vanished",
		p.State, mega(p.Heap), p.Goroutines, p.Descriptors, p.Leaves, mega(uint64(p.Buffers)), mega(uint64(p.Ring)), p.Sent, mega(p.SentBytes), p.SentBest, p.Delivered, p.Missed, p.MissedBest, p.Joins, p.Evicted, p.Vanished)
}

// record takes one every so often, while there is churn.
func (s *soak) record() {
	for s.sleep(s.o.Every) {
		if s.sends[reliable].mode.Load() == running {
			s.keep(s.measure("churn"))
		}
	}
}

// flat compares the last quarter of the records of each state with the second
// one, median with median: what grows with time shows, what comes and goes with
// events does not.
func (s *soak) flat() {
	for _, state := range []string{"churn", "calm", "empty"} {
		var ps []point
		for _, p := range s.points {
			if p.State == state {
				ps = append(ps, p)
			}
		}
		if bad := grown(ps); bad != "" {
			s.log.fail("in state " + state + ": " + bad)
		}
	}
	for _, p := range s.points {
		if bad := p.beyond(); bad != "" {
			s.log.fail(fmt.Sprintf("at %.3f s: %s", p.At, bad))
			return
		}
	}
}

// beyond tells which bound of memory a record is over (I5); "" is none.
func (p point) beyond() string {
	const budget = 64<<20 + 64*flow.SlabSize // a session's, and what its readers have in hand
	switch {
	case p.Ring > mostRing:
		return fmt.Sprintf("the root's ring has %s", mega(uint64(p.Ring)))
	case p.Buffers > budget*(p.Leaves+1):
		return fmt.Sprintf("%s of buffers are held by the root and %d leaves", mega(uint64(p.Buffers)), p.Leaves)
	}
	return ""
}

// How many records tell a trend. Leaves keep the receive buffers of their worst
// moment, so with leaves in it takes many.
const (
	fewestEmpty = 8
	fewestFull  = 64
)

// rest is the heap less what belongs to data that is under way.
func (p point) rest() uint64 {
	own := uint64(p.Ring + p.Buffers)
	return p.Heap - min(p.Heap, own)
}

// grown tells what has grown over the records of a state; "" is nothing, or too
// few to tell.
func grown(ps []point) string {
	n, fewest, share := len(ps), fewestEmpty, uint64(10)
	if n > 0 && ps[0].Leaves > 0 {
		fewest, share = fewestFull, 4
	}
	if n < fewest {
		return ""
	}
	for _, f := range []struct {
		name string
		of   func(point) uint64
		more uint64
	}{
		{"heap without ring and buffers", point.rest, slack},
		{"goroutines", func(p point) uint64 { return uint64(p.Goroutines) }, 16},
		{"descriptors", func(p point) uint64 { return uint64(p.Descriptors) }, 8},
	} {
		was, is := median(ps[n/4:n/2], f.of), median(ps[n-n/4:], f.of)
		if is > was+was/share+f.more {
			return fmt.Sprintf("%s: %d in the last quarter's median, %d in the second one's (%d records)", f.name, is, was, n)
		}
	}
	return ""
}

// median is the upper one of a figure.
func median(ps []point, of func(point) uint64) uint64 {
	var v []uint64
	for _, p := range ps {
		v = append(v, of(p))
	}
	slices.Sort(v)
	return v[len(v)/2]
}

func mega(n uint64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
