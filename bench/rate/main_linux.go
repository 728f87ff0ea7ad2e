// Rate measures small messages: how many a second one root delivers reliably to
// each of two leaves.
//
//	go run ./bench/rate             # as root, Linux; ends with a table and all runs as JSON
//	go run ./bench/rate -check      # and exit code 1 when a bound is broken
//
// Messages of 64 B and 1 KB (-messages) over one reliable stream: clear, by the
// group's key, and signed as by default (-levels); with the root's device taking
// batches whole and with tx-udp-segmentation off. Package stream says what the
// sides do, and what clear is. The figure is that of the slowest leaf; processor time and
// allocations are those of a message, at the root and at the costliest leaf. The
// rounds are interleaved, and the row that begins is another in every round.
package main

import (
	"bytes"
	"errors"
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

// bounds is messages a second that are to be reached at each of two leaves, by
// bytes of a message.
var bounds = map[int]float64{64: 2e6, 1024: 0.5e6}

// settings are the flags.
type settings struct {
	Rounds   int
	For      time.Duration
	Leaves   int
	Messages stage.Numbers
	Levels   []stream.Level
	Judge    []stream.Level // with offload; the others' state is shown
	Check    bool
	out      string
}

// row is one size of messages.
type row struct {
	Name    string
	Message int
	Level   stream.Level
	Offload bool
	Judged  bool    // by -check
	Bound   float64 // messages a second; 0: none
	Runs    []run
	Sum     summary
}

// run is a round of a row; Failed: why the rest is nothing.
type run struct {
	Failed string `json:",omitempty"`
	stream.Result
}

// summary is a row's rounds in medians; times and objects are a message's.
type summary struct {
	Rate, Low, High          float64
	RootCPU, LeafCPU         float64
	RootObjects, LeafObjects float64
	Packets                  float64 // messages in a packet
	Failed                   int     // runs
	Held                     bool
}

// report is what the JSON holds.
type report struct {
	Machine  stage.Machine
	Settings settings
	Rows     []row
}

func main() {
	stage.Play(stream.Side.Do)
	if err := rate(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "rate:", err)
		os.Exit(1)
	}
}

func parse(args []string) (s settings, err error) {
	s.Messages = stage.Numbers{List: []float64{64, 1024}, Least: 1, Most: 64 << 10, Whole: true}
	f := flag.NewFlagSet("rate", flag.ContinueOnError)
	f.IntVar(&s.Rounds, "rounds", 5, "interleaved rounds")
	f.DurationVar(&s.For, "for", 2*time.Second, "length of each run")
	f.IntVar(&s.Leaves, "leaves", 2, "leaves")
	f.Var(&s.Messages, "messages", "`bytes` of a message, with commas")
	levels := f.String("levels", "clear,group,signed", "`levels` of protection, with commas")
	judge := f.String("judge", "clear,group", "`levels` whose bounds, with offload, -check judges")
	f.BoolVar(&s.Check, "check", false, "exit with 1 when a bound is broken")
	f.StringVar(&s.out, "out", "bench/results", "`folder` for rate.json and rate.txt")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 || s.Rounds < 1 || s.Leaves < 1 || s.Leaves > 16 || s.For < 10*time.Millisecond || s.For > time.Minute {
		return s, fmt.Errorf("at least one round of 10 ms to a minute, 1 to 16 leaves, and no arguments but flags")
	}
	var err2 error
	s.Levels, err = stream.Levels(*levels)
	s.Judge, err2 = stream.Levels(*judge)
	return s, errors.Join(err, err2)
}

