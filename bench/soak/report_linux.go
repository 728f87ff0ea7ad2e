package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// tally counts over the whole run.
type tally struct {
	happened       [kinds]atomic.Uint64
	delivered      [2]atomic.Uint64
	missedReliable atomic.Uint64
	missedBest     atomic.Uint64
	repaired       atomic.Uint64
	heard          atomic.Uint64 // messages of leaves
	joins          atomic.Uint64
	refused        atomic.Uint64
	hasty          atomic.Uint64
	evicted        atomic.Uint64
	vanished       atomic.Uint64
	joined         atomic.Uint64 // the root's events
	left           atomic.Uint64
	rekeyed        atomic.Uint64
	quarantined    atomic.Uint64
	returned       atomic.Uint64 // from quarantine
	skipped        atomic.Uint64 // reliable messages told missed by leaves that stayed
	silent         atomic.Uint64 // GroupSilent of leaves

	mu     sync.Mutex
	settle time.Duration // the longest until all that was owed had come
	again  time.Duration // the longest until one that was cut off heard something
}

func (t *tally) count(k kind) { t.happened[k].Add(1) }

func (t *tally) settled(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.settle = max(t.settle, d)
}

func (t *tally) hearsAgain(d time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.again = max(t.again, d)
}

// journal keeps the last events for whoever has to explain a failure.
type journal struct {
	began   time.Time
	out     io.Writer
	verbose bool

	mu   sync.Mutex
	last []string
	bad  []failure
}

// failure is what did not hold.
type failure struct {
	At   float64 // seconds since the beginning
	What string
}

const remembered = 120

func newJournal(began time.Time, out io.Writer, verbose bool) *journal {
	return &journal{began: began, out: out, verbose: verbose}
}

// tell notes an event.
func (j *journal) tell(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	line := fmt.Sprintf("%9.3f  ", time.Since(j.began).Seconds()) + fmt.Sprintf(format, args...)
	if len(j.last) == remembered {
		j.last = append(j.last[:0], j.last[1:]...)
	}
	j.last = append(j.last, line)
	if j.verbose {
		fmt.Fprintln(j.out, line)
	}
}

// say prints a line in any case.
func (j *journal) say(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	fmt.Fprintf(j.out, "%9.3f  "+format+"\n", append([]any{time.Since(j.began).Seconds()}, args...)...)
}

// fail notes a failure; with the first one go the events before it.
func (j *journal) fail(what string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.bad) == 0 && !j.verbose {
		fmt.Fprintf(j.out, "the last events:\n%s\n", strings.Join(j.last, "\n"))
	}
	at := time.Since(j.began).Seconds()
	j.bad = append(j.bad, failure{at, what})
	fmt.Fprintf(j.out, "%9.3f  FAILURE: %s\n", at, what)
}

func (j *journal) failures() []failure {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]failure(nil), j.bad...)
}

// report is a run's result.
type report struct {
	Seed       uint64
	Go, System string
	Processors int
	Seconds    float64 // of the whole run
	Leaves     int
	Rate       int
	Failures   []failure
	Events     map[string]uint64

	SentReliable, SentBest           uint64
	SentBytes                        uint64
	DeliveredReliable, DeliveredBest uint64
	MissedReliable, MissedBest       uint64
	Repaired, FromLeaves             uint64
	Joins, Refused, Hasty            uint64
	Evicted, Vanished, Rekeyed       uint64
	GroupSilent                      uint64
	Quarantined, Returned, Skipped   uint64

	LongestPause  float64 // seconds without reliable progress, nobody holding it up
	LongestStill  float64 // seconds without reliable progress, whoever was to blame
	LongestSettle float64 // from the last loss until all had come
	LongestFrozen float64 // this program did not run at all; not counted as a pause
	LongestDeaf   float64 // from the end of an interruption until something came
	Points        []point
}

