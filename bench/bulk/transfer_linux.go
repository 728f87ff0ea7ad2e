package bulk

import (
	"errors"
	"math"
	"strings"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// Result is what a run gave.
type Result struct {
	Goodput   float64 // bytes a second, slowest leaf but for Spec.MayMiss; 0: it failed
	Failed    string  `json:",omitempty"`
	Sent      Sent
	Got       []Got
	Lost      []uint64 // packets that each leaf's filter dropped
	RootUsage stage.Usage
	LeafUsage []stage.Usage
}

// Wire is the bytes on the wire for each byte of content.
func (r Result) Wire(s Spec) float64 {
	return float64(r.Sent.WireBytes) / float64(s.Messages()*uint64(s.Message))
}

// LostShare is the part of the packets on their way to leaves that the filters
// dropped, so that the loss which was asked for can be compared. With offload
// the filters count batches, and it says nothing.
func (r Result) LostShare() float64 {
	var lost, heard uint64
	for i, g := range r.Got {
		lost, heard = lost+r.Lost[i], heard+g.Heard
	}
	if lost+heard == 0 {
		return 0
	}
	return float64(lost) / float64(lost+heard)
}

// runs counts transfers.
var runs int

// A starter starts this program again in a host as a side of a run: it wraps the
// side into the kind of work that the program gives stage.Start.
type starter func(h *netlab.Host, s Side) (*stage.Side, error)

// Transfer does one run in hosts of a lab, the first s.Leaves of leaves. Sides
// are started by start, which wraps them into the program's own kind of work.
// The run's own failure is in the result; an error is the lab's.
func Transfer(root *netlab.Host, leaves []*netlab.Host, s Spec, start starter) (Result, error) {
	leaves = leaves[:s.Leaves]
	if err := prepare(root, leaves, s.LossOf, s.Offload); err != nil {
		return Result{}, err
	}
	r := run(root, leaves, s, start)
	for i, h := range leaves {
		n := uint64(0)
		if s.LossOf(i) > 0 {
			var err error
			if n, err = h.Lost(netlab.In); err != nil {
				return r, err
			}
		}
		r.Lost = append(r.Lost, n)
	}
	return r, nil
}

// Prepare sets the loss of every leaf's input and the offload of the root's
// device.
func Prepare(root *netlab.Host, leaves []*netlab.Host, loss float64, offload bool) error {
	return prepare(root, leaves, func(int) float64 { return loss }, offload)
}

func prepare(root *netlab.Host, leaves []*netlab.Host, loss func(leaf int) float64, offload bool) error {
	err := root.SetOffload(offload)
	for i, h := range leaves {
		err = errors.Join(err, h.SetLoss(netlab.In, loss(i)))
	}
	return err
}

func run(root *netlab.Host, leaves []*netlab.Host, s Spec, start starter) (r Result) {
	var sides []*stage.Side // the root, then the leaves
	err := func() error {
		code, err := crypto.NewCode()
		if err != nil {
			return err
		}
		runs++
		work := Side{Spec: s, Code: code.Reveal(), Run: runs}
		side, err := start(root, work)
		if err != nil {
			return err
		}
		sides = append(sides, side)
		if work.Root, err = side.Line(); err != nil {
			return err
		}
		for i, h := range leaves {
			work.Leaf = i + 1
			if side, err = start(h, work); err != nil {
				return err
			}
			sides = append(sides, side)
		}
		for _, side := range sides[1:] {
			var g Got
			if err := side.Decode(&g); err != nil {
				return err
			}
			r.Got = append(r.Got, g)
		}
		return sides[0].Decode(&r.Sent)
	}()
	if err != nil {
		for _, side := range sides {
			side.Stop()
		}
	}
	var said []string // by whoever ended on its own account
	for i, side := range sides {
		u, e := side.Wait()
		if err == nil {
			err = e
		}
		if w := side.Errors(); w != "" {
			said = append(said, side.Name()+": "+w)
		}
		if i == 0 {
			r.RootUsage = u
		} else {
			r.LeafUsage = append(r.LeafUsage, u)
		}
	}
	if err != nil {
		r.Failed = strings.Join(append([]string{err.Error()}, said...), "; ")
		return r
	}
	r.Goodput = Slowest(r.Got, s.MayMiss)
	return r
}

// Slowest is the least goodput of all leaves but one, counted from 1; 0: of all.
func Slowest(all []Got, but int) float64 {
	least := math.Inf(1)
	for i, g := range all {
		if i != but-1 {
			least = min(least, g.Goodput())
		}
	}
	if math.IsInf(least, 1) {
		return 0
	}
	return least
}
