package flow

import (
	"math/bits"
	"slices"
)

// A crowd is a world of many leaves on one switch: a batch comes to all of them
// in one event, they share the frames, and nobody makes a message's text twice.

// crowd is what a world has for it.
type crowd struct {
	texts             [][][]byte     // messages, by stream
	naksOf            map[uint64]int // block of stream 0 -> NAKs for it
	writeBuf, readBuf [64 << 10]byte
}

// textOf is message n of a stream.
func (w *world) textOf(st int, n uint64) []byte {
	if !w.sc.crowd {
		return text(w.writeBuf[:], st, n, w.sizeOf(st, n))
	}
	for len(w.texts) <= st {
		w.texts = append(w.texts, nil)
	}
	for uint64(len(w.texts[st])) <= n-w.sc.first {
		next := w.sc.first + uint64(len(w.texts[st]))
		size := w.sizeOf(st, next)
		w.texts[st] = append(w.texts[st], text(make([]byte, size), st, next, size))
	}
	return w.texts[st][n-w.sc.first]
}

// transmitToAll brings the batch in hand to every leaf that does not lose it.
func (w *world) transmitToAll(shared bool) {
	frames := make([][]byte, len(w.b.Frames))
	metas := make([]Meta, len(frames))
	lost := make([]uint64, len(w.leaves))
	for k, f := range w.b.Frames {
		w.note(0, f)
		frames[k], metas[k] = append([]byte(nil), f...), Meta{Number: w.number}
		w.number++
		gone := shared && w.rng.Float64() < w.sc.shared
		for i, l := range w.leaves {
			if gone || w.lossy() && (l.bad && w.sc.batch > 0 || w.sc.loss != nil && w.sc.loss(w, l, f[0] == frameData)) {
				lost[i] |= 1 << k
				l.linkLost++
				w.lostAt = w.at
			}
		}
	}
	leaves := slices.Clone(w.leaves)
	w.after(w.sc.delay, func() {
		for i, l := range leaves {
			if !l.gone && bits.OnesCount64(lost[i]) < len(frames) {
				l.hear(metas, frames, lost[i])
			}
		}
	})
}

// hear is one read of the socket. Everybody has the same frames, which nobody
// writes to.
func (l *leaf) hear(metas []Meta, frames [][]byte, lost uint64) {
	w, now := l.w, l.w.now()
	for k, f := range frames {
		if lost>>k&1 == 1 {
			continue
		}
		w.handed++
		switch d := l.r.Handle(now, metas[k], f, nil); d {
		case DropNone, DropDuplicate, DropLate, DropBefore, DropWindow:
		default:
			w.fatalf("leaf %d dropped an honest frame: %v", l.id, d)
		}
	}
	l.pump()
}

// countNak books a NAK for each block that it asks something of.
func (w *world) countNak(f *nak) {
	st := &w.s.streams[f.stream]
	if !w.sc.crowd || f.stream != 0 {
		return
	}
	if w.naksOf == nil {
		w.naksOf = map[uint64]int{}
	}
	last := uint64(seqMax)
	at := f.base
	for rest := f.ranges; len(rest) > 0; {
		from, to, n := nakRange(rest, at)
		for seq := max(from, st.oldest); seq < min(to, st.sent); {
			b := st.blocks.at(st.blocks.find(seq))
			if b.first != last {
				w.naksOf[b.first]++
				last = b.first
			}
			seq = b.end()
		}
		at, rest = to, rest[n:]
	}
}

// naksAt is the p-th share of all blocks by the NAKs that came for them.
func (w *world) naksAt(p float64) int {
	all := make([]int, max(0, w.s.streams[0].blocks.high-len(w.naksOf)))
	for _, n := range w.naksOf {
		all = append(all, n)
	}
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[int(p*float64(len(all)-1)+0.5)]
}

// checkKept holds I19: what an ordered stream was read of, and keeps, is of one
// block; what is not repaired is not kept at all.
func (l *leaf) checkKept() {
	for _, st := range l.r.streams {
		if st == nil || st.kept == st.base {
			continue
		}
		at := &st.ring[(st.base-1)&st.mask]
		if st.kept > st.base || !st.class.asks() || at.b == nil || st.base-1-st.kept > uint64(at.pos()) {
			l.w.fatalf("leaf %d stream %d keeps %d to %d: not of one block", l.id, st.id, st.kept, st.base)
		}
	}
}
