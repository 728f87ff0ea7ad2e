package flow

import (
	"math"
	"slices"
	"time"
)

// checkBatch holds I10 (shape and rate), I9 (stamps rise), I8 (nothing goes
// twice without cause) and credit for every batch, before it leaves.
func (w *world) checkBatch() {
	b := &w.b
	n, wire := len(b.Frames), 0
	if n == 0 || n > MaxSegments {
		w.fatalf("a batch of %d", n)
	}
	for i, f := range b.Frames {
		wire += len(f) + w.s.c.Overhead
		if i < n-1 && len(f) != len(b.Frames[0]) || len(f) > len(b.Frames[0]) {
			w.fatalf("frame %d of %d has %d bytes, the first %d", i, n, len(f), len(b.Frames[0]))
		}
	}
	if wire > MaxBatch {
		w.fatalf("a batch of %d bytes", wire)
	}
	w.checkRate(wire + n*ipOverhead)
	stamp := w.s.stamp
	if stamp <= w.lastStamp && b.Frames[0][0] != frameNote {
		w.fatalf("stamp %d after %d", stamp, w.lastStamp)
	}
	w.lastStamp = stamp
	switch b.Frames[0][0] {
	case frameBeat:
		return
	case frameNote:
		var f note
		if !parseNote(b.Frames[0], &f) {
			w.fatalf("sent a broken note %x", b.Frames[0])
		}
		return
	case frameParity:
		w.checkParity(stamp)
		return
	}
	zeros, total := 0, 0
	for _, f := range b.Frames {
		var d data
		if !parseData(f, &d) || d.sent != uint32(stamp) {
			w.fatalf("sent a broken frame %x", f)
		}
		zeros, total = zeros+d.zeros, total+len(f)
		w.checkSymbol(&d, stamp)
	}
	if 8*zeros > total {
		w.fatalf("%d of %d bytes are zeros", zeros, total)
	}
}

// checkParity holds I9: no row twice, none of a block that was not sent whole.
func (w *world) checkParity(stamp int64) {
	for _, frame := range w.b.Frames {
		var f parity
		if !parseParity(frame, &f) || f.sent != uint32(stamp)&0xffffff {
			w.fatalf("sent a broken row %x", frame[:HeadSize])
		}
		if f.first+uint64(f.n) > w.firstSent[f.stream] {
			w.fatalf("a row of block %d+%d, of which %d were sent", f.first, f.n, w.firstSent[f.stream])
		}
		k := [4]uint64{uint64(f.stream), f.first, uint64(f.column), uint64(f.row)}
		if w.rowsSent[k] {
			w.fatalf("row %v went twice", k)
		}
		w.rowsSent[k] = true
	}
}

func (w *world) checkSymbol(d *data, stamp int64) {
	st := int(d.stream)
	if d.seq == w.firstSent[st] {
		w.firstSent[st]++
		for _, l := range w.leaves {
			if d.seq >= l.limit[st] && w.sc.policy == Slowest && w.sc.streams[st] == Reliable && w.s.members[w.s.index[l.id]].standing == inStep {
				w.fatalf("credit: %d sent first, leaf %d allows %d", d.seq, l.id, l.limit[st])
			}
		}
	} else if d.seq > w.firstSent[st] {
		w.fatalf("stream %d: %d sent before %d", st, d.seq, w.firstSent[st])
	} else if w.sc.fails == nil {
		w.checkAgain(d, stamp)
	}
	w.sent[key(d, w.b.To)] = stamp
}

func key(d *data, to Member) [3]uint64 { return [3]uint64{uint64(to), uint64(d.stream), d.seq} }

// checkAgain: somebody it goes to must have asked, having heard something
// later than the last time it went that way, or two round trips must be over.
func (w *world) checkAgain(d *data, stamp int64) {
	for _, l := range w.leaves {
		if w.b.To != 0 && w.b.To != l.id {
			continue
		}
		last := max(w.sent[key(d, 0)], w.sent[key(d, l.id)])
		k := [3]uint64{uint64(l.id), uint64(d.stream), d.seq}
		echo, ok := w.asked[k]
		if ok && (echo >= last || w.askedAt[k]-last >= 2*micro(w.grtt)-1) {
			return
		}
	}
	w.fatalf("stream %d: %d goes again to %d for no reason", d.stream, d.seq, w.b.To)
}

