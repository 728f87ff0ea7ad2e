package flow

import (
	"fmt"
	"testing"
	"time"
)

const (
	mbit   = 125_000.0
	second = time.Second
)

// lanMembers are on one switch, with room for 1,000 packets each.
func lanMembers(n int) []*rateMember {
	return members(n, rateMember{rtt: 300 * time.Microsecond, room: 1000, cost: 5000})
}

// rateSeeds runs a story with several seeds, and names them.
func rateSeeds(t *testing.T, n uint64, story func(t *testing.T, seed uint64)) {
	t.Helper()
	for seed := uint64(1); seed <= n; seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { story(t, seed) })
	}
}

// stretch is what happened until a time.
type stretch struct {
	s            *rateSim
	a            *rateSender
	began        moment
	sent         uint64
	taken, tails uint64
	heard        float64
}

func (a *rateSender) stretch() *stretch {
	w := &stretch{s: a.s, a: a, began: a.s.at, sent: a.next, heard: a.least()}
	if a.path != nil {
		w.taken, w.tails = a.path.taken, a.path.tailed
	}
	return w
}

func (w *stretch) seconds() float64 { return (w.s.at - w.began).Seconds() }

// goodput is what the member that got least got, in Mbit/s.
func (w *stretch) goodput() float64 { return (w.a.least() - w.heard) / w.seconds() / mbit }

// path is the share of the bottleneck that was used, and of packets it lost.
func (w *stretch) path() (used, lost float64) {
	taken, tails := float64(w.a.path.taken-w.taken), float64(w.a.path.tailed-w.tails)
	return taken * simPacket / w.seconds() / w.a.path.rate, tails / (taken + tails)
}

func (w *stretch) share() float64 {
	return float64(w.a.next-w.sent) * simPacket / w.seconds() / mbit
}

func TestLAN_BottleneckIsFoundUnderRandomLossToo(t *testing.T) {
	for _, loss := range []float64{0, 0.05, 0.1} {
		rateSeeds(t, 2, func(t *testing.T, seed uint64) {
			s := newRateSim(t, seed)
			ms := lanMembers(3)
			for _, m := range ms {
				m.loss = loss
			}
			a := s.sender(LAN, 0, &bottleneck{rate: 200 * mbit, packets: 64}, ms...)
			s.run(second)
			w := a.stretch()
			s.run(11 * second)
			used, lost := w.path()
			t.Logf("random %.0f %%: used %.1f %%, lost to the queue %.2f %%", 100*loss, 100*used, 100*lost)
			if used < 0.9 || lost > 0.02 {
				t.Error("want 90 % used and at most 2 % lost")
			}
		})
	}
}

func TestLAN_BottleneckOfAnySize(t *testing.T) {
	for _, mb := range []float64{20, 90, 600, 2000} {
		s := newRateSim(t, 3)
		packets := max(64, int(mb*mbit*0.002/simPacket)) // 2 ms
		a := s.sender(LAN, 0, &bottleneck{rate: mb * mbit, packets: packets}, lanMembers(3)...)
		s.run(2 * second)
		w := a.stretch()
		s.run(12 * second)
		used, lost := w.path()
		t.Logf("%.0f Mbit/s: used %.1f %%, lost %.2f %%", mb, 100*used, 100*lost)
		if used < 0.9 || lost > 0.05 {
			t.Error("want 90 % used and at most 5 % lost")
		}
	}
}

func TestLAN_BottleneckComesAndGoes(t *testing.T) {
	for _, loss := range []float64{0, 0.05} {
		rateSeeds(t, 2, func(t *testing.T, seed uint64) {
			s := newRateSim(t, seed)
			q := &bottleneck{packets: 64}
			ms := lanMembers(3)
			for _, m := range ms {
				m.loss = loss
			}
			a := s.sender(LAN, 0, q, ms...)
			s.run(second)
			before := a.stretch()
			s.run(3 * second)
			free := before.goodput()
			q.rate = 200 * mbit
			s.run(4 * second)
			there := a.stretch()
			s.run(8 * second)
			used, lost := there.path()
			q.rate = 0
			s.run(10 * second)
			after := a.stretch()
			s.run(12 * second)
			t.Logf("free %.0f Mbit/s; with it used %.1f %%, lost %.2f %%; 2 s after it %.0f", free, 100*used, 100*lost, after.goodput())
			if used < 0.9 || lost > 0.02 {
				t.Error("want it found within 1 s")
			}
			if after.goodput() < 0.95*free {
				t.Error("want it forgotten within 2 s")
			}
		})
	}
}