func rate(args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	if err := netlab.Missing(); err != nil {
		return err
	}
	r := report{Settings: s, Machine: stage.ThisMachine(), Rows: s.rows()}
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

func (s settings) rows() (all []row) {
	for _, offload := range []bool{true, false} {
		for _, n := range s.Messages.Ints() {
			for _, level := range s.Levels {
				device := "offload"
				if !offload {
					device = "no offload"
				}
				w := row{Name: fmt.Sprintf("%d B, %s, %s", n, device, level), Message: n, Level: level, Offload: offload}
				if s.Leaves == 2 {
					w.Bound = bounds[n]
				}
				w.Judged = w.Bound > 0 && offload && slices.Contains(s.Judge, level)
				all = append(all, w)
			}
		}
	}
	return all
}

// measure runs everything, round by round.
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
	for round := 1; round <= r.Settings.Rounds; round++ {
		for k := range r.Rows {
			w := &r.Rows[(k+round-1)%len(r.Rows)]
			spec := stream.Spec{Level: w.Level, Class: flow.Reliable, Message: w.Message, Packet: 1472, For: r.Settings.For, Leaves: len(leaves), Offload: w.Offload}
			label := strings.NewReplacer(", ", "-", " ", "-").Replace("rate-" + w.Name)
			x, err := stream.Run(lab.Host("root"), leaves, spec, label, start)
			done := run{Result: x}
			if err != nil { // it counts as 0, and the other rows go on
				done = run{Failed: err.Error()}
			}
			w.Runs = append(w.Runs, done)
			fmt.Fprintf(os.Stderr, "round %d: %-26s %9.0f messages/s %s\n", round, w.Name, done.Rate, done.Failed)
		}
	}
	return nil
}

func start(h *netlab.Host, limit time.Duration, s stream.Side) (*stage.Side, error) {
	return stage.Start(h, limit, s)
}

func (w *row) summarize() {
	median := func(f func(stream.Result) float64) float64 {
		return stage.Medians(w.Runs, func(x run) float64 { return f(x.Result) })
	}
	rate := func(x stream.Result) float64 { return x.Rate }
	var rates []float64
	failed := 0
	for _, x := range w.Runs {
		rates = append(rates, x.Rate)
		if x.Failed != "" {
			failed++
		}
	}
	w.Sum = summary{
		Failed: failed, Rate: median(rate), RootCPU: median(stream.Result.RootCPU), LeafCPU: median(stream.Result.LeafCPU),
		RootObjects: median(stream.Result.RootObjects), LeafObjects: median(stream.Result.LeafObjects),
		Packets: median(func(x stream.Result) float64 { return float64(x.Sent.Messages) / float64(max(1, x.Sent.Packets)) }),
	}
	if len(rates) > 0 {
		w.Sum.Low, w.Sum.High = slices.Min(rates), slices.Max(rates)
	}
	w.Sum.Held = w.Sum.Rate >= w.Bound
}

func (r *report) broken() (names []string) {
	for _, w := range r.Rows {
		if w.Sum.Failed > 0 {
			names = append(names, fmt.Sprintf("%s: %d of %d runs failed", w.Name, w.Sum.Failed, len(w.Runs)))
		}
		if w.Judged && !w.Sum.Held {
			names = append(names, fmt.Sprintf("%s: %.2f M/s, not %.2f", w.Name, w.Sum.Rate/1e6, w.Bound/1e6))
		}
	}
	return names
}

// write makes the files and shows the table.
func (r *report) write() error {
	for i := range r.Rows {
		r.Rows[i].summarize()
	}
	return stage.Publish(os.Stdout, r.Settings.out, "rate", r, r.table())
}

func (r *report) table() []byte {
	var b bytes.Buffer
	s := r.Settings
	fmt.Fprintf(&b, `One root to %d leaves for %v, one reliable stream; medians of %d interleaved rounds. Clear: without protection; group: AES-256-GCM; signed: the default.
Messages a second at the slowest leaf; processor time (user and system) and allocated objects a message, at the root and the costliest leaf.
In brackets: not judged by -check.
%s.

`, s.Leaves, s.For, s.Rounds, r.Machine)
	fmt.Fprintf(&b, "%-28s %20s %7s %6s %10s %9s %9s %9s %9s\n", "", "M messages/s", "bound", "holds", "in packet", "root ns", "leaf ns", "root obj", "leaf obj")
	for _, w := range r.Rows {
		x, bound, holds := w.Sum, "-", "-"
		if w.Bound > 0 {
			bound, holds = fmt.Sprintf(">=%.1f", w.Bound/1e6), "yes"
			if !x.Held {
				holds = "NO"
			}
			if !w.Judged {
				holds = "(" + holds + ")"
			}
		}
		fmt.Fprintf(&b, "%-28s %20s %7s %6s %10.1f %9.0f %9.0f %9.4f %9.4f\n", w.Name, fmt.Sprintf("%.2f (%.2f-%.2f)", x.Rate/1e6, x.Low/1e6, x.High/1e6),
			bound, holds, x.Packets, x.RootCPU*1e9, x.LeafCPU*1e9, x.RootObjects, x.LeafObjects)
	}
	return b.Bytes()
}
