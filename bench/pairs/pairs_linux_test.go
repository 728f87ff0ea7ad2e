package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

func TestMain(m *testing.M) {
	stage.Play(bulk.Side.Do)
	os.Exit(m.Run())
}

// So little says nothing of speed: the transfers must be right and the account whole.
func TestPairs_SmallOnesAreComplete(t *testing.T) {
	netlab.Require(t)
	out := filepath.Join(t.TempDir(), "results")
	if err := pairs([]string{"-size", "1MB", "-long", "3MB", "-rounds", "1", "-out", out}); err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(out, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	var r struct {
		Machine stage.Machine
		Pairs   []pair
	}
	if err := json.Unmarshal(read("pairs.json"), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Pairs) != 5 || r.Machine.Processors == 0 {
		t.Fatalf("%d pairs; %+v", len(r.Pairs), r.Machine)
	}
	for _, p := range r.Pairs {
		if len(p.Trials) != 1 || p.Sum.CompleteBase != 1 || p.Sum.Completed != 1 {
			t.Fatalf("%s: %+v", p.Name, p)
		}
		wholly(t, p, p.Base, p.Trials[0].Base)
		wholly(t, p, p.Changed, p.Trials[0].Changed)
	}
	if one := r.Pairs[0]; !one.Base.NoParity || one.Changed.NoParity {
		t.Errorf("%+v", one)
	}
	text := read("pairs.txt")
	if bytes.Count(text, []byte("1,1/1")) != len(r.Pairs) || !bytes.Contains(text, []byte("what became of it")) {
		t.Errorf("the table:\n%s", text)
	}
}

// wholly checks that all leaves have all, but for one's own account, and that
// who was to lose packets did, and nobody else.
func wholly(t *testing.T, p pair, s bulk.Spec, x turn) {
	t.Helper()
	for i, g := range x.Got {
		if g.Messages+g.Missed != s.Messages() || g.Missed > 0 && i+1 != s.MayMiss {
			t.Errorf("%s: leaf %d got %d and missed %d of %d", p.Name, i+1, g.Messages, g.Missed, s.Messages())
		}
		if (x.Lost[i] > 0) != (s.LossOf(i) > 0) {
			t.Errorf("%s: leaf %d lost %d packets at %v %%", p.Name, i+1, x.Lost[i], s.LossOf(i))
		}
	}
	if x.Counted <= 0 || len(x.Got) != s.Leaves {
		t.Errorf("%s: %+v", p.Name, x)
	}
}

// made is a pair whose rounds had these goodputs.
func made(bound float64, rounds ...[2]float64) pair {
	p := pair{Name: "made", Bound: bound}
	for i, g := range rounds {
		p.Trials = append(p.Trials, trial{Round: i + 1, Base: turn{Counted: g[0]}, Changed: turn{Counted: g[1]}})
	}
	return p
}

func TestReport_BrokenBoundsAreNamed(t *testing.T) {
	for name, c := range map[string]struct {
		pair
		held  bool
		ratio float64
	}{
		"as fast":                   {made(0.95, [2]float64{100, 95}, [2]float64{200, 250}, [2]float64{100, 97}), true, 0.97},
		"slower":                    {made(0.95, [2]float64{100, 94}, [2]float64{100, 90}, [2]float64{100, 110}), false, 0.94},
		"fast by other rounds only": {made(0.95, [2]float64{100, 90}, [2]float64{50, 45}, [2]float64{20, 40}), false, 0.9},
		"once not complete":         {made(0.95, [2]float64{100, 100}, [2]float64{100, 100}, [2]float64{100, 0}), false, 1},
		"no base":                   {made(0, [2]float64{0, 100}), false, 0},
		"slow, but complete":        {made(0, [2]float64{100, 1}, [2]float64{100, 2}), true, 0.01},
	} {
		c.summarize()
		if c.Sum.Held != c.held || c.Sum.Ratio.Median != c.ratio {
			t.Errorf("%s: %+v", name, c.Sum)
		}
		r := report{Pairs: []pair{c.pair}}
		if broken := r.broken(); (len(broken) == 0) != c.held {
			t.Errorf("%s: broken %v", name, broken)
		}
	}
}

// The leaf that is set apart is neither the slowest nor an excuse for a failure.
func TestPair_GoodputIsOfTheOthers(t *testing.T) {
	got := func(seconds float64) bulk.Got { return bulk.Got{Bytes: 100, Seconds: seconds} }
	r := bulk.Result{Got: []bulk.Got{got(1), got(2), got(50)}}
	for apart, want := range map[int]float64{0: 2, 3: 50, 2: 2} {
		if g := (&pair{Apart: apart}).goodput(r); g != want {
			t.Errorf("without leaf %d: %v, not %v", apart, g, want)
		}
	}
	r.Failed = "not done"
	if g := (&pair{Apart: 3}).goodput(r); g != 0 {
		t.Errorf("a failed run has %v", g)
	}
}

func TestStanding_TellsOfThatLeafAlone(t *testing.T) {
	r := bulk.Result{Sent: bulk.Sent{Seconds: 5, Standings: []bulk.Standing{
		{Seconds: 0.5, Member: 3, What: "quarantined", Why: "lossy"}, {Seconds: 1, Member: 2, What: "quarantined"}, {Seconds: 4, Member: 3, What: "returned"},
	}}}
	if s := standing(r, bulk.Got{Member: 3}); s != "quarantined at 0.50 s (lossy), returned at 4.00 s (), the others had all at 5.00 s" {
		t.Error(s)
	}
	if s := standing(r, bulk.Got{Member: 4, Ended: "reset"}); s != "waited for like the others, reset, the others had all at 5.00 s" {
		t.Error(s)
	}
}

func TestParse_RefusesWhatCannotBeMeasured(t *testing.T) {
	for _, bad := range []string{"-rounds 0", "-only none", "-only parity,", "-long 0", "-size x", "-message 4", "file"} {
		if _, err := parse(strings.Fields(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	s, err := parse(strings.Fields("-only quarantine -long 700MB"))
	if all := s.pairs(); err != nil || len(all) != 1 || all[0].Changed.Size != 700e6 || all[0].Bound != quarantineBound || all[0].Changed.LossOf(3) != badLoss {
		t.Errorf("%v, %+v", err, all)
	}
}
