package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

func TestMain(m *testing.M) {
	stage.Play(work.do)
	os.Exit(m.Run())
}

// So few say nothing of a thousand: all must be in, and the root must have grown.
func TestCrowd_SmallOneIsIn(t *testing.T) {
	netlab.Require(t)
	out := filepath.Join(t.TempDir(), "results")
	if err := crowd([]string{"-leaves", "20", "-rounds", "1", "-out", out}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(out, "crowd.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Simulated) != 1 || len(r.Kernel) != 1 || r.Seconds <= 0 || r.Heap < 1<<10 || r.Stacks < 1<<10 || r.RSS < r.Stacks {
		t.Errorf("%+v", r)
	}
	if h := r.Kernel[0]; h.After.Goroutines < h.Before.Goroutines+20 {
		t.Errorf("20 leaves and %+v", h)
	}
	text, err := os.ReadFile(filepath.Join(out, "crowd.txt"))
	if err != nil || !strings.Contains(string(text), "RSS of the root, a leaf") {
		t.Errorf("%v:\n%s", err, text)
	}
}

func TestBroken_NamesWhatDoesNotHold(t *testing.T) {
	made := func(leaves int, seconds float64, more int64) *report {
		r := &report{Settings: settings{Leaves: leaves}, Simulated: []joined{{Seconds: seconds}},
			Kernel: []held{{Before: usage{RSS: 1e6}, After: usage{RSS: 1e6 + more}}}}
		r.summarize()
		return r
	}
	for name, c := range map[string]struct {
		*report
		broken int
	}{
		"on both bounds":            {made(1000, 5, 64<<10*1000), 0},
		"too slow":                  {made(1000, 5.01, 0), 1},
		"too much":                  {made(1000, 1, 65<<10*1000), 1},
		"fewer leaves have no time": {made(10, 50, 0), 0},
	} {
		if got := c.broken; len(c.report.broken()) != got {
			t.Errorf("%s: %v", name, c.report.broken())
		}
	}
	without := &report{Settings: settings{Leaves: 1000}, Simulated: []joined{{Seconds: 1}}}
	if without.summarize(); len(without.broken()) > 0 || !strings.Contains(string(without.table()), "was not measured") {
		t.Errorf("%v\n%s", without.broken(), without.table())
	}
}

func TestParse_RefusesWhatCannotBeMeasured(t *testing.T) {
	for _, bad := range []string{"-leaves 0", "-leaves 2001", "-rounds 0", "x"} {
		if _, err := parse(strings.Fields(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
