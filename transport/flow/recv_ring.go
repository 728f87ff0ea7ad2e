package flow

import (
	"encoding/binary"
	"math/bits"
)

// slot is one symbol that is here: its DATA frame without zeros behind, which
// lies in slab.
type slot struct {
	b        []byte
	slab     *Slab
	repaired bool
}

func (s *slot) payload() []byte { return s.b[HeadSize+symbolHead:] }
func (s *slot) head() uint16    { return binary.BigEndian.Uint16(s.b[HeadSize+2:]) }
func (s *slot) message() uint32 { return binary.BigEndian.Uint32(s.b[HeadSize+4:]) }
func (s *slot) pos() uint16     { return binary.BigEndian.Uint16(s.b[10:]) }

// stream is one stream of the sender. In sequences:
//
//	start <= kept <= base <= contig <= hi <= known
//	         [kept, base) read, but their block may need them to be rebuilt
//	                [base, contig) held, all of it; the cursor is in base
//	                        [contig, hi) some held; [hi, known) none
type stream struct {
	id    Stream
	class Class
	r     *Receiver
	lost  bool // the cursor is not on a record: looking for the next one
	fresh bool // no record was found yet

	ring []slot   // by sequence & mask
	have []uint64 // bit per slot
	mask uint64

	start  uint64
	kept   uint64 // first symbol that is still in the ring
	base   uint64 // first symbol that the application has not taken whole
	contig uint64 // first symbol that is missing
	hi     uint64 // after the highest held
	known  uint64 // after the highest known to be sent
	gone   uint64 // what is missing below will not come
	asked  uint64 // what is missing below was asked for
	last   uint64 // nothing is sent from here on: BYE
	held   int

	cur     []byte // what is left of base's payload
	avail   int    // bytes from the cursor to contig
	size    int    // of the record at the cursor, its length read; valid when length > 0
	length  int    // bytes of its length
	first   uint64 // number of the first message owed
	message uint64 // number of the next message
	missed  uint64 // messages to be told missing first
	// Where a Judge is waited for.
	proven   uint64 // what is here from base up to it is proven
	released uint64
	waitSeq  uint64 // is here and not proven
	waitEnd  uint64 // hi when that began
	waitAt   moment // when that was; never: it is not so
	end      edgeMark
	walked   uint64 // while lost: the least number of the next record
	jumps    uint64 // times that the cursor was put on another record
	scan     scan

	sections   []section
	block      uint64       // first symbol of the newest block of which something came
	coded      []codedBlock // parity
	parityHeld int          // rows in them
	progress   bool         // an asked symbol came since the last NAK
	told       limits       // by the last STATUS
	heardAt    moment

	lostSymbols uint64
	skipped     uint64
	taken       uint64
}

// edgeMark is where a message number is known without holding a symbol.
type edgeMark struct {
	seq    uint64
	number uint32
}

// limits is what a STATUS said.
type limits struct{ delivered, highest, limit uint64 }

func (st *stream) holds(seq uint64) bool {
	return st.have[seq&st.mask>>6]>>(seq&63)&1 == 1
}

// admit decides whether a symbol has a place, and makes it.
func (st *stream) admit(d *data) Drop {
	r := st.r
	switch {
	case d.seq < st.start:
		return DropBefore
	case d.seq < st.base:
		if st.class != Reliable {
			return DropLate
		}
		return DropDuplicate
	case d.seq >= st.last:
		return DropWindow
	}
	if d.seq-st.base >= r.window {
		if st.class != Reliable {
			st.slide(d.seq)
		}
		if d.seq-st.base >= r.window {
			return DropWindow
		}
	}
	if r.pool.Over() && d.seq >= st.hi && st.held >= r.reserve {
		return DropBudget
	}
	if d.seq-st.kept >= uint64(len(st.ring)) {
		st.grow(d.seq - st.kept)
	}
	return DropNone
}

// reserve is how many symbols a stream may hold whatever the budget: 256 KiB,
// unless ReceiverConfig.Reserve is more.
const reserve = 192

