package flow

import (
	"testing"
	"time"
)

func TestLAN_TwoSendersShareABottleneck(t *testing.T) {
	for _, late := range []moment{0, 3 * second} {
		for _, loss := range []float64{0, 0.05} {
			const seeds = 6
			mean := 0.0
			rateSeeds(t, seeds, func(t *testing.T, seed uint64) {
				s := newRateSim(t, seed)
				q := &bottleneck{rate: 200 * mbit, packets: 64}
				first, then := lanMembers(1), lanMembers(1)
				for _, m := range append(first, then...) {
					m.loss = loss
				}
				a := s.sender(LAN, 0, q, first...)
				s.run(late)
				b := s.sender(LAN, 0, q, then...)
				s.run(late + 2*second)
				wa, wb := a.stretch(), b.stretch()
				s.run(late + 12*second)
				used, lost := wa.path()
				x := wa.share() / (wa.share() + wb.share())
				t.Logf("second after %v, random %.0f %%: %.0f and %.0f Mbit/s, used %.1f %%, lost %.2f %%", late, 100*loss,
					wa.share(), wb.share(), 100*used, 100*lost)
				mean += lost / seeds
				if x < 0.3 || x > 0.7 || used < 0.9 || lost > 0.1 {
					t.Error("want 30 % for each, 90 % used, at most 10 % lost")
				}
			})
			if mean > 0.05 {
				t.Errorf("%.1f %% lost on average, want 5 at most", 100*mean)
			}
		}
	}
}

func TestLAN_UnequalSendersBecomeEqual(t *testing.T) {
	rateSeeds(t, 2, func(t *testing.T, seed uint64) {
		s := newRateSim(t, seed)
		q := &bottleneck{rate: 200 * mbit, packets: 64}
		a, b := s.sender(LAN, 0, q, lanMembers(1)...), s.sender(LAN, 0, q, lanMembers(1)...)
		s.run(3 * second)
		a.law.lan.rate, b.law.lan.rate = 165*mbit, 15*mbit
		s.run(13 * second)
		wa, wb := a.stretch(), b.stretch()
		s.run(18 * second)
		t.Logf("165 and 15 Mbit/s became %.0f and %.0f", wa.share(), wb.share())
		if x := wa.share() / (wa.share() + wb.share()); x < 0.3 || x > 0.7 {
			t.Error("want 30 % for each after 10 s")
		}
	})
}

// Who comes to a bottleneck that others fill must not take the loss that it
// makes there for the usual loss of its members.
func TestLAN_NewcomerYieldsToWhoDoesNot(t *testing.T) {
	for _, loss := range []float64{0, 0.05} {
		s := newRateSim(t, 7)
		q := &bottleneck{rate: 200 * mbit, packets: 64}
		first, then := lanMembers(1), lanMembers(1)
		first[0].loss, then[0].loss = loss, loss
		a := s.sender(Fixed, int64(150*mbit), q, first...)
		s.run(second)
		b := s.sender(LAN, 0, q, then...)
		s.run(3 * second)
		wa, wb := a.stretch(), b.stretch()
		s.run(8 * second)
		_, lost := wa.path()
		t.Logf("%.0f Mbit/s that yield to nobody, newcomer %.0f, lost %.2f %%", wa.share(), wb.share(), 100*lost)
		if lost > 0.07 || wb.share() < 35 {
			t.Error("want most of what is free, at most 7 % lost")
		}
	}
}

// Who was pressed to next to nothing takes what others leave soon after they went.
func TestLAN_TakesWhatOthersLeave(t *testing.T) {
	rateSeeds(t, 4, func(t *testing.T, seed uint64) {
		s := newRateSim(t, seed)
		b := s.sender(LAN, 0, &bottleneck{rate: 200 * mbit, packets: 64}, lanMembers(1)...)
		for s.at < 5*second && b.law.lan.mode != lanFound {
			s.run(s.at + 10*time.Millisecond)
		}
		l := &b.law.lan
		l.rate, l.top, l.step, l.met = 5*mbit, 200*mbit, 0, s.at
		s.run(s.at + 2*second)
		w := b.stretch()
		s.run(s.at + second)
		if t.Logf("from 5 Mbit/s to %.0f in two seconds", w.share()); w.share() < 120 {
			t.Error("want more than half of the 200")
		}
	})
}

// A member may report anything; handleStatus has checked none of it.
func TestRateLaw_BearsAnyReport(t *testing.T) {
	for _, kind := range []RateLaw{LAN, TFMCC, Fixed} {
		rateSeeds(t, 20, func(t *testing.T, seed uint64) {
			s := newRateSim(t, seed)
			var r rateLaw
			r.init(kind, 0, simPacket)
			wild := func() uint64 { return s.rng.Uint64() >> s.rng.IntN(64) }
			at := moment(0)
			for range 3000 {
				at += moment(s.rng.IntN(1 << (10 + s.rng.IntN(20))))
				switch i := s.rng.IntN(5); s.rng.IntN(6) {
				case 0:
					r.gone(i)
				case 1, 2:
					r.sent(at, 45*simPacket)
				case 3:
					r.blocked()
				default:
					r.report(at, i, wild()>>32, wild()>>32, wild()>>32, moment(wild()>>30))
				}
				r.advance(at)
				least := int64(lanFloor)
				if kind == TFMCC {
					least = int64(tfmccFloor * simPacket)
				}
				if x := r.rate(); x != 0 && x < least || x > 2*largestRate || x < 0 || kind == TFMCC && x == 0 {
					t.Fatalf("rate %d", x)
				}
			}
		})
	}
}
