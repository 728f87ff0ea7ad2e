package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/joinleaf/joinleaf/bench/chart"
)

// notDrawn tells what the curves leave to the table, or to a note: a panel has room
// for eight lines, and those with offload would press all others to the floor.
func notDrawn(peer string) bool {
	switch peer {
	case "iperf", "tcp", "tcp-tls", "uftp-aes", "epgm", "joinleaf-clear":
		return true
	}
	return offloaded(peer)
}

func offloaded(peer string) bool { return strings.HasSuffix(peer, "-offload") }

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
				if offloaded(w.Peer) && w.Loss == 0 && w.Complete > 0 {
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

// scaled is who the picture of receivers shows, beside the best of the rivals.
var scaled = []string{"raw", "tcp", "tcp-tls", "joinleaf", "joinleaf-group", "joinleaf-offload", "joinleaf-group-offload"}

// scaling shows goodput and processor time by the number of receivers, without
// loss, and so from how many on a multicast beats a copy for each.
func (r *report) scaling() chart.Picture {
	pic := chart.Picture{Title: "One multicast, or a copy for each: without loss, by the number of receivers"}
	all := []chart.Panel{{Title: "goodput of the slowest receiver", Y: "MB/s"}, {Title: "processor time of the sender", Y: "s for a GB to each receiver"}}
	for _, n := range r.Settings.Leaves.Ints() {
		for i := range all {
			all[i].X = "receivers (steps)"
			all[i].Steps = append(all[i].Steps, fmt.Sprint(n))
		}
	}
	for _, name := range append(slices.Clone(scaled), "best of the others") {
		goodput, cost := chart.Series{Name: name, Strong: name == "joinleaf"}, chart.Series{Name: name, Strong: name == "joinleaf"}
		there := false
		for _, n := range r.Settings.Leaves.Ints() {
			g, c := chart.Point{None: true}, chart.Point{None: true}
			for _, w := range r.Rows {
				if w.cell == (cell{Leaves: n}) && w.Complete > 0 && (w.Peer == name || w.Peer == w.BestPeer && name == "best of the others") {
					g = chart.Point{Y: w.Goodput / 1e6, Low: w.Low / 1e6, High: w.High / 1e6}
					c = chart.Point{Y: w.RootCPU, Low: w.RootCPU, High: w.RootCPU}
					there = true
				}
			}
			goodput.Points, cost.Points = append(goodput.Points, g), append(cost.Points, c)
		}
		if there {
			all[0].Series, all[1].Series = append(all[0].Series, goodput), append(all[1].Series, cost)
		}
	}
	pic.Panels, pic.Notes = all, append(r.about(), "raw: plain sockets, nothing repaired. tcp, tcp-tls: a connection for each receiver. Offload: batches cross the virtual links whole.")
	return pic
}

func receivers(n int) string {
	if n == 1 {
		return "1 receiver"
	}
	return fmt.Sprintf("%d receivers", n)
}
