package flow

import (
	"math"
	"testing"
	"time"
)

func farMembers(n int, rtt moment) []*rateMember {
	return members(n, rateMember{rtt: rtt, room: 2000, cost: 2000})
}

// Worked by hand from RFC 5348 3.1.
func TestTFMCC_EquationAndItsInverse(t *testing.T) {
	for _, c := range []struct{ s, r, p, want float64 }{
		{1460, 0.1, 0.01, 164_000},
		{1460, 0.1, 0.0001, 1_786_700},
		{1000, 0.05, 0.1, 35_402},
		{1000, 0.2, 1, 20.57},
	} {
		if x := throughput(c.s, c.r, c.p); math.Abs(x/c.want-1) > 0.005 {
			t.Errorf("s %v R %v p %v: %.2f bytes/s, want %.2f", c.s, c.r, c.p, x, c.want)
		}
		if p := lossRate(c.s, c.r, throughput(c.s, c.r, c.p)); math.Abs(p/c.p-1) > 0.01 {
			t.Errorf("p %v came back as %v", c.p, p)
		}
	}
}

func TestTFMCC_LossEventRateIsTheWeightedMeanOfEightIntervals(t *testing.T) {
	var m tfmccMember
	for _, v := range []float64{1e9, 10, 20, 30, 40, 50, 60, 70, 80} { // the first falls out
		m.push(v)
	}
	closed := (80 + 70 + 60 + 50 + 0.8*40 + 0.6*30 + 0.4*20 + 0.2*10) / 6
	if p := m.lossEvents(); math.Abs(p*closed-1) > 1e-9 {
		t.Errorf("p %v, want 1/%v", p, closed)
	}
	m.open = 1000 // a long time without loss counts
	open := (1000 + 80 + 70 + 60 + 0.8*50 + 0.6*40 + 0.4*30 + 0.2*20) / 6
	if p := m.lossEvents(); math.Abs(p*open-1) > 1e-9 {
		t.Errorf("p %v, want 1/%v", p, open)
	}
}

func TestTFMCC_LossesWithinARoundTripAreOneEvent(t *testing.T) {
	var l tfmccRate
	l.init(simPacket)
	const r = 100 * time.Millisecond
	l.report(r, 0, 100, 100, r)
	l.report(2*r, 0, 100, 90, r) // ten packets of one round trip
	m := &l.members[0]
	if m.events != 1 {
		t.Fatalf("%d events, want 1", m.events)
	}
	l.report(2*r+r/2, 0, 50, 45, r)
	if m.events != 1 {
		t.Errorf("%d events, want 1: it is the same round trip", m.events)
	}
	l.report(5*r+r/2, 0, 300, 290, r) // ten packets of three
	if m.events != 4 {
		t.Errorf("%d events, want 3 more", m.events)
	}
}

func TestTFMCC_FillsABottleneckAndHardlyOverflowsIt(t *testing.T) {
	for _, rtt := range []moment{5 * time.Millisecond, 40 * time.Millisecond, 150 * time.Millisecond} {
		rateSeeds(t, 2, func(t *testing.T, seed uint64) {
			s := newRateSim(t, seed)
			a := s.sender(TFMCC, 0, &bottleneck{rate: 20 * mbit, packets: 64}, farMembers(3, rtt)...)
			s.run(20 * second)
			w := a.stretch()
			s.run(60 * second)
			used, lost := w.path()
			t.Logf("round trip %v: used %.1f %%, lost %.2f %%", rtt, 100*used, 100*lost)
			if used < 0.6 || rtt < 100*time.Millisecond && used < 0.8 || lost > 0.01 {
				t.Error("want 80 % used (60 % over a long way), at most 1 % lost")
			}
		})
	}
}

func TestTFMCC_RandomLossGivesWhatTheEquationSays(t *testing.T) {
	rateSeeds(t, 2, func(t *testing.T, seed uint64) {
		const r = 40 * time.Millisecond
		s := newRateSim(t, seed)
		ms := farMembers(1, r)
		ms[0].loss = 0.02
		a := s.sender(TFMCC, 0, nil, ms...)
		s.run(10 * second)
		w := a.stretch()
		s.run(90 * second)
		got, want := w.share()*mbit, throughput(simPacket, r.Seconds(), 0.02)
		t.Logf("%.0f bytes/s, the equation says %.0f", got, want)
		if got < want/2 || got > want*1.5 {
			t.Error("want it within a half")
		}
	})
}

