package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/bench/kernel"
	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/bench/stream"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// segments is how many packets of 1,400 bytes fit into one UDP_SEGMENT message.
const segments = 46

// bounds is the least median of a row's ratio to the raw limit, with offload and
// without, and of its goodput to that of clear, with offload; 0: none.
type bounds struct{ Offload, Plain, Clear float64 }

// row is what is compared with the raw limit, to some number of leaves.
type row struct {
	Name    string
	Level   stream.Level
	Class   flow.Class
	Offload bool
	Leaves  int
	Bound   float64
	// ClearBound is for the goodput beside "reliable, clear" of the same round; 0:
	// none.
	ClearBound float64
	Runs       []run // by round
	Sum        summary
}

// base is a raw limit.
type base struct {
	Leaves  int
	Offload bool
	Runs    []rawRun
}

type run struct {
	Round  int
	Raw    float64 // packets a second of the base in this round
	Failed string  `json:",omitempty"` // then the rest is nothing
	stream.Result
}

type rawRun struct {
	Round  int
	Tried  int // runs of the ladder
	Result kernel.Result
}

// reliableClear is what protection is compared with.
const reliableClear = "reliable, clear"

// rows are the kinds of rows, without a number of leaves.
func (s settings) rows() (all []row) {
	for _, k := range []struct {
		name  string
		level stream.Level
		class flow.Class
		bound bounds
	}{
		{"best effort, clear", stream.Clear, flow.BestEffort, bounds{0.7, 0.9, 0}},
		{reliableClear, stream.Clear, flow.Reliable, bounds{0.5, 0.8, 0}},
		{"reliable, group", stream.Group, flow.Reliable, bounds{0.35, 0.75, 0.6}},
		{"reliable, signed", stream.Signed, flow.Reliable, bounds{0.2, 0.6, 0.4}},
	} {
		if !s.wants(k.name) {
			continue
		}
		all = append(all,
			row{Name: k.name, Level: k.level, Class: k.class, Offload: true, Bound: k.bound.Offload, ClearBound: k.bound.Clear},
			row{Name: k.name, Level: k.level, Class: k.class, Bound: k.bound.Plain})
	}
	return all
}

func (s settings) wants(name string) bool {
	return slices.ContainsFunc(strings.Split(s.Only, ","), func(w string) bool { return strings.Contains(name, w) })
}

// label names a row's profiles.
func (w *row) label() string {
	name := strings.NewReplacer(", ", "-", " ", "-").Replace(w.Name)
	return fmt.Sprintf("%s-%s-%d", name, strings.ReplaceAll(devices(w.Offload), " ", "-"), w.Leaves)
}

func devices(offload bool) string {
	if offload {
		return "offload"
	}
	return "no offload"
}

// lab is what the rounds use.
type lab struct {
	root   *netlab.Host
	leaves []*netlab.Host
	length time.Duration
}

// measure runs everything, round by round.
func (r *report) measure() error {
	l, err := netlab.Open(netlab.Options{Hosts: []string{"root"}})
	if err != nil {
		return err
	}
	defer l.Close()
	x := &lab{root: l.Host("root"), length: r.Settings.For}
	for i := range slices.Max(r.Settings.Leaves.Ints()) {
		h, err := l.AddHost(fmt.Sprint("leaf", i+1), 0)
		if err != nil {
			return err
		}
		x.leaves = append(x.leaves, h)
	}
	for _, n := range r.Settings.Leaves.Ints() {
		r.Bases = append(r.Bases, base{Leaves: n, Offload: true}, base{Leaves: n})
		for _, w := range r.Settings.rows() {
			w.Leaves = n
			r.Rows = append(r.Rows, w)
		}
	}
	for round := 1; round <= r.Settings.Rounds; round++ {
		for i := range r.Bases {
			if err := r.turn(x, round, &r.Bases[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// turn is one raw limit in one round and, right after it, all that is compared
// with it. The one that begins is another in every round.
func (r *report) turn(x *lab, round int, b *base) error {
	raw, err := x.raw(round, b)
	if err != nil {
		return fmt.Errorf("raw, %s, %d leaves: %w", devices(b.Offload), b.Leaves, err)
	}
	b.Runs = append(b.Runs, raw)
	fmt.Fprintf(os.Stderr, "round %d, %s, to %d: %-20s %9.0f packets/s, %.2f %% lost\n", round, devices(b.Offload), b.Leaves, "raw", raw.Result.Rate, 100*raw.Result.Lost)
	var rows []*row
	for i := range r.Rows {
		if w := &r.Rows[i]; w.Leaves == b.Leaves && w.Offload == b.Offload {
			rows = append(rows, w)
		}
	}
	for k := range rows {
		w := rows[(k+round-1)%len(rows)]
		spec := stream.Spec{Level: w.Level, Class: w.Class, Message: r.Settings.Message, For: x.length, Leaves: w.Leaves, Offload: w.Offload}
		result, err := stream.Run(x.root, x.leaves, spec, w.label(), func(h *netlab.Host, limit time.Duration, s stream.Side) (*stage.Side, error) {
			return stage.Start(h, limit, work{Stream: &s})
		})
		done := run{Round: round, Raw: raw.Result.Rate, Result: result.InPackets(spec)}
		if err != nil { // it counts as 0, and the other rows go on
			done.Failed, done.Result = err.Error(), stream.Result{}
		}
		w.Runs = append(w.Runs, done)
		fmt.Fprintf(os.Stderr, "round %d, %s, to %d: %-20s %9.0f packets/s, %.2f of raw %s\n", round, devices(w.Offload), w.Leaves, w.Name, done.Rate, done.ratio(), done.Failed)
	}
	return nil
}

// raw measures a raw limit.
func (l *lab) raw(round int, b *base) (rawRun, error) {
	if err := l.root.SetOffload(b.Offload); err != nil {
		return rawRun{}, err
	}
	once := func(s kernel.Spec) (kernel.Result, error) {
		s.For = l.length
		return kernel.Run(l.root, l.leaves[:b.Leaves], s, func(h *netlab.Host, limit time.Duration, s kernel.Side) (*stage.Side, error) {
			return stage.Start(h, limit, work{Kernel: &s})
		})
	}
	if !b.Offload {
		result, err := once(kernel.Spec{})
		return rawRun{Round: round, Tried: 1, Result: result}, err
	}
	x := rawRun{Round: round}
	for range ladders {
		result, runs, err := kernel.LossFree(func(rate float64) (kernel.Result, error) {
			return once(kernel.Spec{Segments: segments, Rate: rate})
		})
		if x.Tried += len(runs); err != nil || result.Rate > 0 {
			x.Result = result
			return x, err
		}
	}
	return x, fmt.Errorf("no rate of the ladder is loss-free on this machine, now: %d were tried", x.Tried)
}

// ladders is how many are climbed down before there is no raw limit: something
// else may have the machine for a moment.
const ladders = 3

func (x run) ratio() float64 {
	if x.Raw <= 0 {
		return 0
	}
	return x.Rate / x.Raw
}

// goodput is bytes of messages a second: a message that fills a packet is
// shorter where the packet has more around it.
func (w *row) goodput(x run) float64 {
	return x.Rate * float64(stream.Spec{Level: w.Level}.Full())
}
