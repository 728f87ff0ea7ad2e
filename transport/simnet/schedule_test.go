package simnet

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// However nodes are armed, moved and disarmed, they fire in the order of time,
// then of keys.
func TestSchedule_FiresInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const seed = 7
		n := New(seed, Link{})
		defer n.Close()
		type mark struct{ at, k1, k2 int64 }
		var fired []mark
		nodes := make([]*node, 300)
		draw := rand.New(rand.NewPCG(seed, seed))
		n.mu.Lock()
		for i := range nodes {
			d := &node{k1: draw.Uint64N(5), k2: uint64(i)}
			d.fire = func(at int64) { fired = append(fired, mark{at, int64(d.k1), int64(d.k2)}) }
			nodes[i] = d
		}
		for range 3000 {
			if d := nodes[draw.IntN(len(nodes))]; draw.IntN(3) > 0 {
				n.arm(d, 1+draw.Int64N(50))
			} else {
				n.disarm(d)
			}
		}
		var want []mark
		for _, d := range nodes {
			if d.index > 0 {
				want = append(want, mark{d.at, int64(d.k1), int64(d.k2)})
			}
		}
		n.mu.Unlock()
		time.Sleep(time.Second)
		synctest.Wait()
		slices.SortFunc(want, func(a, b mark) int {
			for _, d := range []int64{a.at - b.at, a.k1 - b.k1, a.k2 - b.k2} {
				if d != 0 {
					return int(d)
				}
			}
			return 0
		})
		if len(want) < 100 || !slices.Equal(fired, want) {
			t.Errorf("seed %d: fired %v; want %v", seed, fired, want)
		}
	})
}

func TestFifo_KeepsOrderThroughGrowth(t *testing.T) {
	var f fifo[int]
	in, out := 0, 0
	for round := range 200 {
		for range round % 13 {
			f.push(in)
			in++
		}
		for range round % 11 {
			if f.len() == 0 {
				break
			}
			if v := f.pop(); v != out {
				t.Fatalf("popped %d; want %d", v, out)
			}
			out++
		}
	}
	if f.len() != in-out || *f.last() != in-1 {
		t.Errorf("%d left, the last %d; want %d, %d", f.len(), *f.last(), in-out, in-1)
	}
}
