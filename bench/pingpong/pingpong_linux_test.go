package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

func TestMain(m *testing.M) {
	stage.Play(work.do)
	os.Exit(m.Run())
}

// So short says nothing of speed: everybody must have answers, and few are lost.
func TestPingpong_SmallOneHasAnswersEveryWay(t *testing.T) {
	netlab.Require(t)
	small(t, 2, "-peers=false")
	small(t, 1, "-rates", "1000") // peers take seconds each
}

func small(t *testing.T, rates int, args ...string) {
	out := filepath.Join(t.TempDir(), "results")
	if err := pingpong(append(args, "-rounds", "1", "-for", "100ms", "-out", out)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(out, "pingpong.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Peers []peer
		Rows  []row
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	there := 0
	for _, p := range r.Peers {
		if p.Missing == "" {
			there++
		}
	}
	if rates == 1 && len(r.Peers) != len(others()) || len(r.Rows) != rates*(len(ours)+there) {
		t.Fatalf("%d rows", len(r.Rows))
	}
	for _, w := range r.Rows {
		x := w.Runs[0]
		if w.Way.Peer { // other people's programs may fail here; theirs is a second at least
			t.Logf("%s at %.0f: %+v", w.Way.Name, w.Rate, x)
			continue
		}
		if x.Failed != "" {
			t.Errorf("%s at %.0f: %s", w.Way.Name, w.Rate, x.Failed)
			continue
		}
		most := int(w.Rate/10) + 1 // of 100 ms
		if x.Samples == 0 || x.Samples > most || x.P50 <= 0 || x.P50 > x.P99 || x.P99 > x.P999 || x.P999 > x.Most || w.Sum.Ratio50 <= 0 {
			t.Errorf("%+v", w)
		}
		if x.Lost > 1+x.Samples/10 {
			t.Errorf("%s at %.0f: %d of %d were lost", w.Way.Name, w.Rate, x.Lost, x.Samples)
		}
	}
	picture, err := os.ReadFile(filepath.Join(out, "pingpong.svg"))
	if err == nil {
		err = xml.Unmarshal(picture, new(struct{}))
	}
	if err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(filepath.Join(out, "pingpong.txt")); err != nil || strings.Count(string(text), "reliable, signed") != rates {
		t.Errorf("%v:\n%s", err, text)
	}
}

func TestTimes_PercentilesAreOfTimesThatWereMeasured(t *testing.T) {
	var trips []time.Duration
	for i := range 1000 {
		trips = append(trips, time.Duration(1000-i)*time.Microsecond)
	}
	var x times
	if x.of(trips); x.P50 != 500 || x.P99 != 990 || x.P999 != 999 || x.Most != 1000 || x.Samples != 1000 {
		t.Errorf("%+v", x)
	}
	if x.of([]time.Duration{time.Microsecond}); x.P50 != 1 || x.P999 != 1 {
		t.Errorf("%+v", x)
	}
}

func TestReport_ComparesWithinTheRound(t *testing.T) {
	round := func(p50, p99 float64) times { return times{P50: p50, P99: p99, P999: 1} }
	r := report{Rows: settings{Rates: stage.Numbers{List: []float64{10, 20}}}.rows(ours)}
	give := func(i int, runs ...times) { r.Rows[i].Runs = runs }
	give(0, round(10, 20), round(20, 40), round(40, 80))
	give(1, round(13, 30), round(26, 60), round(52, 120)) // on both bounds
	give(2, round(10, 20), round(20, 61), round(40, 121)) // p99 once is, twice is not
	for i := range ours {
		give(len(ours)+i, round(1, 2))
	}
	give(len(ours)+1, round(1.5, 2))                             // p50 is not
	give(len(ours)+2, times{Failed: "for some reason"})          // nothing is
	r.Rows[3].Runs, r.Rows[4].Runs = []times{round(99, 99)}, nil // not judged
	r.summarize()
	if got := r.Rows[1].Sum; !got.Held || got.Ratio50 != 1.3 || got.Ratio99 != 1.5 || got.P50 != 26 {
		t.Errorf("%+v", got)
	}
	broken := strings.Join(r.broken(), "\n")
	for _, want := range []string{"reliable, polling at 10 ", "best effort, polling at 20 a second: p50 1.50", "reliable, polling at 20 a second: 1 of 1 runs failed", "reliable, polling at 20 a second: p50 0.00"} {
		if !strings.Contains(broken, want) {
			t.Errorf("%q is not in\n%s", want, broken)
		}
	}
	if n := strings.Count(broken, "\n") + 1; n != 4 {
		t.Errorf("%d are broken:\n%s", n, broken)
	}
}

func TestReport_ReliableIsToBeBelowEveryPeer(t *testing.T) {
	r := report{Peers: []peer{{Name: "norm"}, {Name: "epgm"}, {Name: "gone", Missing: "no such thing"}}}
	r.Rows = settings{Rates: stage.Numbers{List: []float64{10}}}.rows(r.ways())
	if len(r.Rows) != len(ours)+2 {
		t.Fatalf("%+v", r.Rows)
	}
	for i := range r.Rows {
		r.Rows[i].Runs = []times{{P50: 10, P99: 20}}
	}
	r.Rows[len(ours)].Runs = []times{{P50: 11, P99: 19}}   // norm's p99 is lower
	r.Rows[len(ours)+1].Runs = []times{{P50: 11, P99: 21}} // epgm is behind
	r.summarize()
	if got := r.Rows[2].Sum.Behind; len(got) != 1 || got[0] != "norm" {
		t.Errorf("%v", got)
	}
	if broken := r.broken(); len(broken) != 1 || !strings.Contains(broken[0], "reliable, polling at 10 a second: not below norm") {
		t.Errorf("%v", broken)
	}
	if text := string(r.table()); !strings.Contains(text, "gone: left out, no such thing") {
		t.Errorf("who is missing is not named:\n%s", text)
	}
}

func TestSleepUntil_IsNeverTooShort(t *testing.T) {
	for range 20 {
		due := time.Now().Add(300 * time.Microsecond)
		if now := sleepUntil(due); now.Before(due) {
			t.Fatalf("%v too early", due.Sub(now))
		}
	}
}

func TestParse_RefusesWhatCannotBeMeasured(t *testing.T) {
	for _, bad := range []string{"-rounds 0", "-for 1ms", "-size 7", "-size 1400", "-rates 0", "-rates x", "x"} {
		if _, err := parse(strings.Fields(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if s, err := parse([]string{"-rates", "100,200,300"}); err != nil || len(s.rows(ours)) != 3*len(ours) || s.rows(ours)[len(ours)].Way.Name != plain {
		t.Errorf("%+v, %v", s, err)
	}
}
