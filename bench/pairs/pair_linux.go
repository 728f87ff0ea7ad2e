package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/stage"
)

// The kinds of pairs.
const (
	parity     = "parity"
	quarantine = "quarantine"
	complete   = "complete"
)

var kinds = []string{parity, quarantine, complete}

// The bounds that hold for the ratio of goodputs, and the losses of the lossy.
const (
	parityBound     = 0.95
	quarantineBound = 0.9
	badLoss         = 30
	heavyLoss       = 20
)

// pair is one thing that is changed, and what that may cost.
type pair struct {
	Name          string
	Base, Changed bulk.Spec
	Apart         int     // leaf, from 1, whose goodput is not compared; 0: all are
	Bound         float64 // least median of the ratio changed to base; 0: it must only complete
	Trials        []trial
	Sum           summary
}

// sides are the names of a pair's two transfers.
var sides = [...]string{"base", "changed"}

// trial is one round of a pair.
type trial struct {
	Round         int
	Base, Changed turn
}

// turn is one transfer, and the goodput of the leaves that are compared.
type turn struct {
	Counted float64
	bulk.Result
}

func (s settings) pairs() (all []pair) {
	spec := func(size stage.Size, leaves int) bulk.Spec {
		return bulk.Spec{
			Size: int64(size), Message: s.Message, Leaves: leaves,
			Within: 30*time.Second + time.Duration(size)*time.Second/2e6, // 2 MB/s
		}
	}
	if slices.Contains(s.Only, parity) {
		for _, n := range []int{1, 2, 4} {
			p := pair{Name: fmt.Sprintf("parity forbidden, allowed; %s", leaves(n)), Base: spec(s.Size, n), Changed: spec(s.Size, n), Bound: parityBound}
			p.Base.NoParity = true
			all = append(all, p)
		}
	}
	if slices.Contains(s.Only, quarantine) {
		p := pair{Name: fmt.Sprintf("4 leaves, the last loses %d %%", badLoss), Base: spec(s.Long, 4), Changed: spec(s.Long, 4), Bound: quarantineBound, Apart: 4}
		p.Changed.Losses, p.Changed.MayMiss = []float64{0, 0, 0, badLoss}, p.Apart
		all = append(all, p)
	}
	if slices.Contains(s.Only, complete) {
		p := pair{Name: fmt.Sprintf("3 leaves, all lose %d %%", heavyLoss), Base: spec(s.Size, 3), Changed: spec(s.Size, 3)}
		p.Changed.Loss = heavyLoss
		all = append(all, p)
	}
	return all
}

func leaves(n int) string {
	if n == 1 {
		return "1 leaf"
	}
	return fmt.Sprint(n, " leaves")
}

func mostLeaves(all []pair) (n int) {
	for _, p := range all {
		n = max(n, p.Base.Leaves, p.Changed.Leaves)
	}
	return n
}

// goodput is that of the slowest leaf that is compared.
func (p *pair) goodput(r bulk.Result) float64 {
	if r.Failed != "" {
		return 0
	}
	return bulk.Slowest(r.Got, p.Apart)
}

// summary is a pair's rounds in medians.
type summary struct {
	Base, Changed           spread // bytes a second
	Ratio                   spread // changed to base of the same round; 0 where either failed
	CompleteBase, Completed int
	Held                    bool
}

type spread struct{ Median, Low, High float64 }

func spreadOf(v []float64) spread {
	return spread{stage.Median(v), slices.Min(v), slices.Max(v)}
}

func (p *pair) summarize() {
	var base, changed, ratio []float64
	var s summary
	for _, t := range p.Trials {
		base, changed = append(base, t.Base.Counted), append(changed, t.Changed.Counted)
		if t.Base.Counted > 0 {
			s.CompleteBase++
			ratio = append(ratio, t.Changed.Counted/t.Base.Counted)
		} else {
			ratio = append(ratio, 0)
		}
		if t.Changed.Counted > 0 {
			s.Completed++
		}
	}
	s.Base, s.Changed, s.Ratio = spreadOf(base), spreadOf(changed), spreadOf(ratio)
	s.Held = s.Ratio.Median >= p.Bound && s.CompleteBase == len(p.Trials) && s.Completed == len(p.Trials)
	p.Sum = s
}
