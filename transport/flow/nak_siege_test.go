package flow

import (
	"testing"
	"time"
)

// greed is a member that asks for all of the last 400 symbols, 20,000 times a
// second, and claims to have heard everything up to now, so that nothing it asks
// for may be put off.
type greed struct {
	asked, taken int
	from, to     time.Duration
}

func (g *greed) script(w *world) {
	l := w.leaves[0]
	var ask func()
	ask = func() {
		st := &w.s.streams[0]
		if w.left == 0 && !w.s.queued() {
			return
		}
		if n := min(st.sent-st.oldest, 400); n > 0 && w.lastStamp > 0 {
			f := appendNak(nil, &nak{echoed: true, echo: uint32(w.lastStamp), base: st.sent - n, ranges: appendNakRange(nil, 0, n)})
			w.noteFeedback(l, f)
			if g.asked++; g.taken == 0 {
				g.from = w.at
			}
			if w.s.Handle(w.now(), l.id, f) == DropNone {
				g.taken++
				g.to = w.at
			}
			w.pumpSender()
		}
		w.after(50*time.Microsecond, ask)
	}
	w.after(10*time.Millisecond, ask)
}

// busiest keeps the largest share of bytes that went for repairs, over all that
// was sent so far, while there was new data to send.
func busiest(share *float64) func(w *world) {
	return func(w *world) {
		var look func()
		look = func() {
			if s := w.s.Stats(); w.left > 0 || w.s.queued() {
				if w.at > 200*time.Millisecond && s.WireBytes > 0 {
					*share = max(*share, float64(s.RepairBytes)/float64(s.WireBytes))
				}
				w.after(time.Millisecond, look)
			}
		}
		w.after(0, look)
	}
}

// One of 20 leaves asks for everything, all the time. Repairs take a quarter of
// the bytes at most, 200 of its NAKs a second are looked at, and what the others
// get, they get in time: a third less speed is the price, a quarter for the repairs
// and the rest for what these hold up. (Without the limits it takes four times as long.)
func TestM3_WhoAsksForEverythingGetsAQuarter(t *testing.T) {
	var took [2]time.Duration
	for attack := range 2 {
		g, share := &greed{}, 0.0
		name := []string{"in peace", "under attack"}[attack]
		play(t, 1, scenario{name: name, leaves: 20, streams: reliable, messages: 3000, size: 8000, rate: 4 << 20, gapless: true,
			script: func(w *world) {
				*g, share = greed{}, 0 // of this seed
				busiest(&share)(w)
				if attack == 1 {
					g.script(w)
				}
			},
			after: func(t *testing.T, w *world) {
				s := w.s.Stats()
				took[attack] = w.lastSent
				if attack == 0 {
					if s.RepairBytes != 0 {
						t.Errorf("%d bytes of repairs without loss", s.RepairBytes)
					}
					return
				}
				t.Logf("%d NAKs, %d taken in %v; repairs take %.1f %%", g.asked, g.taken, g.to-g.from, 100*share)
				if most := 200*(g.to-g.from).Seconds() + nakBurst + 2; float64(g.taken) > most || g.taken < 200 {
					t.Errorf("%d of %d NAKs taken in %v, at most %.0f", g.taken, g.asked, g.to-g.from, most)
				}
				if got := s.Drops[DropRate]; got != uint64(g.asked-g.taken) {
					t.Errorf("%d NAKs were not looked at, %d counted", g.asked-g.taken, got)
				}
				if share > 0.26 || s.RepairBytes == 0 { // a batch may go over
					t.Errorf("repairs take %.1f %% of the bytes", 100*share)
				}
			}})
	}
	if took[1] > took[0]*8/5 || took[1] == 0 {
		t.Errorf("all is sent after %v, %v without the attack", took[1], took[0])
	}
}

// A loss before the switch makes 200 leaves ask for the same: one repair serves
// all, and no more than 4,000 NAKs a second are looked at.
func TestM3_AnImplosionOfNaksIsServedByFewRepairs(t *testing.T) {
	share := 0.0
	play(t, 2, scenario{name: "200 leaves", leaves: 200, streams: reliable, messages: 600, size: 8000, rate: 4 << 20, shared: 0.05, crowd: true, gapless: true,
		script: busiest(&share),
		after: func(t *testing.T, w *world) {
			s := w.s.Stats()
			lost := float64(s.Data) * 0.05
			again := float64(s.AgainGroup + s.AgainAlone + s.Rows)
			t.Logf("%d symbols, %d NAKs from 200 leaves, %.0f repairs, %.1f %% of the bytes", s.Data, s.Naks, again, 100*share)
			if again > 2*lost+16 || again < lost/2 {
				t.Errorf("%.0f repairs for %.0f losses", again, lost)
			}
			if share > 0.26 {
				t.Errorf("repairs take %.1f %% of the bytes", 100*share)
			}
			if most := naksInAll*w.at.Seconds() + 8*nakBurst; float64(s.Naks) > most || s.Naks == 0 {
				t.Errorf("%d NAKs in %v", s.Naks, w.at)
			}
		}})
}
