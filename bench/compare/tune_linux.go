package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

// settle is how long receivers are given to be known to the switch: the kernel
// sends the report of a new membership 8 to 15 ms after the join.
const settle = 150 * time.Millisecond

// last is the last line of what a program said.
func last(said string) string {
	lines := strings.Split(said, "\n")
	return lines[len(lines)-1]
}

// rates is the ladder of those who must be told a rate: 7 steps of 1.4, from
// where a machine that feeds n receivers from two cores should manage.
func rates(n int) (all []setting) {
	rate := 600.0
	switch {
	case n == 2:
		rate = 300
	case n > 2:
		rate = 600 / float64(n)
	}
	for range 7 {
		all = append(all, setting{Rate: rate})
		rate *= 1.4
	}
	return all
}

// lower is parts of a rate.
func lower(clean setting, parts ...float64) (all []setting) {
	if len(parts) == 0 {
		parts = []float64{1, 0.7, 0.45, 0.3}
	}
	for _, part := range parts {
		all = append(all, setting{Rate: clean.Rate * part})
	}
	return all
}

// trial is one run before the rounds.
type trial struct {
	Peer string
	cell
	setting
	outcome
}

// tuned is which setting each peer runs with in each cell.
type tuned map[string]map[cell]setting

// tune finds the best setting of a peer for every cell: the one that completes
// with the highest goodput. With loss it begins from the best one without.
func (r *report) tune(p *place, x peer) (map[cell]setting, error) {
	best := map[cell]setting{}
	for _, n := range r.Settings.Leaves.Ints() {
		clean := cell{Leaves: n}
		s, err := r.climb(p, x, clean, r.given(x.ladder(n)))
		if err != nil {
			return nil, err
		}
		best[clean] = s
		for _, loss := range r.Settings.Loss.List {
			if loss == 0 {
				continue
			}
			c := cell{n, loss}
			if best[c], err = r.try(p, x, c, r.given(x.under(c, s))); err != nil {
				return nil, err
			}
		}
	}
	return best, nil
}

// given is what -rates puts in place of settings with a rate.
func (r *report) given(all []setting) []setting {
	if all[0].Rate == 0 || len(r.Settings.Rates.List) == 0 {
		return all
	}
	all = nil
	for _, rate := range r.Settings.Rates.List {
		all = append(all, setting{Rate: rate})
	}
	return all
}

// climb tries a ladder until two steps in a row fail or are clearly worse than
// the best one; should already the first two fail, it goes down from there. Of steps that
// give nearly the same it takes the lowest: above what gets through, a rate says
// nothing and makes repair dear.
func (r *report) climb(p *place, x peer, c cell, ladder []setting) (setting, error) {
	if len(ladder) == 1 {
		return ladder[0], nil
	}
	var tried []float64
	worse := 0
	for _, s := range ladder {
		goodput, err := r.trial(p, x, c, s)
		if err != nil {
			return s, err
		}
		tried = append(tried, goodput)
		if worse++; goodput > 0.85*slices.Max(tried) {
			worse = 0
		}
		if worse == 2 {
			break
		}
	}
	if top := slices.Max(tried); top > 0 {
		return ladder[slices.IndexFunc(tried, func(goodput float64) bool { return goodput >= 0.97*top })], nil
	}
	return r.try(p, x, c, lower(ladder[0], 0.5, 0.25, 0.1))
}

// try tries all settings; where none completes the last is taken.
func (r *report) try(p *place, x peer, c cell, all []setting) (setting, error) {
	best := all[len(all)-1]
	if len(all) == 1 {
		return best, nil
	}
	var top float64
	for _, s := range all {
		goodput, err := r.trial(p, x, c, s)
		if err != nil {
			return best, err
		}
		if goodput > top {
			best, top = s, goodput
		}
	}
	return best, nil
}

func (r *report) trial(p *place, x peer, c cell, s setting) (float64, error) {
	o, err := x.run(p, c, s)
	if err != nil {
		return 0, err
	}
	r.Trials = append(r.Trials, trial{x.name(), c, s, o})
	fmt.Fprintf(os.Stderr, "trying  %-22s %d leaves, %g %% loss, %-24s %7.1f MB/s %s\n", x.name(), c.Leaves, c.Loss, s, o.Goodput/1e6, o.Failed)
	return o.Goodput, nil
}

// ease is the setting after a run that did not complete: three quarters of the
// rate, as whoever sets it by hand would do. Others have nothing to ease.
func ease(s setting) setting {
	s.Rate *= 0.75
	return s
}
