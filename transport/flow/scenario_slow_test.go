package flow

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// count gives how often each kind of event came, and keeps the members.
func (w *world) eventsOf(kind EventKind) (who []Member) {
	for {
		e, ok := w.s.Event()
		if !ok {
			break
		}
		w.seen = append(w.seen, e)
	}
	for _, e := range w.seen {
		if e.Kind == kind {
			who = append(who, e.Member)
		}
	}
	return who
}

// I15, S8: one of several leaves loses far more than the others. It is told,
// not waited for, and gets each message or its loss; the others go on.
func TestS8_ACrybabyIsQuarantined(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 4, 12} {
		fair := map[bool]time.Duration{}
		for _, sick := range []bool{false, true} {
			play(t, 3, scenario{name: fmt.Sprintf("n=%d/sick=%v", n, sick), leaves: n, streams: reliable, messages: 40_000, size: 2000, symbol: 1392,
				rate: 8_000_000, alone: true, window: 1 << 20, history: 1, limit: 200 * time.Second,
				loss: func(w *world, l *leaf, _ bool) bool { return sick && l.id == 3 && w.rng.Float64() < 0.3 },
				after: func(t *testing.T, w *world) {
					others := time.Duration(0)
					for _, l := range w.leaves {
						if l.id == 3 {
							continue
						}
						if l.gaps[0] > 0 {
							t.Fatalf("leaf %d missed %d", l.id, l.gaps[0])
						}
						others = max(others, l.lastRead)
					}
					if !sick {
						fair[sick] = others
						return
					}
					if who := w.eventsOf(MemberQuarantined); !slices.Equal(who, []Member{3}) {
						t.Fatalf("quarantined %v", who)
					}
					if float64(others) > float64(fair[false])/0.9 {
						t.Fatalf("the others were done at %v, %v without the crybaby", others, fair[false])
					}
				}})
		}
	}
}

// S9: a reader at a tenth of the others' speed, which then stops, then heals.
func TestS9_AStalledReaderIsQuarantinedAndReturns(t *testing.T) {
	t.Parallel()
	play(t, 4, scenario{name: "stall", leaves: 3, streams: reliable, messages: 40_000, size: 2000, symbol: 1392, rate: 3_000_000, alone: true,
		window: 256 << 10, history: 1, gap: 300 * time.Microsecond, slow: func(w *world, l *leaf) time.Duration {
			if l.id == 3 && w.at > time.Second && w.at < 4*time.Second {
				return 4*time.Second - w.at
			}
			return 0
		}, after: func(t *testing.T, w *world) {
			if who := w.eventsOf(MemberQuarantined); !slices.Equal(who, []Member{3}) {
				t.Fatalf("quarantined %v", who)
			}
			if who := w.eventsOf(MemberReturned); !slices.Equal(who, []Member{3}) {
				t.Fatalf("returned %v at %v: %+v", who, w.at, w.s.members[1])
			}
			for _, l := range w.leaves {
				if (l.gaps[0] > 0) != (l.id == 3) {
					t.Fatalf("leaf %d missed %d", l.id, l.gaps[0])
				}
			}
		}})
}

// A member that never keeps up is overdue after a minute, once.
func TestQuarantine_EndsInACallToExpel(t *testing.T) {
	t.Parallel()
	play(t, 2, scenario{name: "overdue", leaves: 2, streams: reliable, messages: 90_000, size: 200, rate: 1_000_000, gap: time.Millisecond,
		window: 128 << 10, history: 1, alone: true, slow: func(w *world, l *leaf) time.Duration {
			if l.id == 3 && w.at < 80*time.Second {
				return 80*time.Second - w.at
			}
			return 0
		}, after: func(t *testing.T, w *world) {
			if who := w.eventsOf(MemberOverdue); !slices.Equal(who, []Member{3}) {
				t.Fatalf("overdue %v", who)
			}
		}})
}

// Whoever is alone, or is no worse than the others, is waited for.
func TestQuarantine_NeedsAGroupThatIsDragged(t *testing.T) {
	t.Parallel()
	for n, loss := range map[int]float64{1: 0.3, 3: 0.2} {
		play(t, 3, scenario{name: fmt.Sprint(n), leaves: n, streams: reliable, messages: 8000, size: 2000, symbol: 1392, rate: 2_000_000, alone: true,
			loss: bernoulli(loss), gapless: true, after: func(t *testing.T, w *world) {
				if who := w.eventsOf(MemberQuarantined); who != nil {
					t.Fatalf("quarantined %v", who)
				}
			}})
	}
	play(t, 3, scenario{name: "forbidden", leaves: 2, streams: reliable, messages: 8000, size: 2000, symbol: 1392, rate: 2_000_000, alone: true,
		sender: func(c *SenderConfig) { c.NoQuarantine = true }, gapless: true, slow: func(w *world, l *leaf) time.Duration {
			if l.id == 3 && w.at < 3*time.Second {
				return 3*time.Second - w.at
			}
			return 0
		}})
}

