package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joinleaf/joinleaf/bench/kernel"
	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/bench/stream"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

func TestMain(m *testing.M) {
	stage.Play(work.do)
	os.Exit(m.Run())
}

// So short says nothing of speed: every row must be there, with all it needs.
func TestLimit_SmallOneHasEveryRow(t *testing.T) {
	netlab.Require(t)
	out := filepath.Join(t.TempDir(), "results")
	if err := limit([]string{"-rounds", "1", "-for", "60ms", "-leaves", "1,2", "-out", out}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(out, "limit.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		Machine stage.Machine
		Bases   []base
		Rows    []row
	}
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	want := len(settings{}.rows()) * 2
	if len(r.Bases) != 4 || len(r.Rows) != want || want < 12 || r.Machine.Processors == 0 {
		t.Fatalf("%d raw limits, %d rows", len(r.Bases), len(r.Rows))
	}
	text, err := os.ReadFile(filepath.Join(out, "limit.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range r.Rows {
		if len(w.Runs) != 1 || w.Sum.Ratio <= 0 || w.Class == flow.Reliable && w.Sum.Clear <= 0 || w.Sum.Rate <= 0 || w.Runs[0].Raw <= 0 || len(w.Runs[0].Got) != w.Leaves || !strings.Contains(string(text), w.Name) {
			t.Errorf("%+v", w)
		}
	}
	for _, b := range r.Bases {
		if x := b.Runs[0]; x.Result.Rate <= 0 || b.Offload && x.Result.Lost > kernel.LossFreeShare {
			t.Errorf("%+v", b)
		}
	}
}

// made is a row whose rounds had these rates and raw limits.
func made(bound float64, rounds ...[2]float64) row {
	w := row{Name: "made", Bound: bound}
	for i, g := range rounds {
		w.Runs = append(w.Runs, run{Round: i + 1, Raw: g[1], Result: stream.Result{Rate: g[0]}})
	}
	return w
}

func TestRow_IsComparedWithinTheRound(t *testing.T) {
	for name, c := range map[string]struct {
		row
		ratio float64
		held  bool
	}{
		"on the bound":               {made(0.5, [2]float64{50, 100}, [2]float64{60, 100}, [2]float64{10, 100}), 0.5, true},
		"below":                      {made(0.5, [2]float64{49, 100}, [2]float64{60, 100}, [2]float64{10, 100}), 0.49, false},
		"fast, where raw was faster": {made(0.5, [2]float64{100, 400}, [2]float64{20, 30}, [2]float64{100, 300}), 1.0 / 3, false},
		"no raw limit":               {made(0.5, [2]float64{100, 0}), 0, false},
	} {
		c.summarize(nil)
		if c.Sum.Ratio != c.ratio || c.Sum.Held != c.held {
			t.Errorf("%s: %+v", name, c.Sum)
		}
		if r := (report{Rows: []row{c.row}}); (len(r.broken()) == 0) != c.held {
			t.Errorf("%s: broken %v", name, r.broken())
		}
	}
}

func TestReport_ProtectionIsComparedWithClearByBytes(t *testing.T) {
	clear, group := made(0, [2]float64{100, 100}, [2]float64{10, 100}), made(0, [2]float64{60, 100}, [2]float64{6, 100})
	clear.Name, clear.Level, group.Level = reliableClear, stream.Clear, stream.Group
	share := 0.6 * float64(stream.Spec{Level: stream.Group}.Full()) / float64(stream.Spec{Level: stream.Clear}.Full())
	for _, bound := range []float64{share - 0.001, share + 0.001} {
		group.ClearBound = bound
		r := report{Rows: []row{clear, group}}
		r.Rows[0].summarize(r.clearOf(r.Rows[0]))
		r.Rows[1].summarize(r.clearOf(r.Rows[1]))
		if got := r.Rows[1].Sum; got.Clear != share || got.ClearHeld != (bound < share) || len(r.broken()) == 0 != got.ClearHeld {
			t.Errorf("bound %v: %+v, broken %v", bound, got, r.broken())
		}
		alone := report{Rows: []row{group}}
		if alone.Rows[0].summarize(alone.clearOf(group)); len(alone.broken()) > 0 {
			t.Errorf("without clear beside it nothing is known: %v", alone.broken())
		}
	}
}

func TestReport_ARunThatFailedIsBrokenThoughTheMedianHolds(t *testing.T) {
	w := made(0.5, [2]float64{60, 100}, [2]float64{60, 100}, [2]float64{0, 100})
	w.Runs[2].Failed = "it went wrong"
	w.summarize(nil)
	r := report{Rows: []row{w}}
	if broken := r.broken(); !w.Sum.Held || len(broken) != 1 || !strings.Contains(broken[0], "1 of 3 runs failed") {
		t.Errorf("%v; %+v", broken, w.Sum)
	}
}

func TestParse_RefusesWhatCannotBeMeasured(t *testing.T) {
	for _, bad := range []string{"-rounds 0", "-for 1ms", "-leaves 0", "-leaves 17", "-only nothing", "x"} {
		if _, err := parse(strings.Fields(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	s, err := parse([]string{"-only", "group,best", "-leaves", "3"})
	if err != nil || len(s.rows()) != 4 || s.Leaves.Ints()[0] != 3 {
		t.Errorf("%+v, %v", s, err)
	}
	if all := (settings{}).rows(); len(all) != 8 {
		t.Errorf("%+v", all)
	}
}
