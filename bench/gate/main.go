// Gate compares the benchmarks of the hot path with those of an earlier commit,
// on this machine and at this moment, and fails on a regression that is proven.
//
//	go run ./bench/gate                   # against the merge base with origin/main, or the first parent
//	go run ./bench/gate -base v0.1.0
//
// The earlier tree is laid out in a temporary folder; the test programs of both are
// compiled, and then run in turns, once each a round (-rounds), the one that
// begins another in every round. benchstat, as a tool of its own version outside
// this module, compares sec/op by Mann and Whitney's test. A benchmark is worse
// where p is below 0.001 and the median more than 25 % up; whatever is worse is
// measured once more with fresh rounds, and only what is worse again is proven.
//
// A benchmark that the earlier tree does not have is not compared, which is said;
// so it is when there is no earlier commit, or when it does not compile.
//
// # Limitations
//
// It sees what these benchmarks see: loopback and memory, one machine. A slow
// decline in steps below 25 % passes.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// The proof: how unlikely chance must be, and how much worse it must be.
const (
	alpha = "0.001"
	worse = 0.25
	// least rounds for that alpha to be possible at all: 2 of C(14,7) orders.
	leastRounds = 7
)

// packages are those whose benchmarks are compared, and which of them: each is a
// step of the way from a message to the network and back. Below is which of the
// benchmarks in these, in the words of -test.bench.
var packages = []struct{ path, bench, below string }{
	{"./bench", "^Benchmark(SealSend|ReceiveOpen)$", ""},
	{"./crypto", "^Benchmark(Seal|Open)$", "/^suite1$/^1408$"},
	{"./crypto", "^BenchmarkHashSymbol$", "/^1392$"},
	{"./transport/flow", "^Benchmark(WritePoll|HandleRead|ParityRow)$", ""},
}

// settings are the flags.
type settings struct {
	Base   string
	Rounds int
	Time   time.Duration
}

func main() {
	if err := gate(os.Args[1:], ".", os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "gate:", err)
		os.Exit(1)
	}
}

func parse(args []string) (s settings, err error) {
	f := flag.NewFlagSet("gate", flag.ContinueOnError)
	f.StringVar(&s.Base, "base", "", "`commit` to compare with; left out, the merge base with origin/main, or else the first parent")
	f.IntVar(&s.Rounds, "rounds", 10, "rounds, in turns")
	f.DurationVar(&s.Time, "time", 50*time.Millisecond, "length of each benchmark in each round")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 || s.Rounds < leastRounds || s.Rounds > 100 || s.Time < time.Millisecond || s.Time > 10*time.Second {
		return s, fmt.Errorf("%d to 100 rounds of 1 ms to 10 s, and no arguments but flags", leastRounds)
	}
	return s, nil
}

// gate compares the tree at dir.
func gate(args []string, dir string, out io.Writer) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	base, why, err := pickBase(dir, s.Base)
	if err != nil {
		return err
	}
	if base == "" {
		fmt.Fprintln(out, "not compared:", why)
		return nil
	}
	fmt.Fprintf(out, "this tree against %.12s (%s), %d rounds\n", base, why, s.Rounds)
	temp, err := os.MkdirTemp("", "joinleaf-gate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	pairs, err := prepare(dir, base, temp, out)
	if err != nil {
		return err
	}
	if len(pairs) == 0 {
		fmt.Fprintln(out, "not compared: the two trees have no benchmark of the hot path in common")
		return nil
	}
	suspects, err := compare(s, pairs, temp, out)
	if err != nil || len(suspects) == 0 {
		return err
	}
	fmt.Fprintf(out, "worse, so measured again: %s\n", names(suspects))
	again, err := compare(s, narrow(pairs, suspects), temp, out)
	if err != nil {
		return err
	}
	proven := both(suspects, again)
	if len(proven) == 0 {
		fmt.Fprintln(out, "not worse the second time: not proven")
		return nil
	}
	return fmt.Errorf("slower than %.12s, twice with p < %s and by more than %.0f %%: %s", base, alpha, 100*worse, names(proven))
}

// names of verdicts.
func names(all []verdict) string {
	words := make([]string, len(all))
	for i, v := range all {
		words[i] = fmt.Sprintf("%s %+.0f %%", v.Name, 100*v.Change)
	}
	return strings.Join(words, ", ")
}