// slide makes room for seq by giving up what is missing a window before it. It
// does not move over a message that is whole: then the new packet is dropped.
func (st *stream) slide(seq uint64) {
	to := seq - st.r.window + 1
	st.gone = max(st.gone, min(to, seq))
	st.known = max(st.known, st.gone)
	st.settle()
}

// grow doubles the ring until distance fits.
func (st *stream) grow(distance uint64) {
	n := max(blockSize, 2*len(st.ring))
	for uint64(n) <= distance {
		n *= 2
	}
	old, mask := st.ring, st.mask
	st.ring, st.have, st.mask = make([]slot, n), make([]uint64, n/64), uint64(n-1)
	if len(old) == 0 {
		return
	}
	for seq := st.kept; seq < st.hi; seq++ {
		if s := &old[seq&mask]; s.b != nil {
			st.ring[seq&st.mask] = *s
			st.have[seq&st.mask>>6] |= 1 << (seq & 63)
		}
	}
}

// extend moves contig over what is held, and proven where that is waited for.
func (st *stream) extend() {
	seq, hi, avail := st.contig, st.hi, st.avail
	if st.r.waits() && seq < hi {
		hi = st.provenTo(seq, hi)
	}
	for seq < hi {
		b := st.ring[seq&st.mask].b
		if b == nil {
			break
		}
		avail += len(b) - HeadSize - symbolHead
		seq++
	}
	if st.cur == nil && !st.lost && seq > st.base {
		st.cur = st.ring[st.base&st.mask].payload()
	}
	st.contig, st.avail = seq, avail
}

// drop frees a slot that is held; the caller moves base past it.
func (st *stream) drop(seq uint64) {
	st.free(seq)
	st.held--
}

// free lets go of a symbol.
func (st *stream) free(seq uint64) {
	at := &st.ring[seq&st.mask]
	if at.slab != nil {
		at.slab.release()
	}
	*at = slot{}
	st.have[seq&st.mask>>6] &^= 1 << (seq & 63)
}

// take moves base past a symbol that was read whole. It stays until its block
// ends, or has come whole: what the block lacks may be rebuilt with it.
func (st *stream) take() {
	at := &st.ring[st.base&st.mask]
	st.held--
	st.taken++
	first := st.base - uint64(at.pos())
	if st.kept < first {
		st.forget(min(first, st.base))
	}
	st.base++
	if st.class == BestEffort || first+blockSize<<(at.b[1]>>5) <= st.contig {
		st.forget(st.base)
	}
}

// forget frees what was read below to.
func (st *stream) forget(to uint64) {
	for end := min(to, st.kept+uint64(len(st.ring))); st.kept < end; st.kept++ {
		if st.holds(st.kept) {
			st.free(st.kept)
		}
	}
	st.kept = max(st.kept, to)
}

// hole is the first missing symbol in [from, to), or to. Bits past hi say
// nothing: in the word that base shares they are those of a lap before.
func (st *stream) hole(from, to uint64) uint64 {
	from = max(from, st.contig)
	end := min(to, st.hi)
	for seq := from; seq < end; seq = seq&^63 + 64 {
		if w := ^st.have[seq&st.mask>>6] >> (seq & 63); w != 0 {
			if seq += uint64(bits.TrailingZeros64(w)); seq < end {
				return seq
			}
			break
		}
	}
	return min(to, max(from, end))
}

// whole is the first held symbol in [from, to), or to.
func (st *stream) whole(from, to uint64) uint64 {
	end := min(to, st.hi)
	for seq := from; seq < end; seq = seq&^63 + 64 {
		if w := st.have[seq&st.mask>>6] >> (seq & 63); w != 0 {
			if seq += uint64(bits.TrailingZeros64(w)); seq < end {
				return seq
			}
			break
		}
	}
	return to
}

// rest gives the ring back once nothing is held and nothing came for a while.
func (st *stream) rest(t moment) {
	if st.held == 0 && st.ring != nil && st.base == st.known && t-st.heardAt >= idleAfter {
		st.forget(st.base)
		st.ring, st.have, st.mask, st.sections, st.coded = nil, nil, 0, nil, nil
	}
}
