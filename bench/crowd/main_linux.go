// Crowd measures a root with a thousand leaves: how fast they join, and what they
// cost it in memory.
//
//	go run ./bench/crowd           # Linux; the second part needs root
//	go run ./bench/crowd -check    # and exit code 1 when a bound is broken
//
// Simulated: one root and its leaves (-leaves) in this process, over sockets in
// memory (package simnet), all asking to join at once, 250 of them on their way at
// any time. The time is from the first call of Join until the last Accept has
// returned and the last Join too; everything is as in a real session but for the
// sockets: TLS 1.3, proofs, keys, and a new epoch for those who came.
//
// Kernel: the root is a process of its own in a network namespace, its leaves are
// another, which has one address and so 8 joins on their way. Memory is the root's
// alone: what it has more, with all leaves in and the garbage collected, than before
// the first. Heap and stacks are the runtime's own account, RSS is the kernel's.
// What its sockets hold in the kernel is not in it.
//
// Bounds: 1,000 leaves joined in 5 s, 64 KiB a leaf (RSS), at the root.
//
// # Goroutines
//
//   - the one that accepts while leaves join: started by simulated, ended when all
//     are in or somebody failed.
//   - those that take turns at joining, accepting and closing: started by join,
//     accept and closeAll, which wait for them.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/bench/stage"
)

// The bounds, for a thousand leaves.
const (
	boundJoin   = 5 * time.Second
	boundMemory = 64 << 10
	boundLeaves = 1000
)

// settings are the flags.
type settings struct {
	Leaves int
	Rounds int
	Kernel bool
	Check  bool
	out    string
}

func main() {
	stage.Play(work.do)
	if err := crowd(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "crowd:", err)
		os.Exit(1)
	}
}

func parse(args []string) (s settings, err error) {
	f := flag.NewFlagSet("crowd", flag.ContinueOnError)
	f.IntVar(&s.Leaves, "leaves", boundLeaves, "how many leaves")
	f.IntVar(&s.Rounds, "rounds", 3, "rounds")
	f.BoolVar(&s.Kernel, "kernel", true, "also with sockets of the kernel, for the root's memory; needs root")
	f.BoolVar(&s.Check, "check", false, "exit with 1 when a bound is broken")
	f.StringVar(&s.out, "out", "bench/results", "`folder` for crowd.json and crowd.txt")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 || s.Rounds < 1 || s.Leaves < 1 || s.Leaves > 2000 {
		return s, fmt.Errorf("at least one round, 1 to 2000 leaves, and no arguments but flags")
	}
	return s, nil
}

func crowd(args []string) error {
	s, err := parse(args)
	if err != nil {
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