func (w *world) unsend() {
	if w.b.kind == batchData {
		w.firstSent[w.b.stream] -= uint64(len(w.b.Frames))
	}
}

// checkRate holds bytes in any stretch to burst + rate x time; BEATs may go
// into debt, one at most.
func (w *world) checkRate(wire int) {
	if w.sc.rate == 0 {
		return
	}
	w.wireSince = append(w.wireSince, wirePoint{w.at, wire})
	if len(w.wireSince) > 64 {
		w.wireSince = w.wireSince[1:]
	}
	sum := 0
	for i := len(w.wireSince) - 1; i >= 0; i-- {
		sum += w.wireSince[i].bytes
		span := w.at - w.wireSince[i].at
		if most := w.s.pace.bucket + int(int64(span)*w.sc.rate/1e9) + 600; sum > most {
			w.fatalf("%d bytes in %v, %d allowed", sum, span, most)
		}
	}
}

// noteFeedback keeps what the sender was told, as the checks need it.
func (w *world) noteFeedback(l *leaf, frame []byte) {
	var s status
	if parseStatus(frame, &s) {
		for i := range s.n {
			e := &s.streams[i]
			if e.limit > l.limit[e.stream] || !l.spoken {
				l.limit[e.stream] = e.limit
			}
		}
		l.spoken = true
		return
	}
	var f nak
	if _, ok := parseNak(frame, &f); !ok {
		w.fatalf("a broken NAK %x", frame)
	}
	now := w.s.micros(w.s.now(w.now()))
	echo := now - int64(uint32(now)-f.echo)
	at := f.base
	for rest := f.ranges; len(rest) > 0; {
		from, to, n := nakRange(rest, at)
		for seq := from; seq < to; seq++ {
			k := [3]uint64{uint64(l.id), uint64(f.stream), seq}
			w.asked[k] = max(w.asked[k], echo)
			w.askedAt[k] = now
		}
		at, rest = to, rest[n:]
	}
	w.countNak(&f)
}

// checkCounted is I14: what the sender believes of its members equals what
// the table says.
func (w *world) checkCounted() {
	s := w.s
	if s.dirty {
		return
	}
	if s.counted != len(s.index) || s.counted != len(w.leaves) {
		w.fatalf("counted %d, index %d, leaves %d", s.counted, len(s.index), len(w.leaves))
	}
	for k := range s.streams {
		st := &s.streams[k]
		credit, floor := uint64(math.MaxUint64), uint64(math.MaxUint64)
		for _, l := range w.leaves {
			m := &s.members[s.index[l.id]]
			ms := m.streams[k]
			floor = min(floor, ms.delivered)
			if m.standing != inStep {
				continue
			}
			if st.class == Reliable {
				credit = min(credit, ms.limit, ms.delivered+s.window)
			} else if !m.quiet {
				credit = min(credit, ms.limit)
			}
		}
		if w.sc.policy == Slowest && (credit != st.credit || st.class == Reliable && floor != st.floor) {
			w.fatalf("stream %d: credit %d floor %d, the table says %d %d", k, st.credit, st.floor, credit, floor)
		}
		wanted := 0
		for seq := st.nextWanted(st.oldest); seq < st.sent; seq = st.nextWanted(seq + 1) {
			wanted++
		}
		if wanted != st.wanted {
			w.fatalf("stream %d: %d wanted, %d counted", k, wanted, st.wanted)
		}
	}
}

