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

// So short says nothing of bounds: every node must be there, with what it needs.
func TestSteady_SmallOneHasEveryNode(t *testing.T) {
	netlab.Require(t)
	out := filepath.Join(t.TempDir(), "results")
	if err := steady([]string{"-for", "400ms", "-out", out}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(out, "steady.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r struct{ Rows []row }
	if err := json.Unmarshal(b, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Rows) != 9 {
		t.Fatalf("%d rows", len(r.Rows))
	}
	for _, w := range r.Rows {
		if w.Failed != "" || w.Rate <= 0 || w.CPU <= 0 || w.RSS < 1<<20 || w.Early == 0 || w.Late == 0 {
			t.Errorf("%+v", w)
		}
	}
	if text, err := os.ReadFile(filepath.Join(out, "steady.txt")); err != nil || strings.Count(string(text), " leaf ") < 6 {
		t.Errorf("%v:\n%s", err, text)
	}
}

func TestNodes_NameWhatDoesNotHold(t *testing.T) {
	flat := func(objects uint64, bytes ...uint64) (all []stream.Look) {
		for i, b := range bytes {
			look := stream.Look{Seconds: float64(i + 1), Bytes: b, Objects: 1e9} // what there was before the second half is no matter
			if i == 3 {
				look.Objects += objects
			}
			all = append(all, look)
		}
		return all
	}
	spec := stream.Spec{Level: stream.Group, Packet: packet}
	of128 := float64(mebi128) / float64(spec.Full())
	x := stream.Result{
		Sent: stream.Sent{Spent: stage.Spent{CPU: 1000, Seconds: 4}, Messages: 1e6, Heap: flat(500, 9e6, 1e6, 1e6, 1e6+boundGrowth)},
		Got: []stream.Got{
			{Spent: stage.Spent{CPU: 0.29 * 1e6 / of128, Seconds: 4}, Messages: 1e6, Heap: flat(501, 1, 1, 9e9, 1)},
			{Spent: stage.Spent{CPU: 0.31 * 1e6 / of128, Seconds: 4}, Messages: 1e6, Heap: flat(0, 0, 1e6, 0, 1e6+boundGrowth+1)},
		},
		RootUsage: stage.Usage{PeakRSS: boundRSS},
		LeafUsage: []stage.Usage{{PeakRSS: boundRSS + 1}, {}},
	}
	rows := nodes(stream.Group, spec, x)
	for i, want := range [][]string{nil, {"0.0010 objects a packet", "48.0 MB of RSS"}, {"the heap grew", "0.31 processor seconds"}} {
		got := rows[i].Broken
		if len(got) != len(want) {
			t.Errorf("%s: %v", rows[i].Node, got)
			continue
		}
		for k := range want {
			if !strings.Contains(got[k], want[k]) {
				t.Errorf("%s: %q, not %q", rows[i].Node, got[k], want[k])
			}
		}
	}
	r := report{Rows: append(rows, row{Level: stream.Signed, Failed: "it went wrong", Broken: []string{"it went wrong"}})}
	if n := len(r.broken()); n != 5 {
		t.Errorf("%d: %v", n, r.broken())
	}
	if text := string(r.table()); !strings.Contains(text, "signed   failed: it went wrong") {
		t.Error(text)
	}
}

func TestParse_RefusesWhatCannotBeMeasured(t *testing.T) {
	for _, bad := range []string{"-for 1ms", "-for 2h", "-leaves 0", "-levels none", "x"} {
		if _, err := parse(strings.Fields(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
