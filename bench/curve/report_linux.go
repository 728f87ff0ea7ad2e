package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/stage"
)

// report is what the JSON holds.
type report struct {
	Machine  stage.Machine
	Settings settings
	Points   []point
	Runs     []run
}

// run is one transfer.
type run struct {
	Round int
	bulk.Spec
	bulk.Result
}

// point is the rounds of one leaf count at one loss, in medians.
type point struct {
	Leaves             int
	Loss               float64 // asked for, percent
	Lost               float64 // what the filters dropped, percent; with -offload they count batches, and this is 0
	Complete, Of       int     // runs
	Goodput, Low, High float64 // bytes a second; median and range
	Ratio              float64 // to the same round's 0 %; 0 where there is none
	RatioLow           float64
	RatioHigh          float64
	Wire               float64 // bytes on the wire for a byte of content
	Naks, Repairs      float64
	RootCPU, LeafCPU   float64 // seconds; the leaf that took most
	RootRSS, LeafRSS   float64 // bytes; likewise
}

func (r *report) summarize() {
	r.Points = nil
	for _, n := range r.Settings.Leaves.Ints() {
		for _, loss := range r.Settings.Loss.List {
			r.Points = append(r.Points, r.point(n, loss))
		}
	}
}

func (r *report) point(leaves int, loss float64) point {
	p := point{Leaves: leaves, Loss: loss}
	var goodput, ratios []float64
	var done []run
	for _, x := range r.Runs {
		if x.Leaves != leaves || x.Loss != loss {
			continue
		}
		p.Of++
		goodput = append(goodput, x.Goodput)
		if x.Failed == "" {
			done = append(done, x)
		}
		if own := r.clean(x); own > 0 {
			ratios = append(ratios, x.Goodput/own)
		}
	}
	p.Complete = len(done)
	p.Goodput, p.Low, p.High = spread(goodput)
	p.Ratio, p.RatioLow, p.RatioHigh = spread(ratios)
	median := func(f func(run) float64) float64 { return stage.Medians(done, f) }
	if !r.Settings.Offload {
		p.Lost = 100 * median(func(x run) float64 { return x.LostShare() })
	}
	p.Wire = median(func(x run) float64 { return x.Wire(x.Spec) })
	p.Naks = median(func(x run) float64 { return float64(x.Sent.Naks) })
	p.Repairs = median(func(x run) float64 { return float64(x.Sent.RepairGroup + x.Sent.RepairAlone) })
	p.RootCPU = median(func(x run) float64 { return x.RootUsage.CPU() })
	p.RootRSS = median(func(x run) float64 { return float64(x.RootUsage.PeakRSS) })
	p.LeafCPU = median(func(x run) float64 { return stage.Costliest(x.LeafUsage).CPU() })
	p.LeafRSS = median(func(x run) float64 { return float64(stage.Costliest(x.LeafUsage).PeakRSS) })
	return p
}

// clean is the goodput without loss of x's round and leaf count.
func (r *report) clean(x run) float64 {
	for _, y := range r.Runs {
		if y.Round == x.Round && y.Leaves == x.Leaves && y.Loss == 0 {
			return y.Goodput
		}
	}
	return 0
}

func spread(v []float64) (median, low, high float64) {
	if len(v) == 0 {
		return 0, 0, 0
	}
	return stage.Median(v), slices.Min(v), slices.Max(v)
}

// write makes the files and shows the table.
func (r *report) write(table io.Writer) error {
	r.summarize()
	return stage.Publish(table, r.Settings.out, "curve", r, r.table(), stage.Picture{Name: "curve", SVG: r.picture().SVG()})
}

// about is what was measured, in lines.
func (r *report) about() []string {
	s := r.Settings
	cut := "single packets (no segmentation offload on the root's device)"
	if s.Offload {
		cut = "whole batches (segmentation offload on the root's device)"
	}
	return []string{
		fmt.Sprintf("%s to each leaf in messages of %d B; one reliable stream, AES-256-GCM, source %s, else all defaults; medians of %d interleaved rounds.", &s.Size, s.Message, s.Source, s.Rounds),
		"Goodput: slowest leaf, first to last byte, every byte checked. Loss: at random at each leaf's input, " + cut + ".",
		r.Machine.String() + ".",
	}
}

func (r *report) table() []byte {
	var b bytes.Buffer
	for _, line := range r.about() {
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintf(&b, "\n%6s %7s %7s %8s %15s %9s %10s %8s %8s %9s %9s %8s %8s %9s\n", "leaves", "loss %", "lost %", "MB/s", "range",
		"of own 0%", "wire/file", "NAKs", "repairs", "root CPU", "leaf CPU", "root RSS", "leaf RSS", "complete")
	for _, p := range r.Points {
		lost := fmt.Sprintf("%.2f", p.Lost)
		if r.Settings.Offload {
			lost = "-"
		}
		fmt.Fprintf(&b, "%6d %7.4g %7s %8.1f %15s %9.2f %10.3f %8.0f %8.0f %7.2f s %7.2f s %5.0f MB %5.0f MB %9s\n", p.Leaves, p.Loss, lost,
			p.Goodput/1e6, fmt.Sprintf("%.1f-%.1f", p.Low/1e6, p.High/1e6), p.Ratio, p.Wire, p.Naks, p.Repairs,
			p.RootCPU, p.LeafCPU, p.RootRSS/1e6, p.LeafRSS/1e6, fmt.Sprintf("%d of %d", p.Complete, p.Of))
	}
	return b.Bytes()
}
