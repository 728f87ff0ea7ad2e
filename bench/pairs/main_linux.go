// Pairs compares joinleaf with itself: the same transfer twice, with one thing
// changed, one right after the other in every round.
//
//	go run ./bench/pairs            # as root, Linux; ends with a table and all runs as JSON
//	go run ./bench/pairs -check     # and exit code 1 when a bound is broken
//
// The pairs are
//
//	parity      parity forbidden and parity allowed, nobody loses: at least 0.95 of the goodput
//	quarantine  four leaves, and the same with 30 % loss at the last: the other
//	            three at least 0.9 of theirs, the last has everything or an exact account
//	complete    three leaves without loss and with 20 %: complete
//
// Package bulk says how a transfer is made and checked. Each root's device cuts
// batches into single packets, so packets are lost one by one. Which of the two
// goes first changes from round to round; the ratio is taken within the round.
// A run that does not complete counts as a goodput of 0.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// settings are the flags.
type settings struct {
	Rounds  int
	Size    stage.Size
	Long    stage.Size // of the quarantine pair
	Message int
	Only    []string // kinds of pairs
	Check   bool
	out     string
}

func main() {
	stage.Play(bulk.Side.Do)
	if err := pairs(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pairs:", err)
		os.Exit(1)
	}
}

func parse(args []string) (s settings, err error) {
	s = settings{Size: 200e6, Long: 600e6}
	f := flag.NewFlagSet("pairs", flag.ContinueOnError)
	f.IntVar(&s.Rounds, "rounds", 5, "interleaved rounds")
	f.Var(&s.Size, "size", "`bytes` to every leaf in a run, such as 200MB")
	f.Var(&s.Long, "long", "`bytes` to every leaf in the runs of quarantine, which takes a while to judge")
	f.IntVar(&s.Message, "message", 8<<10, "bytes of a message")
	only := f.String("only", strings.Join(kinds, ","), "`kinds` of pairs, with commas")
	f.BoolVar(&s.Check, "check", false, "exit with 1 when a bound is broken")
	f.StringVar(&s.out, "out", "bench/results", "`folder` for pairs.json and pairs.txt")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 || s.Rounds < 1 {
		return s, fmt.Errorf("at least one round, and no arguments but flags")
	}
	for kind := range strings.SplitSeq(*only, ",") {
		if !slices.Contains(kinds, kind) {
			return s, fmt.Errorf("%q is no kind of pair; there are %s", kind, strings.Join(kinds, ", "))
		}
		s.Only = append(s.Only, kind)
	}
	_, err = bulk.NewContent(s.Message)
	return s, err
}

func pairs(args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	if err := netlab.Missing(); err != nil {
		return err
	}
	r := report{Settings: s, Machine: stage.ThisMachine(), Pairs: s.pairs()}
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

// measure runs everything, round by round.
func (r *report) measure() error {
	lab, err := netlab.Open(netlab.Options{Hosts: []string{"root"}})
	if err != nil {
		return err
	}
	defer lab.Close()
	var leaves []*netlab.Host
	for i := range mostLeaves(r.Pairs) {
		h, err := lab.AddHost(fmt.Sprint("leaf", i+1), 0)
		if err != nil {
			return err
		}
		leaves = append(leaves, h)
	}
	for round := 1; round <= r.Settings.Rounds; round++ {
		for i := range r.Pairs {
			p := &r.Pairs[i]
			t := trial{Round: round}
			turns := []*turn{&t.Base, &t.Changed}
			specs := []bulk.Spec{p.Base, p.Changed}
			for k := range turns {
				k = (k + round + 1) % 2 // the base first in odd rounds
				result, err := bulk.Transfer(lab.Host("root"), leaves, specs[k], start)
				if err != nil {
					return err
				}
				*turns[k] = turn{Result: result, Counted: p.goodput(result)}
				fmt.Fprintf(os.Stderr, "round %d, %s, %s: %7.1f MB/s %s\n", round, p.Name, sides[k], turns[k].Counted/1e6, result.Failed)
			}
			p.Trials = append(p.Trials, t)
		}
	}
	return nil
}

func start(h *netlab.Host, side bulk.Side) (*stage.Side, error) {
	return stage.Start(h, side.Spec.Limit(), side)
}
