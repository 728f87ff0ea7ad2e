package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/joinleaf/joinleaf/bench/kernel"
	"github.com/joinleaf/joinleaf/bench/stage"
)

// report is what the JSON holds.
type report struct {
	Machine  stage.Machine
	Settings settings
	Bases    []base
	Rows     []row
}

// summary is a row's rounds in medians.
type summary struct {
	Rate, Ratio, Low, High float64 // packets a second; to the raw limit
	Missed                 float64 // share of messages
	RootCPU, LeafCPU       float64 // seconds a packet
	LeafObjects            float64 // allocated a packet
	Failed                 int     // runs
	Held                   bool
	Clear                  float64 // goodput, to that of clear in the same round; 0: unknown
	ClearHeld              bool
}

// summarize takes the medians; clear is the row of that name beside w, or nil.
func (w *row) summarize(clear *row) {
	var ratios []float64
	failed := 0
	for _, x := range w.Runs {
		ratios = append(ratios, x.ratio())
		if x.Failed != "" {
			failed++
		}
	}
	s := summary{
		Failed: failed, Rate: stage.Medians(w.Runs, func(x run) float64 { return x.Rate }), Ratio: stage.Median(ratios),
		Missed:  stage.Medians(w.Runs, func(x run) float64 { return x.MissShare }),
		RootCPU: stage.Medians(w.Runs, func(x run) float64 { return x.RootCPU() }), LeafCPU: stage.Medians(w.Runs, func(x run) float64 { return x.LeafCPU() }),
		LeafObjects: stage.Medians(w.Runs, func(x run) float64 { return x.LeafObjects() }),
	}
	if len(ratios) > 0 {
		s.Low, s.High = slices.Min(ratios), slices.Max(ratios)
	}
	s.Held = s.Ratio >= w.Bound
	if clear != nil && w.Class == clear.Class {
		var kept []float64
		for i, x := range w.Runs {
			if beside := clear.goodput(clear.Runs[i]); beside > 0 {
				kept = append(kept, w.goodput(x)/beside)
			}
		}
		s.Clear = stage.Median(kept)
	}
	s.ClearHeld = clear == nil || s.Clear >= w.ClearBound
	w.Sum = s
}

// clearOf is the row that w's protection is compared with; nil: it was not run.
func (r *report) clearOf(w row) *row {
	for i := range r.Rows {
		if c := &r.Rows[i]; c.Name == reliableClear && c.Leaves == w.Leaves && c.Offload == w.Offload {
			return c
		}
	}
	return nil
}

// broken names the rows whose bound does not hold.
func (r *report) broken() (names []string) {
	for _, w := range r.Rows {
		if !w.Sum.Held {
			names = append(names, fmt.Sprintf("%s, %s, to %d: %.2f, not %.2f", w.Name, devices(w.Offload), w.Leaves, w.Sum.Ratio, w.Bound))
		}
		if w.Sum.Failed > 0 {
			names = append(names, fmt.Sprintf("%s, %s, to %d: %d of %d runs failed", w.Name, devices(w.Offload), w.Leaves, w.Sum.Failed, len(w.Runs)))
		}
		if !w.Sum.ClearHeld {
			names = append(names, fmt.Sprintf("%s, %s, to %d: %.2f of clear, not %.2f", w.Name, devices(w.Offload), w.Leaves, w.Sum.Clear, w.ClearBound))
		}
	}
	return names
}

// write makes the files and shows the table.
func (r *report) write(table io.Writer) error {
	for i := range r.Rows {
		r.Rows[i].summarize(r.clearOf(r.Rows[i]))
	}
	return stage.Publish(table, r.Settings.out, "limit", r, r.table())
}

const mebi128 = 128 << 20

func (r *report) table() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `Packets of %d B, %s, for %v; packets a second at the slowest receiver; medians of %d interleaved rounds.
x raw is to the raw limit of the same round: with offload UDP_SEGMENT and UDP_GRO at the highest rate without loss (0.1 %%),
without sendmmsg and recvmmsg, unpaced. x clear is bytes of messages, to "%s" of the same round.
Clear is a session without protection (InsecurePlaintextForTesting). Group is AES-256-GCM, signed the default.
%s.
`, kernel.Size, r.Settings.messages(), r.Settings.For, r.Settings.Rounds, reliableClear, r.Machine)
	for _, base := range r.Bases {
		raw := stage.Medians(base.Runs, func(x rawRun) float64 { return x.Result.Rate })
		fmt.Fprintf(&b, "\n%-22s %11s %7s %16s %7s %6s %8s %7s %6s %8s %12s %12s %8s\n", fmt.Sprintf("to %d, %s", base.Leaves, devices(base.Offload)),
			"packets/s", "Gbit/s", "x raw (range)", "bound", "holds", "x clear", "bound", "holds", "missed%", "root s/128Mi", "leaf s/128Mi", "objects")
		fmt.Fprintf(&b, "%-22s %11.0f %7.2f\n", "raw", raw, raw*kernel.Size*8/1e9)
		for _, w := range r.Rows {
			if w.Leaves != base.Leaves || w.Offload != base.Offload {
				continue
			}
			s, clear := w.Sum, "-"
			if s.Clear > 0 {
				clear = fmt.Sprintf("%.2f", s.Clear)
			}
			bound, holds := state(w.Bound, s.Held)
			clearBound, clearHolds := state(w.ClearBound, s.ClearHeld)
			if s.Clear == 0 {
				clearHolds = "-"
			}
			fmt.Fprintf(&b, "%-22s %11.0f %7.2f %16s %7s %6s %8s %7s %6s %8.2f %12.2f %12.2f %8.3f\n", w.Name, s.Rate, s.Rate*kernel.Size*8/1e9,
				fmt.Sprintf("%.2f (%.2f-%.2f)", s.Ratio, s.Low, s.High), bound, holds, clear, clearBound, clearHolds,
				100*s.Missed, s.RootCPU*mebi128/kernel.Size, s.LeafCPU*mebi128/kernel.Size, s.LeafObjects)
			if s.Failed > 0 {
				fmt.Fprintf(&b, "  %d of %d runs failed and count as 0\n", s.Failed, len(w.Runs))
			}
		}
	}
	return b.Bytes()
}

func (s settings) messages() string {
	if s.Message == 0 {
		return "a message each"
	}
	return fmt.Sprintf("messages of %d B", s.Message)
}

// state is a bound and whether it holds.
func state(bound float64, held bool) (is, holds string) {
	switch {
	case bound == 0:
		return "-", "-"
	case held:
		return fmt.Sprintf(">=%.2f", bound), "yes"
	}
	return fmt.Sprintf(">=%.2f", bound), "NO"
}