func TestTFMCC_TwoSendersShareABottleneck(t *testing.T) {
	rateSeeds(t, 2, func(t *testing.T, seed uint64) {
		s := newRateSim(t, seed)
		q := &bottleneck{rate: 20 * mbit, packets: 64}
		a := s.sender(TFMCC, 0, q, farMembers(2, 40*time.Millisecond)...)
		s.run(5 * second)
		b := s.sender(TFMCC, 0, q, farMembers(2, 40*time.Millisecond)...)
		s.run(30 * second)
		wa, wb := a.stretch(), b.stretch()
		s.run(90 * second)
		used, lost := wa.path()
		t.Logf("%.1f and %.1f Mbit/s, used %.1f %%, lost %.2f %%", wa.share(), wb.share(), 100*used, 100*lost)
		if x := wa.share() / (wa.share() + wb.share()); x < 0.3 || x > 0.7 || used < 0.8 {
			t.Error("want 30 % for each and 80 % used")
		}
	})
}

func TestTFMCC_WorstMemberLimitsAndItsLeavingIsNoJump(t *testing.T) {
	s := newRateSim(t, 4)
	ms := farMembers(3, 40*time.Millisecond)
	ms[1].loss = 0.05
	ms[2].loss = 0.001
	a := s.sender(TFMCC, 0, nil, ms...)
	s.run(20 * second)
	if a.law.tfmcc.clr != 1 {
		t.Fatalf("member %d limits, want 1", a.law.tfmcc.clr)
	}
	before := float64(a.law.rate())
	a.leaves(1)
	s.run(20*second + 200*time.Millisecond)
	soon := float64(a.law.rate())
	s.run(40 * second)
	later := float64(a.law.rate())
	t.Logf("%.0f bytes/s, 200 ms later %.0f, 20 s later %.0f", before, soon, later)
	if a.law.tfmcc.clr != 2 {
		t.Errorf("member %d limits, want 2", a.law.tfmcc.clr)
	}
	trip := simPacket / 0.04
	if soon > before+6*trip {
		t.Error("want at most a packet more in each round trip")
	}
	if later < 2*before {
		t.Error("want the rate of the next worst")
	}
}

func TestTFMCC_NeverAboveTwiceWhatArrives(t *testing.T) {
	rateSeeds(t, 2, func(t *testing.T, seed uint64) {
		const r = 30 * time.Millisecond
		s := newRateSim(t, seed)
		q := &bottleneck{rate: 10 * mbit, packets: 4000} // no loss for seconds
		ms := farMembers(2, r)
		ms[0].room, ms[1].room = 50_000, 50_000
		a := s.sender(TFMCC, 0, q, ms...)
		s.when(10*second, func() { q.rate = 2 * mbit })
		s.when(20*second, func() { q.rate = 30 * mbit })
		// The most that came in any 100 ms of the last 2 s.
		var marks [21]float64
		best := 0.0
		var tick func()
		tick = func() {
			copy(marks[1:], marks[:])
			marks[0], best = a.least(), 0
			for i := range 20 {
				best = max(best, (marks[i]-marks[i+1])/0.1)
			}
			if s.at > 2*second && float64(a.law.rate()) > 2.2*best {
				t.Fatalf("%v: rate %d, but %.0f bytes/s arrived", s.at, a.law.rate(), best)
			}
			s.when(s.at+100*time.Millisecond, tick)
		}
		s.when(0, tick)
		s.run(40 * second)
	})
}

func TestTFMCC_SilenceHalvesTheRateDownToTheFloor(t *testing.T) {
	s := newRateSim(t, 1)
	ms := farMembers(2, 20*time.Millisecond)
	a := s.sender(TFMCC, 0, &bottleneck{rate: 20 * mbit, packets: 64}, ms...)
	s.run(10 * second)
	before := a.law.rate()
	ms[0].silent, ms[1].silent = true, true
	s.run(11500 * time.Millisecond)
	if r := a.law.rate(); r > before/4 {
		t.Errorf("rate %d after 1.5 s of silence, was %d", r, before)
	}
	s.run(60 * second)
	if r := a.law.rate(); r != int64(tfmccFloor*simPacket) {
		t.Errorf("rate %d, want the floor", r)
	}
}

func TestTFMCC_SlowApplicationLearnsNothing(t *testing.T) {
	s := newRateSim(t, 1)
	a := s.sender(TFMCC, 0, nil, farMembers(2, 20*time.Millisecond)...)
	a.app = 1 * mbit
	s.run(20 * second)
	if r := float64(a.law.rate()); r > 4*a.app || r < a.app {
		t.Errorf("rate %.0f while the application writes %.0f bytes/s", r, a.app)
	}
}
