package flow

import (
	"testing"
	"time"
)

// The hot path allocates nothing: Write, Poll, Handle, Advance, Read, and the
// STATUS that go back, once rings and slabs are there.
func TestHotPath_AllocatesNothing(t *testing.T) {
	for _, class := range []Class{Reliable, BestEffort} {
		for _, size := range []int{64, 1382, 5000} {
			p := newPair(t, class)
			msg, buf := message(1, size), make([]byte, size)
			round := func() {
				p.now = p.now.Add(100 * time.Microsecond)
				for range 100_000 / size {
					if err := p.s.Write(p.now, 0, msg); err != nil {
						t.Fatal(err)
					}
				}
				p.s.Cut(p.now)
				p.pump()
				for {
					if _, _, err := p.r.Read(p.now, 0, buf); err != nil {
						break
					}
				}
				p.pump()
				p.s.Advance(p.now)
				p.s.NextTimeout()
				p.r.NextTimeout()
			}
			for range 50 {
				round()
			}
			if n := testing.AllocsPerRun(100, round); n != 0 {
				t.Errorf("class %d, size %d: %v allocations a round", class, size, n)
			}
			for i := 0; i < 100 && !p.s.Drained(); i++ {
				p.step()
			}
			if !p.s.Drained() {
				t.Error("not drained")
			}
		}
	}
}

// Nor do losses: NAKs, repairs and their bookkeeping.
func TestRepair_AllocatesNothing(t *testing.T) {
	p := newPair(t, Reliable)
	n := 0
	p.lose = func(f []byte) bool { n++; return f[0] == frameData && n%17 == 0 }
	msg, buf := message(1, 3000), make([]byte, 3000)
	round := func() {
		for range 60 {
			if err := p.s.Write(p.now, 0, msg); err != nil {
				t.Fatal(err)
			}
		}
		p.s.Cut(p.now)
		p.pump()
		for i := 0; i < 100 && !p.s.Drained(); i++ {
			p.step()
			for {
				if _, _, err := p.r.Read(p.now, 0, buf); err != nil {
					break
				}
			}
		}
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations a round", n)
	}
	if s := p.s.Stats(); s.Repaired == 0 || p.r.Stats().Missed != 0 {
		t.Errorf("%+v", s)
	}
}
