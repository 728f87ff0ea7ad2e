package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/bench/stream"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

func TestMain(m *testing.M) {
	stage.Play(stream.Side.Do)
	os.Exit(m.Run())
}

// So short says nothing of speed: every row must be there, and small messages
// share packets.
func TestRate_SmallOneHasEveryRow(t *testing.T) {
	netlab.Require(t)
	out := filepath.Join(t.TempDir(), "results")
	if err := rate([]string{"-rounds", "1", "-for", "80ms", "-out", out}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(out, "rate.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r struct{ Rows []row }
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 12 {
		t.Fatalf("%d rows", len(r.Rows))
	}
	for _, w := range r.Rows {
		x := w.Runs[0]
		if x.Failed != "" {
			t.Errorf("%s: %s", w.Name, x.Failed)
			continue
		}
		if x.Rate <= 0 || len(x.Got) != 2 || x.Got[0].Missed+x.Got[1].Missed > 0 || w.Bound != bounds[w.Message] || w.Sum.LeafCPU <= 0 {
			t.Errorf("%+v", w)
		}
		if w.Message == 64 && w.Sum.Packets < 5 { // 21 fill one
			t.Errorf("%.1f messages in a packet", w.Sum.Packets)
		}
	}
	if text, err := os.ReadFile(filepath.Join(out, "rate.txt")); err != nil || strings.Count(string(text), " B, ") != 12 {
		t.Errorf("%v:\n%s", err, text)
	}
}

func TestReport_BrokenBoundsAreNamed(t *testing.T) {
	made := func(bound float64, rates ...float64) row {
		w := row{Name: "made", Bound: bound, Judged: bound > 0}
		for _, v := range rates {
			w.Runs = append(w.Runs, run{Result: stream.Result{Rate: v}})
		}
		w.summarize()
		return w
	}
	for name, c := range map[string]struct {
		row
		broken int
	}{"on it": {made(2, 1, 2, 3), 0}, "below": {made(2, 1, 1.9, 30), 1}, "without one": {made(0, 1), 0}} {
		if r := (report{Rows: []row{c.row}}); len(r.broken()) != c.broken {
			t.Errorf("%s: %v", name, r.broken())
		}
	}
}

func TestRows_AreJudgedWithOffloadAtTheLevelsAskedFor(t *testing.T) {
	s, err := parse([]string{"-judge", "signed"})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range s.rows() {
		if w.Judged != (w.Offload && w.Level == stream.Signed) || w.Bound != bounds[w.Message] {
			t.Errorf("%+v", w)
		}
	}
	w := row{Name: "made", Bound: 2, Runs: []run{{Failed: "it went wrong"}, {Result: stream.Result{Rate: 1}}}}
	w.summarize()
	if broken := (&report{Rows: []row{w}}).broken(); len(broken) != 1 || !strings.Contains(broken[0], "1 of 2 runs failed") {
		t.Errorf("not judged, but a run failed: %v", broken)
	}
}

func TestParse_RefusesWhatCannotBeMeasured(t *testing.T) {
	for _, bad := range []string{"-rounds 0", "-for 1ms", "-leaves 0", "-messages 0", "-messages 65537", "-levels none", "-judge none", "x"} {
		if _, err := parse(strings.Fields(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	s, err := parse([]string{"-leaves", "3", "-messages", "64", "-levels", "group"})
	if err != nil || len(s.rows()) != 2 || s.rows()[0].Bound != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}