func (s *soak) report() *report {
	t := &s.tally
	r := &report{
		Seed: s.o.Seed, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Processors: runtime.NumCPU(),
		Seconds: time.Since(s.began).Seconds(), Leaves: s.o.Leaves, Rate: s.o.Rate, Failures: s.log.failures(), Events: make(map[string]uint64),
		SentReliable: s.sends[reliable].done.Load(), SentBest: s.sends[bestEffort].done.Load(), SentBytes: s.sends[reliable].bytes.Load(),
		DeliveredReliable: t.delivered[reliable].Load(), DeliveredBest: t.delivered[bestEffort].Load(),
		MissedReliable: t.missedReliable.Load(), MissedBest: t.missedBest.Load(), Repaired: t.repaired.Load(), FromLeaves: t.heard.Load(),
		Joins: t.joins.Load(), Refused: t.refused.Load(), Hasty: t.hasty.Load(), Evicted: t.evicted.Load(), Vanished: t.vanished.Load(),
		Rekeyed: t.rekeyed.Load(), GroupSilent: t.silent.Load(), Quarantined: t.quarantined.Load(), Returned: t.returned.Load(), Skipped: t.skipped.Load(),
		LongestPause: time.Duration(s.pause.Load()).Seconds(), LongestStill: time.Duration(s.still.Load()).Seconds(), LongestFrozen: time.Duration(s.frozen.Load()).Seconds(), LongestSettle: t.settle.Seconds(), LongestDeaf: t.again.Seconds(),
		Points: s.points,
	}
	for k := range kinds {
		if n := t.happened[k].Load(); n > 0 {
			r.Events[k.String()] = n
		}
	}
	return r
}

// show prints the summary.
func (r *report) show(w io.Writer) {
	fmt.Fprintf(w, "\nsoak: seed %d, %.0f s, %d leaves, %d processors, %s\n", r.Seed, r.Seconds, r.Leaves, r.Processors, r.Go)
	fmt.Fprintf(w, "events      ")
	for k := range kinds {
		if n := r.Events[k.String()]; n > 0 {
			fmt.Fprintf(w, " %v %d;", k, n)
		}
	}
	fmt.Fprintf(w, "\nmemberships  %d (%d joins refused, %d given up), %d evicted, %d gone in silence, %d quarantined and %d back, %d epochs, %d times deaf to the group\n",
		r.Joins, r.Refused, r.Hasty, r.Evicted, r.Vanished, r.Quarantined, r.Returned, r.Rekeyed, r.GroupSilent)
	fmt.Fprintf(w, "reliable     %d sent (%s), %d delivered to leaves, told missed %d in quarantine, %d at the end of a membership\n",
		r.SentReliable, mega(r.SentBytes), r.DeliveredReliable, r.Skipped, r.MissedReliable-min(r.Skipped, r.MissedReliable))
	fmt.Fprintf(w, "best effort  %d sent, %d delivered, %d told missed; from leaves %d; %d messages needed a repair\n",
		r.SentBest, r.DeliveredBest, r.MissedBest, r.FromLeaves, r.Repaired)
	fmt.Fprintf(w, "longest      pause %.3f s with nobody in the way, %.3f s in all; %.3f s until all had come; %.3f s until one cut off heard again; %.3f s without processor\n",
		r.LongestPause, r.LongestStill, r.LongestSettle, r.LongestDeaf, r.LongestFrozen)
	for _, state := range []string{"before", "churn", "calm", "empty", "after"} {
		var ps []point
		for _, p := range r.Points {
			if p.State == state {
				ps = append(ps, p)
			}
		}
		if n := len(ps); n > 0 {
			heap := func(p point) uint64 { return p.Heap }
			fmt.Fprintf(w, "heap         %-6s %3d records, first %s, second quarter %s, last quarter %s, last %s\n", state, n, mega(ps[0].Heap),
				mega(median(ps[n/4:max(n/2, n/4+1)], heap)), mega(median(ps[n-max(n/4, 1):], heap)), mega(ps[n-1].Heap))
		}
	}
	if len(r.Failures) == 0 {
		fmt.Fprintln(w, "PASS")
		return
	}
	for _, f := range r.Failures {
		what, _, _ := strings.Cut(f.What, "\n") // all of it stands above, at its time
		fmt.Fprintf(w, "FAIL at %.3f s, seed %d: %s\n", f.At, r.Seed, what)
	}
}