// without compares a story under the law with the same story without any. A law
// that was no limit all the time has cost nothing: what differs then is chance.
func without(t *testing.T, seed uint64, from, to moment, build func(s *rateSim, kind RateLaw) *rateSender) (ratio float64) {
	t.Helper()
	var heard [2]float64
	limited := false
	for i, kind := range []RateLaw{Fixed, LAN} {
		s := newRateSim(t, seed)
		a := build(s, kind)
		each := a.each
		a.each = func() {
			limited = limited || s.at >= from && a.law.rate() != 0
			if each != nil {
				each()
			}
		}
		s.run(from)
		w := a.stretch()
		s.run(to)
		heard[i] = w.goodput()
	}
	t.Logf("%.0f Mbit/s without a law, %.0f with it, limited %v", heard[0], heard[1], limited)
	if !limited {
		return 1
	}
	return heard[1] / heard[0]
}

func TestLAN_CreditIsTheClockWhateverTheRandomLoss(t *testing.T) {
	for _, room := range []uint64{60, 1000} {
		for _, loss := range []float64{0, 0.01, 0.05, 0.1} {
			ratio := without(t, 5, 200*time.Millisecond, 1200*time.Millisecond, func(s *rateSim, kind RateLaw) *rateSender {
				ms := lanMembers(3)
				for _, m := range ms {
					m.loss, m.room = loss, room
				}
				return s.sender(kind, 0, nil, ms...)
			})
			if ratio < 0.95 {
				t.Errorf("room %d, loss %.2f: %.3f of the goodput", room, loss, ratio)
			}
		}
	}
}

// The machine of the benchmark: readers wait for a core for milliseconds, so
// round trips jump by a hundred times.
func TestLAN_BusyCoresAreNoBottleneck(t *testing.T) {
	for _, loss := range []float64{0, 0.05} {
		rateSeeds(t, 2, func(t *testing.T, seed uint64) {
			ratio := without(t, seed, 300*time.Millisecond, 3*second, func(s *rateSim, kind RateLaw) *rateSender {
				ms := lanMembers(3)
				for _, m := range ms {
					m.loss, m.stall, m.stallFor = loss, 0.01, 20*time.Millisecond
				}
				return s.sender(kind, 0, nil, ms...)
			})
			if ratio < 0.95 {
				t.Errorf("%.3f of the goodput", ratio)
			}
		})
	}
}

// Decision: a lost super-packet is the normal loss.
func TestLAN_LossOfWholeBatchesIsNoBottleneck(t *testing.T) {
	for _, batch := range []float64{0.005, 0.02} {
		rateSeeds(t, 2, func(t *testing.T, seed uint64) {
			ratio := without(t, seed, 200*time.Millisecond, 4*second, func(s *rateSim, kind RateLaw) *rateSender {
				ms := lanMembers(3)
				for _, m := range ms {
					m.batch = batch
				}
				return s.sender(kind, 0, nil, ms...)
			})
			if ratio < 0.95 {
				t.Errorf("batches lost %.3f: %.3f of the goodput", batch, ratio)
			}
		})
	}
}

func TestLAN_LossThatRisesForAnotherReasonCostsAFewTests(t *testing.T) {
	rateSeeds(t, 2, func(t *testing.T, seed uint64) {
		tests, last := 0, lanFree
		ratio := without(t, seed, 200*time.Millisecond, 10*second, func(s *rateSim, kind RateLaw) *rateSender {
			ms := lanMembers(3)
			s.when(second, func() { ms[0].loss, ms[1].loss = 0.1, 0.05 })
			a := s.sender(kind, 0, nil, ms...)
			a.each = func() {
				if mode := a.law.lan.mode; mode != last {
					if last = mode; mode == lanTest {
						tests++
					}
				}
			}
			return a
		})
		t.Logf("%d tests", tests)
		if ratio < 0.95 || tests == 0 || tests > 12 {
			t.Errorf("%.3f of the goodput, want 0.95 and one to 12 tests", ratio)
		}
	})
}

func TestLAN_OneBadCableDoesNotSinkTheGroup(t *testing.T) {
	rateSeeds(t, 2, func(t *testing.T, seed uint64) {
		var law *rateLaw
		told := 0
		ratio := without(t, seed, 500*time.Millisecond, 5*second, func(s *rateSim, kind RateLaw) *rateSender {
			ms := lanMembers(4)
			ms[2].loss = 0.3
			a := s.sender(kind, 0, nil, ms...)
			law = &a.law
			a.each = func() {
				if i, ok := law.heavy(); ok {
					told++
					if i != 2 {
						t.Errorf("member %d loses nothing", i)
					}
				}
			}
			return a
		})
		if ratio < 0.95 {
			t.Errorf("%.3f of the goodput", ratio)
		}
		if told != 1 {
			t.Errorf("told %d times of the member that loses 30 %%, want once", told)
		}
	})
}

