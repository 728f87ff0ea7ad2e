// Limit compares joinleaf with the raw limit of the machine: a minimal sender and
// receivers that make the same system calls and have no protocol.
//
//	go run ./bench/limit            # as root, Linux; ends with a table and all runs as JSON
//	go run ./bench/limit -check     # and exit code 1 when a bound is broken
//
// To 1, 2 and 4 receivers (-leaves), packets of 1,400 bytes, with the root's
// device taking batches whole (offload) and with tx-udp-segmentation off, so that
// the kernel cuts them before the device. The raw limits are
//
//	offload      UDP_SEGMENT of 46 packets and UDP_GRO, at the highest rate at which at
//	             most 0.1 % is lost, which a ladder downwards finds anew in every round
//	no offload   sendmmsg and recvmmsg of 64, unpaced; what came
//
// and the rows best effort clear, reliable clear, reliable encrypted (Group) and, as
// by default, reliable Signed. Messages are of 8 KiB (-message), as in bench/curve and
// bench/compare, and counted by the full packets that they fill. Package kernel says
// what the raw sides do, package stream what the others do and what clear is.
// The ratio, packets a second at the slowest receiver, is taken within the round;
// the bound is for the median of the rounds. So is what protection costs: bytes of
// messages beside reliable clear, at least 0.6 with Group and 0.4 with Signed, with
// offload. A run that fails counts as 0, and breaks the check.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/bench/kernel"
	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/bench/stream"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// settings are the flags.
type settings struct {
	Rounds int
	For    time.Duration
	Leaves stage.Numbers
	// Message is the bytes of a message; 0: as many as fill a packet.
	Message int
	Only    string
	Check   bool
	out     string
}

// work is a side of a run.
type work struct {
	Kernel *kernel.Side
	Stream *stream.Side
}

func (w work) do() error {
	switch {
	case w.Kernel != nil:
		return w.Kernel.Do()
	case w.Stream != nil:
		return w.Stream.Do()
	}
	return fmt.Errorf("a side without work")
}

func main() {
	stage.Play(work.do)
	if err := limit(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "limit:", err)
		os.Exit(1)
	}
}

func parse(args []string) (s settings, err error) {
	s.Leaves = stage.Numbers{List: []float64{1, 2, 4}, Least: 1, Most: 16, Whole: true}
	f := flag.NewFlagSet("limit", flag.ContinueOnError)
	f.IntVar(&s.Rounds, "rounds", 5, "interleaved rounds")
	f.DurationVar(&s.For, "for", 2*time.Second, "length of each run")
	f.Var(&s.Leaves, "leaves", "`numbers` of receivers")
	f.IntVar(&s.Message, "message", 8<<10, "`bytes` of a message; 0: as many as fill a packet")
	f.StringVar(&s.Only, "only", "", "`words` of which a row's name must have one, with commas, such as clear,signed")
	f.BoolVar(&s.Check, "check", false, "exit with 1 when a bound is broken")
	f.StringVar(&s.out, "out", "bench/results", "`folder` for limit.json and limit.txt")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 || s.Rounds < 1 || s.For < 10*time.Millisecond || s.For > time.Minute || s.Message < 0 || s.Message > 64<<10 {
		return s, fmt.Errorf("at least one round of 10 ms to a minute, messages of at most 64 KiB, and no arguments but flags")
	}
	if len(s.rows()) == 0 {
		return s, fmt.Errorf("no row has one of %q in its name", s.Only)
	}
	return s, nil
}

func limit(args []string) error {
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
	if err := r.write(os.Stdout); err != nil {
		return err
	}
	if broken := r.broken(); s.Check && len(broken) > 0 {
		return fmt.Errorf("broken: %s", strings.Join(broken, "; "))
	}
	return nil
}
