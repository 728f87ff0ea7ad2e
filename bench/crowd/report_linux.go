package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// report is what the JSON holds.
type report struct {
	Machine   stage.Machine
	Settings  settings
	Simulated []joined
	Kernel    []held
	// Medians: seconds until all had joined in memory, and bytes a leaf at the root.
	Seconds, Heap, Stacks, RSS float64
}

// measure runs the rounds.
func (r *report) measure() error {
	s := r.Settings
	for round := range s.Rounds {
		j, err := simulated(s.Leaves)
		if err != nil {
			return err
		}
		r.Simulated = append(r.Simulated, j)
		fmt.Fprintf(os.Stderr, "round %d, simulated: %d leaves in %.2f s\n", round+1, s.Leaves, j.Seconds)
	}
	if !s.Kernel {
		return nil
	}
	if err := netlab.Missing(); err != nil {
		return err
	}
	lab, err := netlab.Open(netlab.Options{Hosts: []string{"root", "crowd"}})
	if err != nil {
		return err
	}
	defer lab.Close()
	for round := range s.Rounds {
		h, err := kernel(lab, s.Leaves)
		if err != nil {
			return err
		}
		r.Kernel = append(r.Kernel, h)
		fmt.Fprintf(os.Stderr, "round %d, kernel: %d leaves in %.2f s, %d KiB of RSS each\n", round+1, s.Leaves, h.Seconds, (h.After.RSS-h.Before.RSS)/int64(s.Leaves)/1024)
	}
	return nil
}

func (r *report) summarize() {
	r.Seconds = stage.Medians(r.Simulated, func(j joined) float64 { return j.Seconds })
	leaf := func(of func(usage) int64) float64 {
		return stage.Medians(r.Kernel, func(h held) float64 { return float64(of(h.After)-of(h.Before)) / float64(r.Settings.Leaves) })
	}
	r.Heap, r.Stacks, r.RSS = leaf(func(u usage) int64 { return u.Heap }), leaf(func(u usage) int64 { return u.Stacks }), leaf(func(u usage) int64 { return u.RSS })
}

// broken names the bounds that do not hold; another number of leaves has none for
// the time.
func (r *report) broken() (names []string) {
	if r.Settings.Leaves == boundLeaves && r.Seconds > boundJoin.Seconds() {
		names = append(names, fmt.Sprintf("%d leaves joined in %.2f s, not %v", r.Settings.Leaves, r.Seconds, boundJoin))
	}
	if len(r.Kernel) > 0 && r.RSS > boundMemory {
		names = append(names, fmt.Sprintf("%.1f KiB a leaf at the root, not %d", r.RSS/1024, boundMemory>>10))
	}
	return names
}

// write makes the files and shows the table.
func (r *report) write(table io.Writer) error {
	r.summarize()
	return stage.Publish(table, r.Settings.out, "crowd", r, r.table())
}

func (r *report) table() []byte {
	var b bytes.Buffer
	s := r.Settings
	state := func(bound bool, held bool) string {
		switch {
		case !bound:
			return "-"
		case held:
			return "yes"
		}
		return "NO"
	}
	fmt.Fprintf(&b, "%d leaves, medians of %d rounds.\n%s.\n\n%-52s %12s %10s %6s\n", s.Leaves, s.Rounds, r.Machine, "", "", "bound", "holds")
	fmt.Fprintf(&b, "%-52s %10.2f s %10s %6s\n", "joined, simulated sockets in one process", r.Seconds, "<="+boundJoin.Round(time.Second).String(), state(s.Leaves == boundLeaves, r.Seconds <= boundJoin.Seconds()))
	fmt.Fprintf(&b, "%-52s %8.1f KiB %10s %6s\n", "heap and stacks there, of root and leaf together", stage.Medians(r.Simulated, func(j joined) float64 { return j.Bytes })/1024, "", "")
	if len(r.Kernel) == 0 {
		b.WriteString("The root's memory was not measured.\n")
		return b.Bytes()
	}
	first := func(of func(usage) int64) float64 {
		return stage.Medians(r.Kernel, func(h held) float64 { return float64(of(h.Before)) })
	}
	fmt.Fprintf(&b, "%-52s %8.1f KiB\n", "heap of the root, a leaf", r.Heap/1024)
	fmt.Fprintf(&b, "%-52s %8.1f KiB\n", "stacks of the root, a leaf", r.Stacks/1024)
	fmt.Fprintf(&b, "%-52s %8.1f KiB %10s %6s\n", "RSS of the root, a leaf", r.RSS/1024, "<=64 KiB", state(true, r.RSS <= boundMemory))
	fmt.Fprintf(&b, "%-52s %8.1f MB\n", "RSS of the root without a leaf", first(func(u usage) int64 { return u.RSS })/1e6)
	fmt.Fprintf(&b, "%-52s %10.2f s\n", "joined, kernel's sockets in two processes", stage.Medians(r.Kernel, func(h held) float64 { return h.Seconds }))
	return b.Bytes()
}
