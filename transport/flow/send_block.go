package flow

import "time"

const (
	mostColumns = 16
	blockSpan   = 8 * time.Millisecond // a block is closed after that; its interleave is chosen to be full by then
	blockFast   = 2 * time.Millisecond // the same, where messages have a deadline
)

// block is up to 64 x D symbols of a stream that are coded together. Column c
// is every D-th of them, so that a burst of losses, such as a whole batch,
// takes few from each. Its symbols stay in the ring until all were delivered.
type block struct {
	first  uint64
	n      int
	depth  uint8 // log2 of D
	closed bool
	asked  uint16 // columns of which somebody asked for some
	tall   uint16 // columns of which somebody lacked more than proactive rows could ever be
	owes   bool   // proactive rows
	noted  uint8  // greatest need that was told in a NOTE
	begun  moment
	ended  moment // when its last symbol left for the first time; never: it has not

	rows  [mostColumns]uint8 // per column: the next row that was not sent yet
	need  [mostColumns]uint8 // most that a member was heard to lack
	given [mostColumns]uint8 // rows sent for that so far
	spare [mostColumns]uint8 // proactive rows that are still to be sent
}

func (b *block) end() uint64  { return b.first + uint64(b.n) }
func (b *block) columns() int { return min(b.n, 1<<b.depth) }

// blocks are those of a stream that have symbols in the ring, by a number that
// only rises.
type blocks struct {
	ring      []block // by number & len-1
	low, high int     // numbers of the oldest and after the newest
	judged    int     // blocks below were counted for the proactive rows
	left      int     // blocks below have left for the first time
}

func (q *blocks) at(number int) *block { return &q.ring[number&(len(q.ring)-1)] }

// newest is the block that is open, or nil.
func (q *blocks) newest() *block {
	if q.high == q.low {
		return nil
	}
	if b := q.at(q.high - 1); !b.closed {
		return b
	}
	return nil
}

func (q *blocks) push() *block {
	if q.high-q.low == len(q.ring) {
		old, n := q.ring, q.high-q.low
		q.ring = make([]block, max(8, 2*len(old)))
		for i := range n {
			*q.at(q.low + i) = old[(q.low+i)&(len(old)-1)]
		}
	}
	q.high++
	return q.at(q.high - 1)
}

// find is the number of the block that holds seq, which is in the ring.
func (q *blocks) find(seq uint64) int {
	low, high := q.low, q.high
	for high-low > 1 {
		if mid := (low + high) / 2; q.at(mid).first <= seq {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

// drop forgets the blocks that lie below seq.
func (q *blocks) drop(seq uint64) {
	for q.low < q.high && q.at(q.low).end() <= seq {
		q.low++
	}
	q.judged, q.left = max(q.judged, q.low), max(q.left, q.low)
}

// closeBlock ends the open block: what comes next begins another.
func (st *sendStream) closeBlock() {
	if b := st.blocks.newest(); b != nil {
		b.closed = true
	}
}

// blockFor is the block that the next symbol belongs to. A new one is
// interleaved as deep as the rate of the one before lets it be filled, and
// leave, in time; at most twice as deep as that.
func (st *sendStream) blockFor(t moment, deepest uint8) *block {
	b := st.blocks.newest()
	if b != nil && t-b.begun < st.span() {
		return b
	}
	st.closeBlock()
	depth := uint8(0)
	if st.blocks.left > 0 && len(st.blocks.ring) > 0 {
		before := st.blocks.at(st.blocks.high - 1)
		lasted := max(t-before.begun, st.pace*moment(before.n), time.Microsecond)
		due := int64(before.n) * int64(st.span()) / int64(lasted)
		for depth < min(deepest, before.depth+1) && due >= blockSize<<(depth+1) {
			depth++
		}
	}
	b = st.blocks.push()
	*b = block{first: st.next, depth: depth, begun: t, ended: never}
	return b
}

// deepest is how far blocks may be interleaved. A few members ask before a deep
// block has ended, and are given the symbols: there it would only cost.
func (s *Sender) deepest() uint8 {
	if s.counted <= fewLeaves {
		return 0
	}
	return 4
}

func (st *sendStream) span() moment {
	if st.class == Deadline {
		return blockFast
	}
	return blockSpan
}

// floorOf is the highest place up to which the ring may be freed when the
// symbols below to are not needed any more: not into a block, whose rows need
// all of it, unless that is over.
func (st *sendStream) floorOf(to uint64) uint64 {
	if to == st.next || !st.class.asks() || to <= st.oldest || st.blocks.low == st.blocks.high {
		return to
	}
	return max(st.oldest, st.blocks.at(st.blocks.find(to)).first)
}

// blocksLeft notes which blocks have left whole, and what is to go with them.
func (s *Sender) blocksLeft(t moment, st *sendStream) {
	q := &st.blocks
	for q.left < q.high {
		b := q.at(q.left)
		if !b.closed || b.end() > st.sent {
			break
		}
		b.ended = t
		st.pace = (t - max(b.begun, st.leftAt)) / moment(b.n)
		st.leftAt = t
		q.left++
		s.addProactive(st, b)
	}
	s.judgeBlocks(t, st)
}
