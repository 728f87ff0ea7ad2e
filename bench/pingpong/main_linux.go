// Pingpong measures round trips: the root sends 64 bytes to the group, the leaf
// answers to the root by unicast, beside plain Go sockets that do the same.
//
//	go run ./bench/pingpong         # as root, Linux; ends with a table and all runs as JSON
//	go run ./bench/pingpong -check  # and exit code 1 when a bound is broken
//
// At 1,000 and 10,000 round trips a second (-rates), one at a time: a ping leaves
// at its time if the answer before it has come; times that have passed are left
// out, and counted as late. So a slow answer is one sample and not many; the
// rate that was reached stands in the table. Plain is package net:
// WriteToUDPAddrPort to a multicast group, ReadFromUDPAddrPort, and back; the
// others are a rooted session with one leaf, its stream best effort or reliable,
// sealed by the group's key (group), or signed by the root as well, where a leaf reads
// at once (eager) or nothing that is not proven (signed, the default, signed at once,
// but at most every 0.25 ms). Polling is by the group's key and with BusyPoll at both
// ends, for twice the time between pings; all else is at its default. Whoever pings
// sleeps by nanosleep, exact to a microsecond, for package time's sleep may be a
// millisecond late.
//
// Other reliable multicast does the same as far as it is installed (-peers=false leaves
// it out): NORM, OpenPGM and ZeroMQ's epgm under our drivers, and CycloneDDS by its own
// ddsperf. None of these encrypts. udpcast and UFTP move files and cannot.
//
// Each side is a process in a network namespace. The rounds are interleaved, and
// each begins with another; ratios are taken within the round, and the bounds,
// 1.3 times plain's p50 and 1.5 times its p99, are for their medians and who polls;
// p50 and p99 of reliable are to be below those of every peer, too.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/bench/compare/drivers"
	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// settings are the flags.
type settings struct {
	Rounds int
	For    time.Duration
	Size   int
	Rates  stage.Numbers
	Peers  bool
	Check  bool
	out    string
}

func main() {
	stage.Play(work.do)
	if err := pingpong(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pingpong:", err)
		os.Exit(1)
	}
}

func parse(args []string) (s settings, err error) {
	s.Rates = stage.Numbers{List: []float64{1000, 10000}, Least: 1, Most: 100_000, Whole: true}
	f := flag.NewFlagSet("pingpong", flag.ContinueOnError)
	f.IntVar(&s.Rounds, "rounds", 7, "interleaved rounds")
	f.DurationVar(&s.For, "for", 3*time.Second, "length of each run")
	f.IntVar(&s.Size, "size", 64, "`bytes` of a message")
	f.Var(&s.Rates, "rates", "round trips a second, with commas")
	f.BoolVar(&s.Peers, "peers", true, "other reliable multicast as well, as far as it is installed")
	f.BoolVar(&s.Check, "check", false, "exit with 1 when a bound is broken")
	f.StringVar(&s.out, "out", "bench/results", "`folder` for pingpong.json and pingpong.txt")
	if err := f.Parse(args); err != nil {
		return s, err
	}
	if f.NArg() > 0 || s.Rounds < 1 || s.For < 10*time.Millisecond || s.For > time.Minute || s.Size < number || s.Size > 1300 {
		return s, fmt.Errorf("at least one round of 10 ms to a minute, %d to 1300 bytes, and no arguments but flags", number)
	}
	return s, nil
}

func pingpong(args []string) error {
	s, err := parse(args)
	if err != nil {
		return err
	}
	if err := netlab.Missing(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "joinleaf-pingpong-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := report{Settings: s, Machine: stage.ThisMachine()}
	if s.Peers {
		r.Peers = look(dir)
	}
	r.Rows = s.rows(r.ways())
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
	lab, err := netlab.Open(netlab.Options{Hosts: []string{"root", "leaf"}})
	if err != nil {
		return err
	}
	defer lab.Close()
	for _, name := range []string{"root", "leaf"} {
		if err := drivers.Equip(lab.Host(name)); err != nil {
			return err
		}
	}
	n := len(r.ways())
	for round := 1; round <= r.Settings.Rounds; round++ {
		for k := range r.Rows {
			// All ways at one rate stand together and are run together.
			at := k/n*n + (k+round-1)%n
			w := &r.Rows[at]
			x, err := r.exchange(lab, work{Way: w.Way, Size: r.Settings.Size, Rate: w.Rate, For: r.Settings.For})
			if err != nil && w.Way.Name == plain {
				return fmt.Errorf("plain sockets at %.0f a second: %w", w.Rate, err)
			}
			if err != nil { // it breaks the check, and the other ways go on
				x = times{Failed: err.Error()}
				fmt.Fprintf(os.Stderr, "round %d, %6.0f a second, %-18s %v\n", round, w.Rate, w.Way.Name, err)
			}
			w.Runs = append(w.Runs, x)
			fmt.Fprintf(os.Stderr, "round %d, %6.0f a second, %-18s p50 %6.1f  p99 %6.1f  p99.9 %7.1f us\n", round, w.Rate, w.Way.Name, x.P50, x.P99, x.P999)
		}
	}
	return nil
}

// exchange is one run, of joinleaf, plain sockets or a peer.
func (r *report) exchange(lab *netlab.Lab, w work) (times, error) {
	for _, p := range r.Peers {
		if w.Way.Peer && w.Way.Name == p.Name {
			return p.exchange(lab, w)
		}
	}
	return exchange(lab, w)
}

// exchange is one run of ours. The side that is heard by the other is started first.
func exchange(lab *netlab.Lab, w work) (x times, err error) {
	var sides []*stage.Side
	start := func(host, role string) (*stage.Side, error) {
		w.Role = role
		side, err := stage.Start(lab.Host(host), w.limit(), w)
		if err == nil {
			sides = append(sides, side)
		}
		return side, err
	}
	err = func() error {
		first, second := [2]string{"leaf", answers}, [2]string{"root", pings}
		if w.Way.Name != plain { // a leaf joins a root that is there
			first, second = second, first
			if w.Code, err = newCode(); err != nil {
				return err
			}
		}
		side, err := start(first[0], first[1])
		if err != nil {
			return err
		}
		if w.Peer, err = side.Line(); err != nil {
			return err
		}
		if side, err = start(second[0], second[1]); err != nil {
			return err
		}
		if w.Way.Name != plain {
			side = sides[0]
		}
		if err := side.Decode(&x); err != nil {
			return err
		}
		return nil
	}()
	for _, side := range sides {
		if err != nil {
			side.Stop()
		}
		side.End()
		if _, e := side.Wait(); e != nil && err == nil {
			err = e
		}
		if said := strings.TrimSpace(side.Errors()); said != "" && err != nil {
			err = fmt.Errorf("%w: %s", err, said)
		}
	}
	return x, err
}
