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
				s := w.s.Stats()
				if s.Naks != 0 || s.AgainGroup+s.AgainAlone != 0 || w.hostDrops != 0 {
					t.Fatalf("%+v, host drops %d", s, w.hostDrops)
				}
				// No more than 4,000 STATUS a second in a large group, after one from each.
				if most := uint64(w.at.Seconds()*1.2*naksInAll) + 3*uint64(n); n > fewLeaves && s.Taken > most {
					t.Fatalf("%d STATUS from %d leaves in %v", s.Taken, n, w.at)
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

var mixed = []Class{Reliable, BestEffort, Reliable}

func TestS4_BurstsAreRepairedAndEnd(t *testing.T) {
	for name, loss := range map[string]func(*world, *leaf, bool) bool{
		"0.5%": gilbert(0.001, 0.1, 0.5), "5%": gilbert(0.01, 0.1, 0.55),
	} {
		for _, n := range []int{1, 3, 12} {
			play(t, 6, scenario{name: fmt.Sprintf("%s/n=%d", name, n), leaves: n, streams: mixed, messages: 6000 / (n + 2), size: 3000,
				loss: loss, alone: n != 1, stop: 40 * time.Millisecond, gapless: true, gap: 20 * time.Microsecond, after: promptly})
		}
	}
	play(t, 10, scenario{name: "batches", leaves: 4, streams: mixed, messages: 1500, size: 3000, batch: 0.02, alone: true, gapless: true})
}

// promptly is I4: once loss stops everything owed arrives soon.
func promptly(t *testing.T, w *world) {
	if late := w.lastRead - max(w.lostAt, w.sc.stop); w.sc.gap == 0 && late > 20*w.s.grtt+time.Second {
		t.Fatalf("the last message was read %v after the last loss", late)
	}
}

func TestS6_DisorderAndDuplicatesAreHarmless(t *testing.T) {
	once := func(t *testing.T, w *world) {
		for _, l := range w.leaves {
			if s := l.r.Stats(); s.Host != 0 {
				t.Fatalf("%+v", s)
			}
		}
	}
	for name, sc := range map[string]scenario{
		"reorder":   {reorder: 0.01},
		"duplicate": {dup: 0.05},
		"both":      {reorder: 0.01, dup: 0.05, loss: bernoulli(0.01)},
		"jitter":    {jitter: 400 * time.Microsecond},
	} {
		sc.name, sc.leaves, sc.streams, sc.messages, sc.size, sc.gapless, sc.alone = name, 3, mixed, 2000, 2000, true, true
		sc.after = once
		play(t, 8, sc)
	}
}

// Reordering is learned: after a while holes are left alone long enough.
func TestS6_FalseNaksDieOut(t *testing.T) {
	var early, late uint64
	play(t, 4, scenario{name: "all", leaves: 2, streams: reliable, messages: 3000, size: 400, gap: 300 * time.Microsecond, reorder: 0.05,
		gapless: true, script: func(w *world) {
			w.after(200*time.Millisecond, func() { early = w.s.Stats().Naks })
		}, after: func(t *testing.T, w *world) {
			late = w.s.Stats().Naks - early
			if late > 20+early {
				t.Fatalf("%d NAKs in the first 200 ms, %d in the other 700", early, late)
			}
		}})
}

func TestS7_TheLastPacketAndItsRepairAreLost(t *testing.T) {
	for _, class := range []Class{Reliable, BestEffort} {
		// Nothing but the tail is sent: its data is lost twice, and two BEATs.
		play(t, 8, scenario{name: fmt.Sprint(class), leaves: 2, streams: []Class{class}, messages: 40, size: 3000, alone: true,
			gapless: true, loss: func(w *world, l *leaf, isData bool) bool {
				if isData {
					return w.at > 300*time.Microsecond && w.at < 9*time.Millisecond || w.rng.IntN(3) == 0 && w.at < 9*time.Millisecond
				}
				return w.at < 9*time.Millisecond
			}, after: func(t *testing.T, w *world) {
				if w.at > 9*time.Millisecond+beatWaiting+20*w.s.grtt {
					t.Fatalf("took until %v", w.at)
				}
			}})
	}
}

func TestS11_OneWayPartitionEnds(t *testing.T) {
	for _, what := range []string{"all", "NAK", "STATUS"} {
		play(t, 6, scenario{name: what, leaves: 3, streams: mixed, messages: 1500, size: 2000, alone: true, gapless: true,
			loss: bernoulli(0.02), stop: 700 * time.Millisecond, after: promptly,
			deaf: func(w *world, l *leaf) bool { return l.id == 3 && w.at > 2*time.Millisecond && w.deafTo(what) }})
	}
}

func TestS12_PartitionsHeal(t *testing.T) {
	for _, span := range []time.Duration{100 * time.Millisecond, 3 * time.Second, 40 * time.Second} {
		play(t, 5, scenario{name: "reliable/" + span.String(), leaves: 3, streams: mixed, messages: 1500, size: 2000, alone: true,
			gapless: true, loss: cut(3*time.Millisecond, 3*time.Millisecond+span, 3), stop: 3*time.Millisecond + span, after: promptly})
		// Beyond the ring: who is not waited for is told one gap with the exact count.
		play(t, 5, scenario{name: "fastest/" + span.String(), leaves: 3, streams: reliable, messages: 3000, size: 2000, policy: Fastest,
			history: 1, window: 128 << 10, alone: true, gap: 30 * time.Microsecond,
			loss: cut(3*time.Millisecond, 3*time.Millisecond+span, 3), stop: 3*time.Millisecond + span,
			after: func(t *testing.T, w *world) {
				for _, l := range w.leaves {
					if l.id != 3 && l.gaps[0] > 0 {
						t.Fatalf("leaf %d missed %d", l.id, l.gaps[0])
					}
				}
				if w.leaves[1].gaps[0] == 0 {
					t.Fatal("leaf 3 missed nothing: the partition was within the ring")
				}
			}})
	}
}

func TestS13_JoinsAndLeavesWhileDataFlows(t *testing.T) {
	for _, n := range []int{2, 9} {
		play(t, 10, scenario{name: fmt.Sprint("n=", n), leaves: n, streams: mixed, messages: 1500, size: 1500, alone: true, gapless: true,
			gap: 50 * time.Microsecond, loss: bernoulli(0.05), script: func(w *world) {
				var churn func()
				churn = func() {
					if w.left == 0 {
						return
					}
					if len(w.leaves) < 2 || len(w.leaves) < 2*n && w.rng.IntN(2) == 0 {
						w.join()
					} else {
						w.leave(w.leaves[w.rng.IntN(len(w.leaves))])
					}
					w.after(time.Duration(w.rng.Int64N(int64(4*time.Millisecond))), churn)
				}
				w.after(time.Millisecond, churn)
			}})
	}
}

// I13: whatever the socket's size and however it is paused, who obeys the
// limit loses nothing in it.
func TestS24_PausedSocketsDropNothing(t *testing.T) {
	for _, socket := range []int{64, 147, 1000} {
		play(t, 6, scenario{name: fmt.Sprint(socket), leaves: 3, streams: mixed, messages: 3000, size: 3000, socket: socket, gapless: true,
			asleep: func(w *world, l *leaf) time.Duration {
				if w.rng.IntN(50) == 0 {
					return 10 * time.Millisecond
				}
				return 0
			}, after: func(t *testing.T, w *world) {
				if s := w.s.Stats(); w.hostDrops != 0 || s.Naks != 0 {
					t.Fatalf("%d host drops, %+v", w.hostDrops, s)
				}
			}})
	}
}

func TestSlowApplications_HoldTheSenderBack(t *testing.T) {
	play(t, 10, scenario{name: "all", leaves: 3, streams: reliable, messages: 2000, size: 8000, window: 128 << 10, gapless: true, alone: true,
		loss: bernoulli(0.01), slow: func(w *world, l *leaf) time.Duration {
			if w.rng.IntN(20) == 0 {
				return time.Duration(w.rng.Int64N(int64(30 * time.Millisecond)))
			}
			return 0
		}})
}

// A best-effort stream never waits for repairs, nor long for the silent, and
// tells exactly what was missed.
func TestBestEffort_TellsWhatWasMissed(t *testing.T) {
	for _, loss := range []float64{0, 0.05, 0.3} {
		play(t, 8, scenario{name: fmt.Sprint(loss), leaves: 3, streams: []Class{BestEffort}, messages: 2000, size: 3000,
			loss: bernoulli(loss), after: func(t *testing.T, w *world) {
				if s := w.s.Stats(); s.Naks != 0 || s.Wanted != 0 {
					t.Fatalf("%+v", s)
				}
				for _, l := range w.leaves {
					if got := l.gaps[0] > 0; got != (loss > 0) {
						t.Fatalf("leaf %d missed %d", l.id, l.gaps[0])
					}
				}
			}})
	}
}

func TestBestEffort_WaitsForNoSilentMember(t *testing.T) {
	// Leaf 3 neither hears nor speaks for three seconds; leaf 2 hardly notices.
	play(t, 6, scenario{name: "silent", leaves: 2, streams: []Class{BestEffort}, messages: 3000, size: 1000, gap: 200 * time.Microsecond,
		socket: 64, loss: cut(5*time.Millisecond, time.Hour, 3), deaf: func(w *world, l *leaf) bool { return l.id == 3 },
		stop: 3 * time.Second, after: func(t *testing.T, w *world) {
			if l := w.leaves[0]; l.gaps[0] > 0 || l.lastRead > 600*time.Millisecond+quietAfter+100*time.Millisecond {
				t.Fatalf("leaf 2 missed %d and was done at %v", l.gaps[0], l.lastRead)
			}
			if w.s.members[w.s.index[3]].quiet {
				t.Fatal("leaf 3 speaks again and is still not counted")
			}
		}})
}

func TestRate_IsKept(t *testing.T) {
	for _, rate := range []int64{100_000, 2_000_000, 50_000_000, 1_000_000_000} {
		play(t, 5, scenario{name: fmt.Sprint(rate), leaves: 3, streams: mixed, messages: int(min(2000, rate/500)), size: 1500, rate: rate,
			alone: true, loss: bernoulli(0.03), gapless: true})
	}
}

// After a pause the bucket holds one burst and no more.
func TestRate_IsKeptAfterPauses(t *testing.T) {
	play(t, 5, scenario{name: "bursts", leaves: 2, streams: reliable, messages: 60, size: 60_000, gap: 50 * time.Millisecond,
		rate: 5_000_000, window: 256 << 10, gapless: true})
}

func TestFailedWrites_AreMadeGood(t *testing.T) {
	play(t, 10, scenario{name: "all", leaves: 3, streams: mixed, messages: 1500, size: 2000, alone: true, gapless: true,
		loss: bernoulli(0.02), fails: func(w *world, b *Batch) bool { return w.rng.IntN(5) == 0 },
		after: func(t *testing.T, w *world) {
			if s := w.s.Stats(); w.failed == 0 || s.FailedBatches != uint64(w.failed) {
				t.Fatalf("%d failed, %+v", w.failed, s)
			}
		}})
}

// I22: one seed, one trace.
func TestTrace_IsTheSameForOneSeed(t *testing.T) {
	sum := func(seed uint64) uint64 {
		w := newWorld(t, &scenario{leaves: 12, streams: mixed, messages: 500, size: 3000, loss: bernoulli(0.05), jitter: time.Millisecond,
			dup: 0.02, reorder: 0.02}, seed)
		w.run()
		return w.trace.Sum64()
	}
	if a, b := sum(1), sum(1); a != b {
		t.Fatalf("%x, then %x", a, b)
	}
	if sum(1) == sum(2) {
		t.Fatal("two seeds, one trace")
	}
}

// Whatever wraps on the wire wraps in the middle of these runs: microseconds
// and message numbers at 2^32, and sequences pass 2^32, where they do not.
func TestWrap_IsPassedAtBothEnds(t *testing.T) {
	wrap := time.Duration(1<<32) * time.Microsecond
	for _, before := range []time.Duration{time.Millisecond, 5 * time.Millisecond} {
		play(t, 8, scenario{name: before.String(), leaves: 3, streams: mixed, messages: 1500, size: 2000, alone: true, gapless: true,
			loss: bernoulli(0.05), age: wrap - before, first: 1<<32 - 100, base: 1<<32 - 150,
			script: func(w *world) { w.after(4*time.Millisecond, func() { w.join() }) }})
	}
}
