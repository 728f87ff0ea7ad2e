// Curve draws joinleaf's loss curve: the goodput of one root and n leaves, each
// a process in a network namespace of its own, while every leaf's input loses
// packets at random.
//
//	go run ./bench/curve            # as root, Linux; ends with a table, a picture and all runs as JSON
//
// Settings are the defaults: one reliable stream, AES-256-GCM, signed by the root
// (-source has the other levels), and nobody tells the session the rate. A run moves -size bytes; every leaf checks every byte;
// package bulk says how, and what the figures mean. Each round runs every leaf
// count and every loss in turn, because shared machines drift: the ratio to a
// count's own 0 % is taken within the round.
//
// The root's device cuts batches into single packets (-offload leaves them
// whole), so that 1 % loses one packet in a hundred rather than forty packets
// in one batch of a hundred. A run that does not complete in its time, or in
// which a byte differs, counts as a goodput of 0.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// settings are the flags.
type settings struct {
	Loss    stage.Numbers
	Leaves  stage.Numbers
	Rounds  int
	Size    stage.Size
	Message int
	Offload bool
	Source  rooted.SourceLevel
	out     string
}

func main() {
	stage.Play(bulk.Side.Do)
	if err := curve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "curve:", err)
		os.Exit(1)
	}
}

func parse(args []string) (s settings, err error) {
	s = settings{
		Loss:   stage.Numbers{List: []float64{0, 0.1, 1, 2, 5, 10}, Most: 90},
		Leaves: stage.Numbers{List: []float64{1, 3, 8}, Least: 1, Most: 64, Whole: true},
		Size:   200e6,
	}
	f := flag.NewFlagSet("curve", flag.ContinueOnError)
	f.Var(&s.Loss, "loss", "`percent` of packets lost at each leaf's input, with commas")
	f.Var(&s.Leaves, "leaves", "`numbers` of leaves, with commas")
	f.IntVar(&s.Rounds, "rounds", 5, "interleaved rounds")
	f.Var(&s.Size, "size", "`bytes` to every leaf in a run, such as 200MB")
	f.IntVar(&s.Message, "message", 8<<10, "bytes of a message")
	f.BoolVar(&s.Offload, "offload", false, "leave batches whole on the root's device")
	f.TextVar(&s.Source, "source", rooted.Signed, "how leaves know that data is the root's: signed, eager or group")
	f.StringVar(&s.out, "out", "bench/results", "`folder` for curve.json, curve.txt and curve.svg")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 || s.Rounds < 1 {
		return s, fmt.Errorf("at least one round, and no arguments but flags")
	}
	_, err = bulk.NewContent(s.Message)
	return s, err
}

func curve(args []string) error {
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
	return r.write(os.Stdout)
}

// measure runs everything, round by round.
func (r *report) measure() error {
	lab, err := netlab.Open(netlab.Options{Hosts: []string{"root"}})
	if err != nil {
		return err
	}
	defer lab.Close()
	root := lab.Host("root")
	var leaves []*netlab.Host
	for i := range slices.Max(r.Settings.Leaves.Ints()) {
		h, err := lab.AddHost(fmt.Sprint("leaf", i+1), 0)
		if err != nil {
			return err
		}
		leaves = append(leaves, h)
	}
	for round := range r.Settings.Rounds {
		for _, n := range r.Settings.Leaves.Ints() {
			for _, loss := range r.Settings.Loss.List {
				spec := bulk.Spec{Size: int64(r.Settings.Size), Message: r.Settings.Message, Leaves: n, Loss: loss, Offload: r.Settings.Offload, Source: r.Settings.Source}
				result, err := bulk.Transfer(root, leaves, spec, start)
				if err != nil {
					return err
				}
				r.Runs = append(r.Runs, run{Round: round + 1, Spec: spec, Result: result})
				fmt.Fprintf(os.Stderr, "round %d, %d leaves, %5.1f %% loss: %7.1f MB/s %s\n", round+1, n, loss, result.Goodput/1e6, result.Failed)
			}
		}
	}
	return nil
}

func start(h *netlab.Host, side bulk.Side) (*stage.Side, error) {
	return stage.Start(h, side.Spec.Limit(), side)
}