func TestLAN_OneSlowLinkIsObeyedUntilItsMemberGoes(t *testing.T) {
	s := newRateSim(t, 9)
	ms := lanMembers(3)
	ms[1].link = &bottleneck{rate: 100 * mbit, packets: 64}
	a := s.sender(LAN, 0, nil, ms...)
	s.run(second)
	w, tails, sent := a.stretch(), ms[1].link.tailed, a.next
	s.run(6 * second)
	lost := float64(ms[1].link.tailed-tails) / float64(a.next-sent)
	t.Logf("%.1f Mbit/s, lost at the link %.2f %%", w.goodput(), 100*lost)
	if w.goodput() < 90 || lost > 0.02 {
		t.Error("want 90 % of the slow link, at most 2 % lost")
	}
	a.leaves(1)
	s.run(8 * second)
	if r := a.law.rate(); r != 0 {
		t.Errorf("rate %d 2 s after the slow member went, want none", r)
	}
}

func TestLAN_WhatHostsDropIsTheirOwn(t *testing.T) {
	ratio := without(t, 4, 200*time.Millisecond, 3*second, func(s *rateSim, kind RateLaw) *rateSender {
		ms := lanMembers(3)
		s.when(second, func() { ms[0].host, ms[1].host = 0.4, 0.1 })
		a := s.sender(kind, 0, nil, ms...)
		a.each = func() {
			if kind == LAN && s.at > 200*time.Millisecond && a.law.rate() != 0 {
				t.Fatalf("%v: rate %d", s.at, a.law.rate())
			}
		}
		return a
	})
	if ratio < 0.99 {
		t.Errorf("%.3f of the goodput", ratio)
	}
}

func TestLAN_SilentMembersAreNotWaitedFor(t *testing.T) {
	s := newRateSim(t, 6)
	ms := lanMembers(4)
	ms[3].silent = true
	s.when(2*second, func() { ms[2].silent = true })
	a := s.sender(LAN, 0, &bottleneck{rate: 200 * mbit, packets: 64}, ms...)
	s.run(4 * second)
	w := a.stretch()
	s.run(10 * second)
	if used, lost := w.path(); used < 0.9 || lost > 0.02 {
		t.Errorf("used %.3f, lost %.3f", used, lost)
	}
	for _, m := range ms {
		m.silent = true
	}
	s.run(12 * second)
	if r := a.law.rate(); r == 0 || float64(r) > 250*mbit {
		t.Errorf("rate %d: nobody speaks, so nothing was learned", r)
	}
}

func TestLAN_UnheardStartStaysSlow(t *testing.T) {
	s := newRateSim(t, 6)
	ms := lanMembers(2)
	ms[0].silent, ms[1].silent = true, true
	a := s.sender(LAN, 0, nil, ms...)
	s.run(2 * second)
	if r := float64(a.law.rate()); r != 8*lanFirst {
		t.Errorf("rate %.0f, want three doublings", r)
	}
}

func TestLAN_SlowApplicationEndsWithoutLimit(t *testing.T) {
	s := newRateSim(t, 8)
	a := s.sender(LAN, 0, nil, lanMembers(3)...)
	a.app = 20 * mbit
	s.run(second)
	if r := a.law.rate(); r != 0 {
		t.Errorf("rate %d after a second", r)
	}
}

func TestLAN_RateHasAFloorAndACeiling(t *testing.T) {
	s := newRateSim(t, 2)
	ms := lanMembers(2)
	ms[0].room, ms[1].room = 300, 300
	a := s.sender(LAN, int64(50*mbit), &bottleneck{rate: 0.3 * mbit, packets: 16}, ms...)
	low, high, told := int64(1<<62), int64(0), 0
	a.each = func() {
		low, high = min(low, a.law.rate()), max(high, a.law.rate())
		if _, ok := a.law.heavy(); ok {
			told++
		}
	}
	s.run(30 * second)
	t.Logf("rate %d to %d, told %d times", low, high, told)
	if low != lanFloor || high != int64(50*mbit) || told == 0 {
		t.Error("want the floor of 1 Mbit/s, the ceiling as configured, and the loss told")
	}
}

func TestRateLaw_AllocatesNothing(t *testing.T) {
	for _, kind := range []RateLaw{LAN, TFMCC, Fixed} {
		var r rateLaw
		r.init(kind, 0, simPacket)
		at := moment(0)
		step := func() {
			at += 7 * time.Millisecond
			r.advance(at)
			r.sent(at, 45*simPacket)
			for i := range 3 {
				r.report(at, i, 45, 45-uint64(at/second)%7, 0, time.Millisecond)
			}
			r.blocked()
			if r.rate() < 0 {
				t.Fatal("negative")
			}
		}
		step()
		if n := testing.AllocsPerRun(5000, step); n != 0 {
			t.Errorf("%v: %v allocations", kind, n)
		}
	}
}
