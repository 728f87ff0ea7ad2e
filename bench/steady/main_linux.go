// Steady sends at full speed for a minute and shows what that costs: allocations
// of a packet, the heap over time, the most memory of each node, and processor
// time.
//
//	go run ./bench/steady           # as root, Linux
//	go run ./bench/steady -check    # and exit code 1 when a bound is broken
//
// One root and two leaves (-leaves), one reliable stream, a message fills a packet,
// everything at its defaults; the root's device takes batches whole. Signed by the
// root as by default, by the group's key, and without protection (-levels), one
// after the other. Each side looks at its heap once a second.
//
// Bounds, for every level: one object on the heap for a thousand packets at most, in
// the second half (what a session makes in a minute whether it sends or not); the heap in the last
// quarter at most 1 MiB above what it was in the second; 48 MB of RSS at its peak;
// 0.3 processor seconds of a leaf for 128 MiB.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/bench/stream"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// The bounds.
const (
	boundObjects = 0.001   // a packet
	boundGrowth  = 1 << 20 // bytes of heap, from the second quarter to the last
	boundRSS     = 48e6    // bytes of a node
	boundCPU     = 0.3     // seconds of a leaf, for 128 MiB
)

const (
	mebi128 = 128 << 20
	packet  = 1472 // what an Ethernet's MTU has room for, after IPv4 and UDP
)

// settings are the flags.
type settings struct {
	For    time.Duration
	Leaves int
	Levels []stream.Level
	Check  bool
	out    string
}

// row is a node of a run.
type row struct {
	Level       stream.Level
	Node        string
	Failed      string  `json:",omitempty"` // then the rest is nothing
	Rate        float64 // packets a second at the slowest leaf
	Objects     float64 // a packet, in the second half
	Early, Late uint64  // the most bytes of heap in the second quarter, and in the last
	RSS         int64
	CPU         float64 // seconds for 128 MiB
	Broken      []string
}

// report is what the JSON holds.
type report struct {
	Machine  stage.Machine
	Settings settings
	Rows     []row
	Runs     []stream.Result
}

func main() {
	stage.Play(stream.Side.Do)
	if err := steady(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "steady:", err)
		os.Exit(1)
	}
}

func parse(args []string) (s settings, err error) {
	f := flag.NewFlagSet("steady", flag.ContinueOnError)
	f.DurationVar(&s.For, "for", time.Minute, "length of each run")
	f.IntVar(&s.Leaves, "leaves", 2, "leaves")
	levels := f.String("levels", "signed,group,clear", "`levels` of protection, with commas")
	f.BoolVar(&s.Check, "check", false, "exit with 1 when a bound is broken")
	f.StringVar(&s.out, "out", "bench/results", "`folder` for steady.json and steady.txt")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 || s.Leaves < 1 || s.Leaves > 16 || s.For < 100*time.Millisecond || s.For > time.Hour {
		return s, fmt.Errorf("100 ms to an hour, 1 to 16 leaves, and no arguments but flags")
	}
	s.Levels, err = stream.Levels(*levels)
	return s, err
}

func steady(args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	if err := netlab.Missing(); err != nil {
		return err
	}
	r := report{Settings: s, Machine: stage.ThisMachine()}
	if err := r.measure(); err != nil {
		return err
	}
	if err := r.write(); err != nil {
		return err
	}
	if broken := r.broken(); s.Check && len(broken) > 0 {
		return fmt.Errorf("broken: %s", strings.Join(broken, "; "))
	}
	return nil
}

// measure runs the levels one after the other.
func (r *report) measure() error {
	lab, err := netlab.Open(netlab.Options{Hosts: []string{"root"}})
	if err != nil {
		return err
	}
	defer lab.Close()
	var leaves []*netlab.Host
	for i := range r.Settings.Leaves {
		h, err := lab.AddHost(fmt.Sprint("leaf", i+1), 0)
		if err != nil {
			return err
		}
		leaves = append(leaves, h)
	}
	for _, level := range r.Settings.Levels {
		looks := max(8, int(r.Settings.For/time.Second))
		spec := stream.Spec{Level: level, Class: flow.Reliable, Packet: packet, For: r.Settings.For, Leaves: len(leaves), Offload: true, Looks: looks}
		x, err := stream.Run(lab.Host("root"), leaves, spec, "steady-"+string(level), func(h *netlab.Host, limit time.Duration, s stream.Side) (*stage.Side, error) {
			return stage.Start(h, limit, s)
		})
		if err != nil {
			r.Rows = append(r.Rows, row{Level: level, Node: "root", Failed: err.Error(), Broken: []string{err.Error()}})
			continue
		}
		fmt.Fprintf(os.Stderr, "%s: %.0f packets/s\n", level, x.Rate)
		r.Runs = append(r.Runs, x)
		r.Rows = append(r.Rows, nodes(level, spec, x)...)
	}
	return nil
}

