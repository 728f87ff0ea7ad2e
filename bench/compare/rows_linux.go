package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/joinleaf/joinleaf/bench/stage"
)

// row is one peer in one cell, over the rounds.
type row struct {
	Peer string
	cell
	Settings           []string // that it ran with, in order of first use
	Complete, Of       int
	Goodput, Low, High float64 // bytes a second; median and range
	Raw                float64 // ratio to plain sockets of the same round, median; 0: unknown
	Best               float64 // ratio to the best other peer of the cell, in the same round; 0: unknown
	BestPeer           string  // which that is
	Arrived            float64 // share that came, median
	RootCPU, LeafCPU   float64 // seconds for a GB to each receiver; the receiver that took most
	RootRSS, LeafRSS   float64 // bytes; likewise
}

// ours reports whether a peer is this program: it must not fail.
func ours(name string) bool {
	return name == "raw" || strings.HasPrefix(name, "tcp") || strings.HasPrefix(name, "joinleaf")
}

// rival reports whether a peer is one that joinleaf is compared with: somebody
// else's reliable multicast.
func rival(name string) bool { return !ours(name) && name != "iperf" }

// of is the runs of a peer in a cell, by round.
func (r *report) of(name string, c cell) (runs []run) {
	for _, x := range r.Runs {
		if x.Peer == name && x.cell == c {
			runs = append(runs, x)
		}
	}
	return runs
}

func (r *report) summarize(there []peer) {
	r.Rows = nil
	for _, n := range r.Settings.Leaves.Ints() {
		for _, loss := range r.Settings.Loss.List {
			c := cell{n, loss}
			best, top := "", 0.0
			for _, x := range there {
				if g := stage.Medians(r.of(x.name(), c), goodput); rival(x.name()) && g > top {
					best, top = x.name(), g
				}
			}
			for _, x := range there {
				r.Rows = append(r.Rows, r.row(x.name(), c, best))
			}
		}
	}
}

func goodput(x run) float64 { return x.Goodput }

func (r *report) row(name string, c cell, best string) row {
	w := row{Peer: name, cell: c, BestPeer: best}
	runs := r.of(name, c)
	var done []run
	var rates []float64
	for _, x := range runs {
		rates = append(rates, x.Goodput)
		if x.Failed == "" {
			done = append(done, x)
		}
		if s := x.setting.String(); s != "" && !slices.Contains(w.Settings, s) {
			w.Settings = append(w.Settings, s)
		}
	}
	w.Complete, w.Of = len(done), len(runs)
	w.Goodput, w.Low, w.High = stage.Median(rates), slices.Min(rates), slices.Max(rates)
	w.Raw = ratio(runs, r.of("raw", c))
	if name != "raw" {
		w.Best = ratio(runs, r.of(best, c))
	}
	median := func(f func(run) float64) float64 { return stage.Medians(done, f) }
	w.Arrived = median(func(x run) float64 { return x.Arrived })
	perGB := func(seconds float64, x run) float64 {
		return seconds / float64(cmp.Or(x.Bytes, int64(r.Settings.Size))) * 1e9
	}
	w.RootCPU = median(func(x run) float64 { return perGB(x.RootUsage.CPU(), x) })
	w.RootRSS = median(func(x run) float64 { return float64(x.RootUsage.PeakRSS) })
	w.LeafCPU = median(func(x run) float64 { return perGB(stage.Costliest(x.LeafUsage).CPU(), x) })
	w.LeafRSS = median(func(x run) float64 { return float64(stage.Costliest(x.LeafUsage).PeakRSS) })
	return w
}

// ratio is the median of the rounds' ratios; rounds in which the other failed
// tell nothing.
func ratio(runs, others []run) float64 {
	var all []float64
	for _, x := range runs {
		for _, y := range others {
			if x.Round == y.Round && y.Goodput > 0 {
				all = append(all, x.Goodput/y.Goodput)
			}
		}
	}
	return stage.Median(all)
}

func (r *report) table() []byte {
	var b bytes.Buffer
	for _, line := range r.about() {
		fmt.Fprintln(&b, line)
	}
	for _, f := range r.Peers {
		if f.Missing == "" {
			fmt.Fprintf(&b, "  %s %s: %s.\n", f.Name, f.Version, f.About)
		}
	}
	if missing := r.missing(); missing != "" {
		fmt.Fprintf(&b, "Not installed, so not measured: %s.\n", missing)
	}
	var c cell
	for _, w := range r.Rows {
		if w.cell != c {
			c = w.cell
			fmt.Fprintf(&b, "\n%s, %g %% loss; the best of the others is %s\n", receivers(c.Leaves), c.Loss, or(w.BestPeer, "none"))
			fmt.Fprintf(&b, "  %-22s %8s %15s %7s %8s %9s %9s %8s %8s  %-12s %6s %6s  %s\n", "", "MB/s", "range", "x raw", "x best", "root s/GB", "leaf s/GB", "root RSS", "leaf RSS", "complete", "bound", "holds", "set by hand")
		}
		complete := fmt.Sprintf("%d of %d", w.Complete, w.Of)
		if w.Peer == "raw" || w.Peer == "iperf" {
			complete = fmt.Sprintf("%.1f %% came", 100*w.Arrived)
		}
		bound, holds := w.state()
		fmt.Fprintf(&b, "  %-22s %8.1f %15s %7s %8s %9.2f %9.2f %5.0f MB %5.0f MB  %-12s %6s %6s  %s\n", w.Peer, w.Goodput/1e6,
			fmt.Sprintf("%.1f-%.1f", w.Low/1e6, w.High/1e6), figure(w.Raw), figure(w.Best), w.RootCPU, w.LeafCPU, w.RootRSS/1e6, w.LeafRSS/1e6,
			complete, bound, holds, or(strings.Join(w.Settings, ", then "), "-"))
	}
	return b.Bytes()
}

// figure is a ratio that may be unknown.
func figure(v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", v)
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
