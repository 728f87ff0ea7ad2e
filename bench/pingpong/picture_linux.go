package main

import (
	"fmt"

	"github.com/joinleaf/joinleaf/bench/chart"
)

// picture has a panel for each rate, and a line for each way over the percentiles.
func (r *report) picture() chart.Picture {
	s := r.Settings
	pic := chart.Picture{Title: fmt.Sprintf("Round trips of %d B: percentiles", s.Size)}
	ways := r.ways()
	for i := 0; i < len(r.Rows); i += len(ways) {
		panel := chart.Panel{Title: fmt.Sprintf("%.0f a second", r.Rows[i].Rate), X: "percentile (steps)", Y: "microseconds", Steps: []string{"50", "99", "99.9"}}
		for _, w := range r.Rows[i : i+len(ways)] {
			if w.Way.Name == waits {
				continue
			}
			line := chart.Series{Name: w.Way.Name, Strong: w.Way.Judged}
			for _, of := range []func(times) float64{
				func(x times) float64 { return x.P50 }, func(x times) float64 { return x.P99 }, func(x times) float64 { return x.P999 },
			} {
				line.Points = append(line.Points, w.point(of))
			}
			panel.Series = append(panel.Series, line)
		}
		pic.Panels = append(pic.Panels, panel)
	}
	pic.Notes = []string{
		fmt.Sprintf("One at a time, for %v; medians of %d interleaved rounds, bars: lowest and highest round. %s.", s.For, s.Rounds, r.Machine),
		"Not drawn: " + waits + ", which is signed every 0.25 ms at most; its figures are in the table.",
	}
	return pic
}

// waits is the way whose times would press all others to the floor.
const waits = "reliable, signed"

func (w row) point(of func(times) float64) chart.Point {
	p := chart.Point{Y: of(w.Sum.times), None: true}
	for _, x := range w.Runs {
		v := of(x)
		if x.Failed != "" || v == 0 {
			continue
		}
		if p.None || v < p.Low {
			p.Low = v
		}
		p.High, p.None = max(p.High, v), false
	}
	return p
}
