package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
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

func TestCurve_SmallOneIsComplete(t *testing.T) {
	netlab.Require(t)
	out := filepath.Join(t.TempDir(), "results")
	if err := curve([]string{"-size", "2MB", "-rounds", "1", "-leaves", "1", "-loss", "0,5", "-out", out}); err != nil {
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
		Machine  stage.Machine
		Settings struct{ Loss []float64 }
		Points   []point
		Runs     []run
	}
	if err := json.Unmarshal(read("curve.json"), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Points) != 2 || len(r.Runs) != 2 || len(r.Settings.Loss) != 2 || r.Machine.Processors == 0 {
		t.Fatalf("%+v", r)
	}
	for _, x := range r.Runs {
		if x.Failed != "" || x.Goodput <= 0 || x.Got[0].Messages != x.Messages() || x.Sent.Data == 0 || x.RootUsage.PeakRSS == 0 {
			t.Errorf("%+v", x)
		}
		if w := x.Wire(x.Spec); w < 1 || w > 2 {
			t.Errorf("%v bytes on the wire for one of content", w)
		}
	}
	// Of 1,400 packets and more 5 % are lost: fewer than 20 at odds of 1 in 10^9.
	clean, lossy := r.Runs[0], r.Runs[1]
	if clean.Lost[0] != 0 || lossy.Lost[0] < 20 || lossy.Sent.Naks == 0 || lossy.Sent.RepairGroup+lossy.Sent.RepairAlone == 0 {
		t.Errorf("clean: %+v\nlossy: %+v", clean, lossy)
	}
	if p := r.Points[0]; p.Ratio != 1 || p.Complete != 1 || p.Of != 1 {
		t.Errorf("%+v", p)
	}
	if text := read("curve.txt"); bytes.Count(text, []byte("1 of 1")) != 2 {
		t.Errorf("the table:\n%s", text)
	}
	if err := xml.Unmarshal(read("curve.svg"), new(struct{})); err != nil {
		t.Error(err)
	}
}

func TestReport_FailedRunsCountAsNothing(t *testing.T) {
	r := report{Settings: settings{Loss: stage.Numbers{List: []float64{0, 5}}, Leaves: stage.Numbers{List: []float64{1}}, Rounds: 3}}
	for round, goodput := range []struct{ clean, lossy float64 }{{100, 80}, {200, 0}, {50, 45}} {
		r.Runs = append(r.Runs, run{Round: round, Spec: bulk.Spec{Size: 1e6, Message: 1000, Leaves: 1}, Result: bulk.Result{Goodput: goodput.clean}})
		lossy := run{Round: round, Spec: bulk.Spec{Size: 1e6, Message: 1000, Leaves: 1, Loss: 5}, Result: bulk.Result{Goodput: goodput.lossy}}
		if goodput.lossy == 0 {
			lossy.Failed = "not done"
		}
		r.Runs = append(r.Runs, lossy)
	}
	r.summarize()
	p := r.Points[1]
	if p.Goodput != 45 || p.Ratio != 0.8 || p.RatioLow != 0 || p.RatioHigh != 0.9 || p.Complete != 2 || p.Of != 3 {
		t.Errorf("%+v", p)
	}
}

func TestParse_RefusesWhatCannotBeMeasured(t *testing.T) {
	for _, bad := range []string{"-rounds 0", "-leaves 0", "-loss 100", "-size x", "-message 4", "-message 70000", "file"} {
		if _, err := parse(strings.Fields(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