// The policies: who holds the sender back.
func TestPolicies_WaitForWhomTheyName(t *testing.T) {
	t.Parallel()
	stalled := func(ids ...Member) func(w *world, l *leaf) time.Duration {
		return func(w *world, l *leaf) time.Duration {
			if slices.Contains(ids, l.id) && w.at < 3*time.Second {
				return 3*time.Second - w.at
			}
			return 0
		}
	}
	for _, c := range []struct {
		name   string
		policy Policy
		slow   []Member
		held   bool
	}{
		{"slowest", Slowest, []Member{2}, true},
		{"fastest", Fastest, []Member{2, 3}, false},
		{"quorum of two, one slow", Quorum, []Member{2}, false},
		{"quorum of two, two slow", Quorum, []Member{2, 3}, true},
		{"tagged, another slow", Tagged, []Member{2}, false},
		{"tagged, itself slow", Tagged, []Member{4}, true},
		{"fixed rate", FixedRate, []Member{2, 3, 4}, false},
	} {
		sc := scenario{name: c.name, leaves: 3, streams: reliable, messages: 3000, size: 1500, window: 128 << 10, history: 1,
			policy: c.policy, alone: true, slow: stalled(c.slow...), rate: 5_000_000, sender: func(s *SenderConfig) {
				s.Quorum, s.NoQuarantine = 2, true
			}, admit: func(id Member) Admission { return Admission{Tagged: id == 4} }}
		sc.after = func(t *testing.T, w *world) {
			quick := time.Hour
			for _, l := range w.leaves {
				if !slices.Contains(c.slow, l.id) {
					quick = min(quick, l.lastRead)
				}
				if c.held && !slices.Contains(c.slow, l.id) && l.gaps[0] > 0 {
					t.Fatalf("leaf %d missed %d", l.id, l.gaps[0])
				}
			}
			if len(c.slow) < 3 && c.held != (quick > 3*time.Second) {
				t.Fatalf("the first was done at %v", quick)
			}
			if c.policy == FixedRate && w.s.Stats().Sent > 0 && w.lastSent > 2*time.Second {
				t.Fatalf("sending ended at %v", w.lastSent)
			}
		}
		play(t, 3, sc)
	}
}

// WaitFor holds the first message back until so many members are there, and
// all of them get it.
func TestWaitFor_HoldsTheStartBack(t *testing.T) {
	play(t, 4, scenario{name: "three", leaves: 1, streams: reliable, messages: 200, size: 1500, alone: true, gapless: true,
		sender: func(c *SenderConfig) { c.WaitFor = 3 }, script: func(w *world) {
			w.pending = 2
			for i := range 2 {
				w.after(time.Duration(i+1)*100*time.Millisecond, func() { w.pending--; w.join() })
			}
		}, after: func(t *testing.T, w *world) {
			for _, l := range w.leaves {
				if s := l.r.Stats(); s.Messages != 200 {
					t.Fatalf("leaf %d read %d messages", l.id, s.Messages)
				}
			}
			if w.lastRead < 200*time.Millisecond {
				t.Fatal("did not wait")
			}
		}})
	play(t, 1, scenario{name: "begun", leaves: 1, streams: reliable, messages: 200, size: 1500, alone: true, gapless: true,
		sender: func(c *SenderConfig) { c.WaitFor = 3 }, script: func(w *world) { w.after(50*time.Millisecond, func() { w.s.Begin() }) }})
}

// I16, S16: members come late and have what was before them, as one sequence.
func TestS16_LateJoinersGetHistoryThenLive(t *testing.T) {
	t.Parallel()
	for name, from := range map[string]From{"oldest": {Kind: FromOldest}, "number": {FromNumber, 300}, "last": {FromLast, 100}} {
		for _, late := range []int{1, 6, 20} {
			play(t, 3, scenario{name: fmt.Sprintf("%s/%d", name, late), leaves: 2, streams: mixed, messages: 3000, size: 1500, alone: true,
				gap: 30 * time.Microsecond, gapless: true, loss: bernoulli(0.05), jitter: 20 * time.Microsecond, window: 256 << 10,
				sender: func(c *SenderConfig) { c.Replay = 4 << 20 },
				admit: func(id Member) Admission {
					if id > 3 {
						return Admission{From: from}
					}
					return Admission{}
				},
				script: func(w *world) {
					w.pending = late
					for range late {
						w.after(30*time.Millisecond+time.Duration(w.rng.Int64N(int64(5*time.Millisecond))), func() {
							w.pending--
							at := w.written[0]
							l := w.join()
							got := l.next[0]
							switch {
							case from.Kind == FromOldest && got != 0,
								from.Kind == FromNumber && got != min(300, at),
								from.Kind == FromLast && got != at-min(100, at):
								w.fatalf("begins at message %d, %d were written", got, at)
							}
						})
					}
				}})
		}
	}
}

