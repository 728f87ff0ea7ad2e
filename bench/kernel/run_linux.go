package kernel

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// LossFreeShare is the loss that still counts as none.
const LossFreeShare = 0.001

// settle is what the switch needs to learn of memberships.
const settle = 50 * time.Millisecond

// Result is what a run gave.
type Result struct {
	Rate float64 // packets a second at the slowest receiver
	Lost float64 // share of what was sent that the receiver which got least lacks
	Sent Sent
	Got  []Got
}

// A Starter starts this program again in a host as a side of a run.
type Starter func(h *netlab.Host, limit time.Duration, s Side) (*stage.Side, error)

// Run does one run in hosts of a lab.
func Run(root *netlab.Host, leaves []*netlab.Host, s Spec, start Starter) (r Result, err error) {
	limit := s.For + 30*time.Second
	var sides []*stage.Side
	defer func() {
		for _, side := range sides {
			if err != nil {
				side.Stop()
			}
			if _, e := side.Wait(); e != nil && err == nil {
				err = fmt.Errorf("%w: %s", e, strings.TrimSpace(side.Errors()))
			}
		}
	}()
	add := func(h *netlab.Host, x Side) (*stage.Side, error) {
		side, err := start(h, limit, x)
		if err == nil {
			sides = append(sides, side)
		}
		return side, err
	}
	for _, h := range leaves {
		side, err := add(h, Side{Spec: s})
		if err != nil {
			return r, err
		}
		if _, err := side.Line(); err != nil {
			return r, fmt.Errorf("%w: %s", err, side.Errors())
		}
	}
	time.Sleep(settle)
	sender, err := add(root, Side{Spec: s, Send: true})
	if err != nil {
		return r, err
	}
	if err := sender.Decode(&r.Sent); err != nil {
		return r, fmt.Errorf("%w: %s", err, sender.Errors())
	}
	for _, side := range sides[:len(leaves)] {
		var g Got
		if err := side.Decode(&g); err != nil {
			return r, err
		}
		r.Got = append(r.Got, g)
	}
	r.judge()
	return r, nil
}

func (r *Result) judge() {
	r.Rate, r.Lost = math.Inf(1), 0
	for _, g := range r.Got {
		r.Rate = min(r.Rate, g.Rate())
		r.Lost = max(r.Lost, 1-float64(g.Packets)/float64(max(1, r.Sent.Packets)))
	}
	if len(r.Got) == 0 {
		r.Rate = 0
	}
}

// The ladder's steps downwards, how many there are, and how many of them above what
// came of the unpaced run it begins: receivers that lose nothing may take more.
const (
	step  = 0.9
	steps = 18
	above = 2
)

// LossFree finds the highest rate at which at most LossFreeShare is lost, and what
// came then. An unpaced run (0) shows what is possible at all, then a ladder leads
// downwards. runs is every one it made; the last is the one that counts, and none does
// where nothing is loss-free.
func LossFree(run func(rate float64) (Result, error)) (found Result, runs []Result, err error) {
	rate := 0.0
	for range steps {
		r, err := run(rate)
		if err != nil {
			return found, runs, err
		}
		if runs = append(runs, r); r.Lost <= LossFreeShare {
			return r, runs, nil
		}
		if rate == 0 {
			rate = r.Rate * math.Pow(1/step, above+1)
		}
		rate *= step
	}
	return found, runs, nil
}
