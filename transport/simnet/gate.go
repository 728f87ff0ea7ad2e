package simnet

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// dice are one purpose's draws in one place of the network. They come from the
// seed and the names alone, so what one link draws never shifts another's.
type dice struct{ rand.PCG }

func newDice(seed uint64, names ...string) dice {
	h := fnv.New64a()
	for _, s := range names {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
	return dice{*rand.NewPCG(mix(seed), mix(h.Sum64()))}
}

// mix is SplitMix64's last step: seeds that are neighbours give draws that are
// strangers.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// fraction draws from [0, 1).
func (d *dice) fraction() float64 { return float64(d.Uint64()>>11) / (1 << 53) }

// hit draws with probability p. It draws nothing when p is zero.
func (d *dice) hit(p float64) bool { return p > 0 && d.fraction() < p }

// upTo draws a time from [0, max).
func (d *dice) upTo(max time.Duration) int64 {
	if max <= 0 {
		return 0
	}
	return int64(d.fraction() * float64(max))
}

// A gate is a place where packets are lost or wait: a host's uplink, the way
// between two hosts, a host's downlink.
type gate struct {
	link    Link
	lossy   bool // link can lose packets by a draw or by count
	loss    dice
	batch   dice
	burst   dice
	bad     bool
	count   int
	free    int64 // when the bandwidth has served all that came
	endless bool  // an uplink without Queue: never drops
}

func newGate(seed uint64, name string) gate {
	return gate{loss: newDice(seed, "loss", name), batch: newDice(seed, "batch", name), burst: newDice(seed, "burst", name)}
}

func (g *gate) set(l Link) {
	g.link = l
	g.lossy = l.Loss > 0 || l.Every > 0 || l.Burst.GoodToBad > 0
	g.bad = g.bad && l.Burst.GoodToBad > 0
}

// pass appends the runs that r falls into: lost ones with their fate, others
// with the time at which their last byte is through.
func (g *gate) pass(runs []run, p *packet, r run) []run {
	if g.batch.hit(g.link.BatchLoss) {
		r.fate = DropBatch
		return append(runs, r)
	}
	if !g.lossy && g.link.Bandwidth == 0 {
		return append(runs, r)
	}
	first := len(runs)
	p.split(r, func(one run) {
		one.fate = g.draw()
		if one.fate == 0 && g.link.Bandwidth > 0 {
			one.fate, one.at = g.serve(p, one)
		}
		if len(runs) > first && g.joins(runs[len(runs)-1], one) {
			last := &runs[len(runs)-1]
			last.hi, last.at = one.hi, one.at
			return
		}
		runs = append(runs, one)
	})
	return runs
}

// coalesce is how long a receiver collects packets to merge them: what takes
// longer on the wire arrives in several buffers.
const coalesce = 50 * time.Microsecond

func (g *gate) joins(last, one run) bool {
	if last.fate != one.fate {
		return false
	}
	if one.fate != 0 || g.link.Bandwidth == 0 {
		return true
	}
	bits := int64(one.hi-last.lo) * 8
	return bits*int64(time.Second)/g.link.Bandwidth <= int64(coalesce)
}

// draw decides the loss of one packet.
func (g *gate) draw() Drop {
	if !g.lossy {
		return 0
	}
	if g.link.Every > 0 {
		if g.count++; g.count >= g.link.Every {
			g.count = 0
			return DropLoss
		}
	}
	if b := g.link.Burst; b.GoodToBad > 0 {
		turn := b.GoodToBad
		if g.bad {
			turn = b.BadToGood
		}
		if g.burst.hit(turn) {
			g.bad = !g.bad
		}
		if g.bad && g.burst.hit(b.lossInBad()) {
			return DropBurst
		}
	}
	if g.loss.hit(g.link.Loss) {
		return DropLoss
	}
	return 0
}

// serve puts one packet behind those that wait for the bandwidth.
func (g *gate) serve(p *packet, one run) (Drop, int64) {
	size := p.onWire(one)
	if room := g.room(); room > 0 && g.free > one.at {
		waiting := (g.free - one.at) / 8 * g.link.Bandwidth / int64(time.Second)
		if waiting+size > room {
			return DropQueue, one.at
		}
	}
	g.free = max(g.free, one.at) + size*8*int64(time.Second)/g.link.Bandwidth
	return 0, g.free
}

// room is what may wait, in bytes; zero: anything.
func (g *gate) room() int64 {
	switch {
	case g.link.Queue > 0:
		return int64(g.link.Queue)
	case g.endless:
		return 0
	}
	return defaultQueue
}
