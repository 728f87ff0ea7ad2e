// Compare moves the same bytes with joinleaf and with other programs for bulk
// data over multicast, side by side on the same machine, in network namespaces.
//
//	go run ./bench/compare          # as root, Linux; every peer that is installed
//
// It looks which peers are there, tries rates for those that must be told one,
// and then runs rounds: in every round each peer does each cell of the grid
// (receivers x loss) once, and the order of the peers moves on by one from
// round to round. The table has medians, and ratios to plain sockets and to
// the best other peer of the same round. A run that does not finish in its
// time, or whose bytes are not those that were sent, is incomplete and counts
// as a goodput of 0.
//
// On Debian: apt-get install uftp udpcast iperf cyclonedds-tools libnorm-dev
// libpgm-dev libzmq3-dev gcc. The last four are for NORM, OpenPGM and ZeroMQ,
// which are libraries: package drivers has our own small programs on top, compiled
// when the comparison begins. A peer that is missing is named and left out.
//
// With -check the exit code is 1 when a bound is broken: to two receivers without
// loss joinleaf is to move 6 times what the best other reliable multicast moves
// (clear, with offload), 4 times (encrypted, with offload) and 1.3 times (encrypted,
// without). With -link the root's link is slow, as real ones are: then one sees what
// copies by TCP to each receiver cost beside one multicast.
//
// # Goroutines
//
//   - copySide.copy, one per receiver of copies by TCP: started by copySide.send, which
//     waits for them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// settings are the flags.
type settings struct {
	Peers  []string
	Leaves stage.Numbers
	Loss   stage.Numbers
	Rounds int
	Size   stage.Size
	Limit  time.Duration
	Rates  stage.Numbers
	Link   float64 // Mbit/s of the root's link; 0: as fast as it goes
	Check  bool
	out    string
}

func main() {
	stage.Play(work.do)
	if err := compare(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func parse(args []string) (s settings, err error) {
	s = settings{
		Leaves: stage.Numbers{List: []float64{1, 2, 4}, Least: 1, Most: 16, Whole: true},
		Loss:   stage.Numbers{List: []float64{0, 1, 5}, Most: 90},
		Rates:  stage.Numbers{Least: 1, Most: 1e5},
		Size:   200e6,
	}
	var known []string
	for _, x := range peers() {
		known = append(known, x.name())
	}
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.Var(&s.Leaves, "leaves", "`numbers` of receivers, with commas")
	f.Var(&s.Loss, "loss", "`percent` of packets lost at each receiver's input, with commas")
	f.IntVar(&s.Rounds, "rounds", 5, "interleaved rounds")
	f.Var(&s.Size, "size", "`bytes` to every receiver in a run, such as 200MB")
	f.DurationVar(&s.Limit, "limit", 0, "what a run may take; 0 is 15 s and the time of 10 MB/s")
	f.Var(&s.Rates, "rates", "`Mbit/s` to try, with commas, in place of the ladder, for peers that must be told a rate; a single one is taken untried")
	f.Float64Var(&s.Link, "link", 0, "`Mbit/s` of the root's link, of which copies for several receivers take turns; 0: as fast as it goes")
	f.BoolVar(&s.Check, "check", false, "exit with 1 when a bound is broken")
	f.StringVar(&s.out, "out", "bench/results", "`folder` for compare.json, compare.txt and compare.svg")
	chosen := f.String("peers", "all", "which `peers`, with commas: "+strings.Join(known, " "))
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 || s.Rounds < 1 || s.Limit < 0 || s.Size < 1e5 || s.Link < 0 || s.Link > 1e5 {
		return s, errors.New("at least one round, 100 kB, and no arguments but flags")
	}
	if s.Limit == 0 {
		s.Limit = 15*time.Second + time.Duration(int64(s.Size)/1e4)*time.Millisecond
	}
	s.Peers = known
	if *chosen != "all" {
		s.Peers = strings.Split(*chosen, ",")
	}
	for _, name := range s.Peers {
		if !slices.Contains(known, name) {
			return s, fmt.Errorf("no peer is called %q; there are: %s", name, strings.Join(known, " "))
		}
	}
	return s, nil
}

func compare(args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	if err := netlab.Missing(); err != nil {
		return err
	}
	r := report{Settings: s, Machine: stage.ThisMachine()}
	p, closing, err := furnish(s)
	if err != nil {
		return err
	}
	err = r.measure(p)
	if e := closing(); err == nil {
		err = e
	}
	if err != nil {
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
