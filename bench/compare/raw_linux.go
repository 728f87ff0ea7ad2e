package main

import (
	"fmt"
	"time"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/bench/kernel"
	"github.com/joinleaf/joinleaf/bench/stage"
)

// work is a side of one of the peers that are this program.
type work struct {
	Bulk *bulk.Side
	Raw  *kernel.Side
	Copy *copySide
}

func (w work) do() error {
	switch {
	case w.Bulk != nil:
		return w.Bulk.Do()
	case w.Raw != nil:
		return w.Raw.Do()
	case w.Copy != nil:
		return w.Copy.do()
	}
	return fmt.Errorf("a side without work")
}

// raw is what the kernel does for whoever wants no reliability: sendmmsg and
// recvmmsg of 64 datagrams of 1,400 bytes, as fast as they go. It always runs
// without loss, beside each cell's peers: it is what they are compared with.
type raw struct{}

func (*raw) name() string { return "raw" }

func (*raw) about() string {
	return "plain sockets, sendmmsg and recvmmsg of 64 x 1,400 B, unpaced, nothing repaired or checked; always without loss: the limit that the others are compared with"
}

func (*raw) find(*place) (string, error) { return stage.ThisMachine().Go, nil }

func (*raw) ladder(int) []setting { return []setting{{}} }

func (*raw) under(cell, setting) []setting { return []setting{{}} }

func (*raw) run(p *place, c cell, _ setting) (o outcome, err error) {
	leaves := p.leaves[:c.Leaves]
	if err := bulk.Prepare(p.root, leaves, 0, false); err != nil {
		return o, err
	}
	w := kernel.Side{Spec: kernel.Spec{Packets: int((p.size + kernel.Size - 1) / kernel.Size)}}
	var sides []*stage.Side
	for _, h := range leaves {
		side, err := stage.Start(h, p.limit, work{Raw: &w})
		if err != nil {
			halt(sides)
			return o, err
		}
		sides = append(sides, side)
	}
	if o := listening(sides); o.Failed != "" {
		return o, nil
	}
	time.Sleep(settle)
	w.Send = true
	sender, err := stage.Start(p.root, p.limit, work{Raw: &w})
	if err != nil {
		halt(sides)
		return o, err
	}
	for _, side := range sides {
		var got kernel.Got
		if err := side.Decode(&got); err != nil {
			o = incomplete("%v", err)
			break
		}
		if got.Later == 0 {
			o = incomplete("%d packets came, which is too few to tell", got.Packets)
			break
		}
		rate := got.Rate() * kernel.Size
		if share := float64(got.Packets) / float64(w.Spec.Packets); o.Arrived == 0 || share < o.Arrived {
			o.Arrived = share
		}
		if o.Goodput == 0 || rate < o.Goodput {
			o.Goodput = rate
		}
	}
	o.finish(sender, sides)
	return o, nil
}
