package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/joinleaf/joinleaf/bench/stage"
)

// report is what the JSON holds.
type report struct {
	Machine  stage.Machine
	Settings settings
	Peers    []found
	Rows     []row
	Trials   []trial
	Runs     []run
}

// found is a peer as this machine has it.
type found struct {
	Name, About string
	Version     string `json:",omitempty"`
	Missing     string `json:",omitempty"` // why it was left out
}

// run is one peer's work once.
type run struct {
	Round int
	trial
}

// look finds the peers that were asked for and are there.
func (r *report) look(p *place) (there []peer) {
	for _, x := range peers() {
		if !slices.Contains(r.Settings.Peers, x.name()) {
			continue
		}
		f := found{Name: x.name(), About: x.about()}
		version, err := x.find(p)
		if err != nil {
			f.Missing = err.Error()
			fmt.Fprintf(os.Stderr, "left out: %s: %v\n", x.name(), err)
		} else {
			f.Version = version
			there = append(there, x)
		}
		r.Peers = append(r.Peers, f)
	}
	return there
}

// measure tunes who needs it, then runs the rounds.
func (r *report) measure(p *place) error {
	there := r.look(p)
	if len(there) == 0 {
		return errors.New("none of the peers asked for is installed")
	}
	with := tuned{}
	for _, x := range there {
		var err error
		if with[x.name()], err = r.tune(p, x); err != nil {
			return err
		}
	}
	for round := range r.Settings.Rounds {
		for _, n := range r.Settings.Leaves.Ints() {
			for _, loss := range r.Settings.Loss.List {
				if err := r.cell(p, round, cell{n, loss}, there, with); err != nil {
					return err
				}
			}
		}
	}
	r.summarize(there)
	return nil
}

// cell lets every peer do one cell, beginning with another one each round.
func (r *report) cell(p *place, round int, c cell, there []peer, with tuned) error {
	for i := range there {
		x := there[(i+round)%len(there)]
		s := with[x.name()][c]
		o, err := x.run(p, c, s)
		if err != nil {
			return fmt.Errorf("%s: %w", x.name(), err)
		}
		r.Runs = append(r.Runs, run{round + 1, trial{x.name(), c, s, o}})
		if o.Failed != "" {
			with[x.name()][c] = ease(s)
		}
		fmt.Fprintf(os.Stderr, "round %d %-22s %d leaves, %g %% loss, %-24s %7.1f MB/s %s\n", round+1, x.name(), c.Leaves, c.Loss, s, o.Goodput/1e6, o.Failed)
	}
	return nil
}

// write makes the files and shows the table.
func (r *report) write(table io.Writer) error {
	return stage.Publish(table, r.Settings.out, "compare", r, r.table(), stage.Picture{Name: "compare", SVG: r.picture().SVG()}, stage.Picture{Name: "compare-leaves", SVG: r.scaling().SVG()})
}

// about is what was measured, in lines.
func (r *report) about() []string {
	s := r.Settings
	link := ""
	if s.Link > 0 {
		link = fmt.Sprintf(" The root's link carries %.0f Mbit/s.", s.Link)
	}
	return []string{
		fmt.Sprintf("%s to each receiver; goodput of the slowest receiver, first to last byte; medians of %d interleaved rounds.", &s.Size, s.Rounds),
		"Loss: single packets at random at each receiver's input. All content is checked; incomplete runs count as 0." + link,
		r.Machine.String() + ".",
	}
}

// missing names who was left out.
func (r *report) missing() string {
	var names []string
	for _, f := range r.Peers {
		if f.Missing != "" {
			names = append(names, fmt.Sprintf("%s (%s)", f.Name, f.Missing))
		}
	}
	return strings.Join(names, "; ")
}
