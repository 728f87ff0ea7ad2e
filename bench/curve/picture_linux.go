package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/joinleaf/joinleaf/bench/chart"
)

// picture shows the goodput, and the same as a share of each line's own 0 %
// where that was measured.
func (r *report) picture() chart.Picture {
	var steps []string
	for _, loss := range r.Settings.Loss.List {
		steps = append(steps, fmt.Sprintf("%v", loss))
	}
	x := "packets lost at each leaf, % (steps, not a scale)"
	goodput := chart.Panel{Title: "Goodput of the slowest leaf", X: x, Y: "MB/s", Steps: steps}
	ratio := chart.Panel{Title: "The same, as a part of its own at 0 %", X: x, Y: "of own 0 %", Steps: steps, Whole: 1}
	for _, n := range r.Settings.Leaves.Ints() {
		name := fmt.Sprintf("%d leaves", n)
		if n == 1 {
			name = "1 leaf"
		}
		a, b := chart.Series{Name: name}, chart.Series{Name: name}
		for _, p := range r.Points {
			if p.Leaves == n {
				none := p.Complete == 0
				a.Points = append(a.Points, chart.Point{Y: p.Goodput / 1e6, Low: p.Low / 1e6, High: p.High / 1e6, None: none})
				b.Points = append(b.Points, chart.Point{Y: p.Ratio, Low: p.RatioLow, High: p.RatioHigh, None: none})
			}
		}
		goodput.Series, ratio.Series = append(goodput.Series, a), append(ratio.Series, b)
	}
	pic := chart.Picture{Title: "joinleaf under packet loss", Panels: []chart.Panel{goodput}}
	if slices.Contains(r.Settings.Loss.List, 0) {
		pic.Panels = append(pic.Panels, ratio)
	}
	for _, line := range r.about() {
		first, rest, cut := strings.Cut(line, ". Loss:")
		if pic.Notes = append(pic.Notes, first); cut {
			pic.Notes = append(pic.Notes, "Loss:"+rest)
		}
	}
	pic.Notes = append(pic.Notes, "Bars through the marks: lowest and highest round.")
	return pic
}