// finish ends the session in good order and closes all books.
func (w *world) finish() {
	edges := w.s.Edges(nil)
	for _, l := range w.leaves {
		l.r.Finish(w.now(), edges)
		if !l.r.Done() && slices.Contains(w.sc.streams, BestEffort) {
			l.r.GiveUp(w.now()) // the tail of a message that is told missing already
		}
		if !l.r.Done() {
			w.report()
			w.fatalf("leaf %d is not done", l.id)
		}
		w.receiverBooks(l)
		l.r.Close()
		l.pool.Put(l.slab)
		if l.pool.InUse() != 0 || l.pool.made != len(l.pool.free) {
			w.fatalf("leaf %d: %d slabs in use, %d made, %d free", l.id, l.pool.InUse(), l.pool.made, len(l.pool.free))
		}
	}
	w.senderBooks()
}

func (w *world) senderBooks() {
	s := w.s.Stats()
	if s.Written != s.Sent+s.Queued+s.Open || s.Queued != 0 || s.Open != 0 {
		w.fatalf("bytes: %+v", s)
	}
	if s.Segments != s.Data+s.AgainGroup+s.AgainAlone+s.Rows+s.Notes+s.Beats {
		w.fatalf("segments: %+v", s)
	}
	if s.Wanted != s.Repaired+s.Answered+s.Gone+s.Withdrawn+s.StillWanted || s.Repaired != s.AgainGroup+s.AgainAlone {
		w.fatalf("wanted: %+v", s)
	}
	if most := len(w.sc.streams) * (w.s.ring + 2*blockSize) * w.s.slot; s.Memory > most {
		w.fatalf("memory %d, at most %d", s.Memory, most)
	}
	if w.s.slots != len(w.s.free)+w.chunksInUse() {
		w.fatalf("chunks: %d made, %d free, %d in use", w.s.slots, len(w.s.free), w.chunksInUse())
	}
}

func (w *world) chunksInUse() (n int) {
	for i := range w.s.streams {
		for _, c := range w.s.streams[i].chunks {
			if c != nil {
				n++
			}
		}
	}
	return n
}

func (w *world) receiverBooks(l *leaf) {
	s := l.r.Stats()
	if s.Frames != s.Symbols+s.Parity+s.Notes+s.Beats+s.Drops.Total() {
		w.fatalf("leaf %d frames: %+v", l.id, s)
	}
	var missed uint64
	for i, st := range s.Streams {
		if st.Known-st.Start != st.Taken+st.Skipped+st.Lost+st.Held+st.Missing {
			w.fatalf("leaf %d symbols: %+v", l.id, st)
		}
		if st.NextMessage != w.written[i] || l.next[i] != w.written[i] {
			w.fatalf("leaf %d stream %d: at message %d of %d", l.id, i, st.NextMessage, w.written[i])
		}
		missed += l.gaps[i]
	}
	if missed != s.Missed {
		w.fatalf("leaf %d was told %d missed, books say %d", l.id, missed, s.Missed)
	}
	if w.sc.twin == 0 && w.sc.dup == 0 && w.hostDrops == 0 && w.sc.fails == nil && s.Expected-s.Heard > l.linkLost {
		w.fatalf("leaf %d: %d packets missing, the link lost %d", l.id, s.Expected-s.Heard, l.linkLost)
	}
}

// bernoulli loses each packet alone.
func bernoulli(p float64) func(*world, *leaf, bool) bool {
	return func(w *world, l *leaf, _ bool) bool { return w.rng.Float64() < p }
}

// gilbert is the Gilbert-Elliott model: good and bad spells.
func gilbert(toBad, toGood, lossInBad float64) func(*world, *leaf, bool) bool {
	return func(w *world, l *leaf, _ bool) bool {
		if l.bad {
			l.bad = w.rng.Float64() >= toGood
		} else {
			l.bad = w.rng.Float64() < toBad
		}
		return l.bad && w.rng.Float64() < lossInBad
	}
}

// cut loses everything between two times.
func cut(from, to time.Duration, who ...int) func(*world, *leaf, bool) bool {
	return func(w *world, l *leaf, _ bool) bool {
		return w.at >= from && w.at < to && (len(who) == 0 || slices.Contains(who, int(l.id)))
	}
}

// deafTo draws whether the frame in hand is lost on its way to the sender.
func (w *world) deafTo(what string) bool {
	return what == "all" || what == "NAK" && w.kind == frameNak || what == "STATUS" && w.kind == frameStatus
}
