package main

import (
	"fmt"
	"strings"

	"github.com/joinleaf/joinleaf/bench/chart"
)

// notDrawn tells what is left to a note: its lines would press all others to the floor.
func notDrawn(peer string) bool { return strings.HasSuffix(peer, "-offload") }

// picture has a panel for each number of receivers and a line for each peer.
func (r *report) picture() chart.Picture {
	pic := chart.Picture{Title: "Bulk data over multicast: goodput of the slowest receiver"}
	var steps []string
	for _, loss := range r.Settings.Loss.List {
		steps = append(steps, fmt.Sprintf("%v", loss))
	}
	var aside []string
	for _, n := range r.Settings.Leaves.Ints() {
		panel := chart.Panel{Title: receivers(n), X: "packets lost at each receiver, % (steps)", Y: "MB/s", Steps: steps}
		for _, f := range r.Peers {
			s := chart.Series{Name: f.Name, Strong: f.Name == "joinleaf"}
			for _, w := range r.Rows {
				if w.Peer != f.Name || w.cell.Leaves != n {
					continue
				}
				if notDrawn(w.Peer) && w.Loss == 0 && w.Complete > 0 {
					aside = append(aside, fmt.Sprintf("%s %.0f MB/s to %s", w.Peer, w.Goodput/1e6, receivers(n)))
				}
				s.Points = append(s.Points, chart.Point{Y: w.Goodput / 1e6, Low: w.Low / 1e6, High: w.High / 1e6, None: w.Complete == 0})
			}
			if f.Missing == "" && !notDrawn(f.Name) {
				panel.Series = append(panel.Series, s)
			}
		}
		pic.Panels = append(pic.Panels, panel)
	}
	pic.Notes = append(r.about(), "raw: plain sockets, nothing repaired, always without loss. Bars through the marks: lowest and highest round. A missing mark: no run was complete.")
	if len(aside) > 0 {
		pic.Notes = append(pic.Notes, "Not drawn, with segmentation offload on the virtual links: "+strings.Join(aside, ", ")+", at 0 %.")
	}
	if missing := r.missing(); missing != "" {
		pic.Notes = append(pic.Notes, "Not installed, so not measured: "+missing+".")
	}
	return pic
}

func receivers(n int) string {
	if n == 1 {
		return "1 receiver"
	}
	return fmt.Sprintf("%d receivers", n)
}