// nodes are the rows of a run.
func nodes(level stream.Level, spec stream.Spec, x stream.Result) (all []row) {
	full := float64(mebi128) / float64(spec.Full()) // packets of 128 MiB of messages
	add := func(name string, s stage.Spent, messages uint64, heap []stream.Look, rss int64) *row {
		w := row{Level: level, Node: name, Rate: x.Rate, RSS: rss, CPU: s.CPU / float64(max(1, messages)) * full}
		w.Objects = later(heap) / (float64(max(1, messages)) / s.Seconds)
		w.Early, w.Late = quarters(heap)
		if w.Objects > boundObjects {
			w.broken("%.4f objects a packet, not %v", w.Objects, boundObjects)
		}
		if w.Late > w.Early+boundGrowth {
			w.broken("the heap grew from %.1f to %.1f MB", float64(w.Early)/1e6, float64(w.Late)/1e6)
		}
		if rss > boundRSS {
			w.broken("%.1f MB of RSS, not %.0f", float64(rss)/1e6, boundRSS/1e6)
		}
		all = append(all, w)
		return &all[len(all)-1]
	}
	add("root", x.Sent.Spent, x.Sent.Messages, x.Sent.Heap, x.RootUsage.PeakRSS)
	for i, g := range x.Got {
		w := add(fmt.Sprint("leaf ", i+1), g.Spent, g.Messages, g.Heap, x.LeafUsage[i].PeakRSS)
		if w.CPU > boundCPU {
			w.broken("%.2f processor seconds for 128 MiB, not %.1f", w.CPU, boundCPU)
		}
	}
	return all
}

func (w *row) broken(format string, args ...any) {
	w.Broken = append(w.Broken, fmt.Sprintf(format, args...))
}

// later is the objects a second of the second half: at its beginning a session
// makes what it keeps.
func later(heap []stream.Look) float64 {
	if len(heap) < 2 {
		return 0
	}
	a, b := heap[len(heap)/2-1], heap[len(heap)-1]
	return float64(b.Objects-a.Objects) / (b.Seconds - a.Seconds)
}

// quarters are the most of the second quarter and of the last; the first is for
// what grows at the beginning.
func quarters(heap []stream.Look) (early, late uint64) {
	most := func(part []stream.Look) (b uint64) {
		for _, l := range part {
			b = max(b, l.Bytes)
		}
		return b
	}
	n := len(heap)
	return most(heap[n/4 : n/2]), most(heap[n-n/4:])
}

func (r *report) broken() (names []string) {
	for _, w := range r.Rows {
		for _, what := range w.Broken {
			names = append(names, fmt.Sprintf("%s, %s: %s", w.Level, w.Node, what))
		}
	}
	return names
}

// write makes the files and shows the table.
func (r *report) write() error {
	return stage.Publish(os.Stdout, r.Settings.out, "steady", r, r.table())
}

func (r *report) table() []byte {
	var b bytes.Buffer
	s := r.Settings
	fmt.Fprintf(&b, `Full speed for %v, one root and %d leaves, reliable, a message a packet, offload; processor time and objects are those of the stretch.
Bounds: %v objects a packet, a heap that grows by 1 MiB at most from the second quarter to the last, 48 MB of RSS, %v s of a leaf for 128 MiB.
%s.

`, s.For, s.Leaves, boundObjects, boundCPU, r.Machine)
	fmt.Fprintf(&b, "%-8s %-8s %10s %14s %22s %10s %10s  %s\n", "level", "node", "packets/s", "objects/packet", "heap, 2nd-4th quarter", "peak RSS", "s/128 MiB", "holds")
	for _, w := range r.Rows {
		if w.Failed != "" {
			fmt.Fprintf(&b, "%-8s failed: %s\n", w.Level, w.Failed)
			continue
		}
		holds := "yes"
		if len(w.Broken) > 0 {
			holds = "NO: " + strings.Join(w.Broken, "; ")
		}
		fmt.Fprintf(&b, "%-8s %-8s %10.0f %14.5f %22s %7.1f MB %10.2f  %s\n", w.Level, w.Node, w.Rate, w.Objects,
			fmt.Sprintf("%.2f - %.2f MB", float64(w.Early)/1e6, float64(w.Late)/1e6), float64(w.RSS)/1e6, w.CPU, holds)
	}
	if !slices.ContainsFunc(r.Rows, func(w row) bool { return w.Failed == "" }) {
		b.WriteString("Nothing was measured.\n")
	}
	return b.Bytes()
}