// S21: with a deadline a message comes in time or is told as missed.
func TestS21_DeadlinesAreKept(t *testing.T) {
	t.Parallel()
	for name, loss := range map[string]func(*world, *leaf, bool) bool{"5%": bernoulli(0.05), "gilbert": gilbert(0.001, 0.1, 0.5)} {
		play(t, 5, scenario{name: name, leaves: 3, streams: []Class{Deadline}, messages: 4000, size: 1300, symbol: 1392, delay: 10 * time.Millisecond,
			gap: time.Millisecond, alone: true, loss: loss, timed: true,
			sender: func(c *SenderConfig) { c.Latency = 120 * time.Millisecond }, after: func(t *testing.T, w *world) {
				var missed uint64
				for _, l := range w.leaves {
					missed += l.gaps[0]
				}
				if most := uint64(len(w.leaves) * 4000 / 1000); missed > most {
					t.Fatalf("%d missed, at most %d", missed, most)
				}
				if worst := slices.Max(w.took); worst > 10*time.Millisecond+120*time.Millisecond+5*time.Millisecond {
					t.Fatalf("one took %v", worst)
				}
			}})
	}
	// Nothing is repaired any more: what was lost is told in time, and the ring is let go.
	play(t, 3, scenario{name: "no repair", leaves: 2, streams: []Class{Deadline}, messages: 2000, size: 1300, symbol: 1392,
		gap: time.Millisecond, alone: true, timed: true, loss: func(w *world, l *leaf, data bool) bool { return data && w.rng.IntN(10) == 0 },
		deaf:   func(w *world, l *leaf) bool { return w.deafTo("NAK") },
		sender: func(c *SenderConfig) { c.Latency = 50 * time.Millisecond }, after: func(t *testing.T, w *world) {
			if worst := slices.Max(w.took); worst > 60*time.Millisecond {
				t.Fatalf("one took %v", worst)
			}
			if w.leaves[0].gaps[0] < 100 {
				t.Fatalf("missed %d", w.leaves[0].gaps[0])
			}
		}})
}

// At 100 Mbit/s and 1 % loss on a LAN repairs hardly show, and a burst's last
// message does not wait for a next one.
func TestDelay_OfRepairsIsShort(t *testing.T) {
	var took []time.Duration
	play(t, 5, scenario{name: "p99", leaves: 3, streams: reliable, messages: 8000, size: 1250, symbol: 1392, delay: 150 * time.Microsecond,
		gap: 100 * time.Microsecond, alone: true, gapless: true, loss: bernoulli(0.01), timed: true,
		after: func(t *testing.T, w *world) { took = append(took, w.took...) }})
	slices.Sort(took)
	if p99 := took[len(took)*99/100]; p99 > 3*time.Millisecond {
		t.Fatalf("p99 is %v", p99)
	}
	play(t, 20, scenario{name: "tail", leaves: 3, streams: reliable, messages: 30, size: 1250, symbol: 1392, delay: 150 * time.Microsecond,
		alone: true, gapless: true, timed: true, loss: func(w *world, l *leaf, data bool) bool { return data && w.at < 2*time.Millisecond },
		after: func(t *testing.T, w *world) {
			if worst := slices.Max(w.took); worst > 20*time.Millisecond {
				t.Fatalf("the last took %v", worst)
			}
		}})
}

// S20: over two paths only what both lost is asked for.
func TestS20_TwoPathsLoseOnlyWhatBothLose(t *testing.T) {
	for _, skew := range []time.Duration{time.Millisecond, 20 * time.Millisecond} {
		play(t, 4, scenario{name: skew.String(), leaves: 2, streams: reliable, messages: 12_000, size: 1200, symbol: 1392, twin: skew,
			rate: 2_000_000, alone: true, gapless: true, loss: bernoulli(0.05), after: func(t *testing.T, w *world) {
				s := w.s.Stats()
				if asked := float64(s.Wanted) / float64(s.Data) / 2; asked < 0.001 || asked > 0.006 {
					t.Fatalf("%.2f %% asked for: %+v", 100*asked, s)
				}
			}})
	}
}
