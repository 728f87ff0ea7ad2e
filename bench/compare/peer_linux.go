package main

import (
	"fmt"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/rooted"
)

// cell is one square of the grid: how many receivers, and the percent of
// packets that each of them loses.
type cell struct {
	Leaves int
	Loss   float64
}

// setting is one way to run a peer. Zero is its own way.
type setting struct {
	Rate   float64 `json:",omitempty"` // Mbit/s set by hand; 0: the peer finds it
	Parity string  `json:",omitempty"` // how much, in the peer's own words; "": none
}

func (s setting) String() string {
	switch {
	case s.Rate > 0 && s.Parity != "":
		return fmt.Sprintf("%.0f Mbit/s, parity %s", s.Rate, s.Parity)
	case s.Rate > 0:
		return fmt.Sprintf("%.0f Mbit/s", s.Rate)
	case s.Parity != "":
		return "parity " + s.Parity
	}
	return ""
}

// outcome is what one run gave.
type outcome struct {
	Goodput float64 // bytes a second at the slowest receiver; 0: incomplete
	Failed  string  `json:",omitempty"`
	// Arrived is the share of what was sent that came to the receiver that got
	// least. Only plain sockets have less than 1 and no failure.
	Arrived   float64
	Bytes     int64 `json:",omitempty"` // to each receiver; 0: what was asked for
	RootUsage stage.Usage
	LeafUsage []stage.Usage
}

// incomplete is a run that failed.
func incomplete(format string, args ...any) outcome {
	return outcome{Failed: fmt.Sprintf(format, args...)}
}

// peer is a way to move many bytes to many receivers.
type peer interface {
	// name is the word of the tables and of -peers.
	name() string
	// find looks for the peer on this machine: its version, or why it cannot
	// run.
	find(p *place) (version string, err error)
	// about says in a sentence with which settings it runs.
	about() string
	// ladder is the settings that are tried before the rounds for n receivers
	// without loss, slow ones first. One setting is not tried but taken.
	ladder(n int) []setting
	// under is the settings that are tried with loss, given the best one
	// without. One setting is not tried but taken.
	under(c cell, clean setting) []setting
	// run does the work once. The run's own failure is in the outcome, an error
	// ends the program.
	run(p *place, c cell, s setting) (outcome, error)
}

// peers is all of them, in the order of the tables.
func peers() []peer {
	return []peer{
		&raw{}, &iperf{}, &copies{}, &copies{sealed: true},
		&udpcast{}, &uftp{}, &uftp{sealed: true}, &driven{library: norm}, &driven{library: openpgm}, &driven{library: epgm}, &cyclonedds{},
		&joinleaf{}, &joinleaf{source: rooted.Group}, &joinleaf{clear: true},
		&joinleaf{offload: true}, &joinleaf{source: rooted.Group, offload: true}, &joinleaf{clear: true, offload: true},
	}
}

// finish waits for all sides, the root's first, and fills in what they cost.
// With an outcome that has failed already it stops them before.
func (o *outcome) finish(root *stage.Side, leaves []*stage.Side) {
	all := append([]*stage.Side{root}, leaves...)
	for i, side := range all {
		if o.Failed != "" {
			side.Stop()
		}
		side.End()
		u, err := side.Wait()
		if err != nil && o.Failed == "" {
			o.Failed = err.Error()
			if said := side.Errors(); said != "" {
				o.Failed += ": " + said
			}
		}
		if i == 0 {
			o.RootUsage = u
		} else {
			o.LeafUsage = append(o.LeafUsage, u)
		}
	}
	if o.Failed != "" {
		o.Goodput = 0
	}
}

// listening waits until all receivers have said a line, that they listen. If
// one does not, the run has failed and all are ended.
func listening(sides []*stage.Side) (o outcome) {
	for _, side := range sides {
		if _, err := side.Line(); err != nil {
			side.Stop()
			o = incomplete("%v: %s", err, last(side.Errors()))
			halt(sides)
			return o
		}
	}
	return o
}

// halt ends sides of a run that could not be started as a whole.
func halt(sides []*stage.Side) {
	for _, s := range sides {
		s.Stop()
		_, _ = s.Wait() // killed, which is no news
	}
}
