package main

import (
	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

// joinleaf is ours: sealed, and signed by the root as by default, or only sealed
// under the group's key as the others that encrypt do; with the root's device taking
// batches whole, or cutting them into packets as a plain network card has them.
type joinleaf struct {
	source  rooted.SourceLevel
	clear   bool // without protection, which is for measurements
	offload bool
}

func (j *joinleaf) name() string {
	name := "joinleaf"
	if j.clear {
		name += "-clear"
	} else if j.source != rooted.Signed {
		name += "-" + j.source.String()
	}
	if j.offload {
		name += "-offload"
	}
	return name
}

func (j *joinleaf) about() string {
	s := "defaults: AES-256-GCM, signed by the root, finds its rate; 8 KiB messages, every byte checked while it runs"
	if j.clear {
		s = "the same without protection (InsecurePlaintextForTesting, which no command offers)"
	} else if j.source != rooted.Signed {
		s = "the same with source " + j.source.String() + ": under the group's key, not signed"
	}
	if j.offload {
		return s + "; batches cross the virtual links whole, so a loss takes a whole batch and no network card is like it"
	}
	return s + "; single packets on the wire"
}

func (*joinleaf) find(*place) (string, error) { return stage.ThisMachine().Joinleaf, nil }

func (*joinleaf) ladder(int) []setting { return []setting{{}} }

func (*joinleaf) under(cell, setting) []setting { return []setting{{}} }

func (j *joinleaf) run(p *place, c cell, _ setting) (outcome, error) {
	spec := bulk.Spec{Size: p.size, Message: message, Leaves: c.Leaves, Loss: c.Loss, Offload: j.offload, Source: j.source, Clear: j.clear, Within: p.limit}
	r, err := bulk.Transfer(p.root, p.leaves, spec, func(h *netlab.Host, side bulk.Side) (*stage.Side, error) {
		return stage.Start(h, p.limit, work{Bulk: &side})
	})
	if err != nil {
		return outcome{}, err
	}
	o := outcome{Goodput: r.Goodput, Failed: r.Failed, RootUsage: r.RootUsage, LeafUsage: r.LeafUsage}
	if r.Failed == "" {
		o.Arrived = 1
	}
	return o, nil
}
