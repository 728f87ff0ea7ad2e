package flow

import (
	"flag"
	"fmt"
	"testing"
	"time"
)

var seeds = flag.Int("seeds", 0, "seeds a scenario; 0: each scenario's own number")

var reliable = []Class{Reliable}

// play runs a scenario over its seeds.
func play(t *testing.T, n int, sc scenario) {
	t.Helper()
	if *seeds > 0 {
		n = *seeds
	}
	for seed := range n {
		t.Run(fmt.Sprintf("%s/seed=%d", sc.name, seed+1), func(t *testing.T) {
			c := sc
			w := newWorld(t, &c, uint64(seed+1))
			w.run()
			if sc.after != nil {
				sc.after(t, w)
			}
		})
	}
}

func TestS1_WithoutLossNobodyAsks(t *testing.T) {
	for _, n := range []int{1, 2, 8, 32, 200} {
		messages := 2000
		if n > 8 {
			messages = 200
		}
		play(t, 4, scenario{name: fmt.Sprintf("n=%d", n), leaves: n, streams: reliable, messages: messages, size: 2000, gapless: true,
			alone: true, after: func(t *testing.T, w *world) {
				if s := w.s.Stats(); s.Naks != 0 || s.AgainGroup+s.AgainAlone != 0 || w.hostDrops != 0 {
					t.Fatalf("%+v, host drops %d", s, w.hostDrops)
				}
			}})
	}
}

func TestS2_IndependentLossIsRepaired(t *testing.T) {
	for _, loss := range []float64{0.001, 0.01, 0.05, 0.1, 0.2} {
		for _, n := range []int{1, 3, 8} {
			for _, alone := range []bool{false, true} {
				play(t, 3, scenario{name: fmt.Sprintf("loss=%v/n=%d/alone=%v", loss, n, alone), leaves: n, streams: reliable,
					messages: 6000 / (n + 3), size: 3000, loss: bernoulli(loss), alone: alone, gapless: true,
					after: func(t *testing.T, w *world) {
						s := w.s.Stats()
						sent := float64(s.Data+s.AgainGroup+s.AgainAlone) / float64(s.Data)
						if most := 1 + float64(n)*loss/(1-loss)*1.15 + 0.05; sent > most {
							t.Fatalf("sent %.3f packets per packet, at most %.3f", sent, most)
						}
					}})
			}
		}
	}
}

func TestS3_SharedLossIsRepairedOnce(t *testing.T) {
	for _, n := range []int{2, 4, 16} {
		play(t, 6, scenario{name: fmt.Sprintf("5%%/n=%d", n), leaves: n, streams: reliable, messages: 800, size: 3000, shared: 0.05,
			jitter: 20 * time.Microsecond, alone: true, gapless: true, after: func(t *testing.T, w *world) {
				s := w.s.Stats()
				if sent := float64(s.Data+s.AgainGroup+s.AgainAlone) / float64(s.Data); sent > 1.12 {
					t.Fatalf("sent %.3f packets per packet: %+v", sent, s)
				}
			}})
	}
}
