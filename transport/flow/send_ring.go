package flow

import "math/bits"

// chunk holds 64 slots of a stream's ring and what is known of each. Chunks
// that nobody needs go on a stack and are used again while still in cache.
type chunk struct {
	data   []byte
	wanted uint64           // bit per slot: somebody lacks it
	owner  [blockSize]uint8 // who: owner number, or many
	group  [blockSize]int64 // stamp of the last time it went to the group; 0: never
	alone  [blockSize]int64 // stamp of the last time it went to one member
	whom   [blockSize]uint8 // that member's owner number, or many
}

const many = 255 // an owner number: more than one member, or one beyond the 250th

func (st *sendStream) chunk(seq uint64) *chunk {
	return st.chunks[seq/blockSize&uint64(len(st.chunks)-1)]
}

// slotOf is the slot of a symbol that is in the ring.
func (s *Sender) slotOf(c *chunk, seq uint64) []byte {
	at := int(seq%blockSize) * s.slot
	return c.data[at : at+s.slot : at+s.slot]
}

// slotFor is the slot of the next symbol, in a chunk taken for it if need be.
func (s *Sender) slotFor(st *sendStream, seq uint64) []byte {
	number := seq / blockSize
	for number-st.oldest/blockSize >= uint64(len(st.chunks)) {
		st.growTable()
	}
	at := &st.chunks[number&uint64(len(st.chunks)-1)]
	if *at == nil {
		*at = s.takeChunk()
	}
	return s.slotOf(*at, seq)
}

// growTable doubles the table of chunks; the chunks stay where they are.
func (st *sendStream) growTable() {
	old := st.chunks
	st.chunks = make([]*chunk, max(4, 2*len(old)))
	if len(old) == 0 {
		return
	}
	first := st.oldest / blockSize
	for n := first; n < first+uint64(len(old)); n++ {
		st.chunks[n&uint64(len(st.chunks)-1)] = old[n&uint64(len(old)-1)]
	}
}

func (s *Sender) takeChunk() *chunk {
	n := len(s.free)
	if n == 0 {
		s.slots++
		return &chunk{data: make([]byte, blockSize*s.slot)}
	}
	c := s.free[n-1]
	s.free = s.free[:n-1]
	*c = chunk{data: c.data}
	return c
}

// release frees every symbol below to.
func (s *Sender) release(st *sendStream, to uint64) {
	for st.oldest < to {
		n := min(to-st.oldest, blockSize-st.oldest%blockSize)
		c := st.chunk(st.oldest)
		if c.wanted != 0 {
			mask := (^uint64(0) >> (blockSize - n)) << (st.oldest % blockSize)
			gone := bits.OnesCount64(c.wanted & mask)
			c.wanted &^= mask
			st.wanted -= gone
			s.wanted -= gone
			s.stats.Gone += uint64(gone)
		}
		st.oldest += n
		if st.oldest%blockSize == 0 {
			at := &st.chunks[(st.oldest/blockSize-1)&uint64(len(st.chunks)-1)]
			s.free = append(s.free, *at)
			*at = nil
		}
	}
	s.judgeBlocks(0, st)
	st.blocks.drop(st.oldest)
}

// trim gives the memory of an idle sender back, but for two chunks.
func (s *Sender) trim() {
	for i := 2; i < len(s.free); i++ {
		s.free[i] = nil
		s.slots--
	}
	s.free = s.free[:min(len(s.free), 2)]
}
