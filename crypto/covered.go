package crypto

import "time"

// coverage is what is known of one stream of a sender: which symbols came, what
// manifests say of them, and how far the latter reach without a hole.
type coverage struct {
	open  bool
	low   uint64 // symbols below are done with
	next  uint64 // all from low to here are covered
	top   uint64 // above all that came or is covered
	far   uint64 // above all that is covered
	held  int    // symbols that came and are not covered
	cells []cell // by sequence, modulo: a power of two of them

	askAt time.Time // when to ask for what covers those that are held; zero: none is
	asks  int       // since next has moved
}

type cell struct {
	hash  SymbolHash
	state uint8
}

const (
	cellEmpty  = 0
	cellHeld   = 1 // came, not covered: hash is the symbol's
	cellListed = 2 // covered, not come: hash is the manifest's
	cellProven = 3 // came and covered
)

// When to ask. What is held waits for its manifest as long as a sender may take
// and the network after it; a hole with coverage behind it shows that one was
// lost.
const (
	askLate = 10 * time.Millisecond
	askHole = 2 * time.Millisecond
	askMost = 200 * time.Millisecond

	firstCells = 64
)

func (c *coverage) at(seq uint64) *cell { return &c.cells[seq&uint64(len(c.cells)-1)] }

// reach makes room for seq, which must not be below low, in at most span cells.
func (c *coverage) reach(seq uint64, span int) bool {
	n := uint64(len(c.cells))
	if seq-c.low < n {
		return true
	}
	if seq-c.low >= uint64(span) {
		return false
	}
	n = max(n, firstCells)
	for n <= seq-c.low {
		n *= 2
	}
	old := *c
	c.cells = make([]cell, n)
	for s := old.low; s < old.top; s++ {
		*c.at(s) = *old.at(s)
	}
	return true
}

// come takes up the hash of a symbol that came.
func (c *coverage) come(seq uint64, h *SymbolHash, span int) Outcome {
	switch {
	case !c.open:
		return Beyond
	case seq < c.low:
		return Old
	case !c.reach(seq, span):
		return Beyond
	}
	x := c.at(seq)
	switch x.state {
	case cellEmpty:
		x.hash, x.state = *h, cellHeld
		c.held++
		c.top = max(c.top, seq+1)
		return Held
	case cellHeld:
		if x.hash != *h { // one of the two is forged, and the first is kept
			return Unfit
		}
		return Held
	}
	if x.hash != *h {
		return Forged
	}
	x.state = cellProven
	return Taken
}

// proven is the first symbol in [from, to) that did not both come and prove to be
// the sender's own, or to.
func (c *coverage) proven(from, to uint64) uint64 {
	seq := max(from, c.low)
	for end := min(to, c.top); seq < end && c.at(seq).state == cellProven; {
		seq++
	}
	return min(seq, max(to, from))
}

// cover takes up what a proven manifest says of a symbol. news says that it was
// not known; bad that another symbol came in its place, and conflict that an
// earlier manifest said otherwise: that one holds.
func (c *coverage) cover(seq uint64, h []byte) (news, bad, conflict bool) {
	x := c.at(seq)
	said := SymbolHash(h)
	switch x.state {
	case cellEmpty:
		x.hash, x.state = said, cellListed
	case cellHeld:
		c.held--
		if bad = x.hash != said; bad {
			x.hash, x.state = said, cellListed
		} else {
			x.state = cellProven
		}
	default:
		return false, false, x.hash != said
	}
	c.top, c.far = max(c.top, seq+1), max(c.far, seq+1)
	return true, bad, false
}

// covered reports whether a manifest was heard of seq, or it is done with.
func (c *coverage) covered(seq uint64) bool {
	if seq < c.low {
		return true
	}
	return seq < c.top && c.at(seq).state >= cellListed
}

// advance moves next over what is covered, and restarts the wait for the rest.
func (c *coverage) advance(now time.Time, draw func() time.Duration) {
	from := c.next
	for c.next < c.top && c.at(c.next).state >= cellListed {
		c.next++
	}
	moved := c.next > from
	if moved {
		c.asks = 0
	}
	if c.held == 0 {
		c.askAt = time.Time{}
		return
	}
	wait := askLate
	if c.far > c.next {
		wait = askHole
	}
	at := now.Add(wait + draw())
	if moved || c.askAt.IsZero() || c.asks == 0 && at.Before(c.askAt) {
		c.askAt = at
	}
}

// release forgets what is below seq and covered.
func (c *coverage) release(seq uint64) { c.drop(min(seq, c.next)) }

func (c *coverage) drop(low uint64) {
	for s := c.low; s < min(low, c.top); s++ {
		*c.at(s) = cell{}
	}
	c.low = max(c.low, low)
	c.next, c.top = max(c.next, c.low), max(c.top, c.low)
}

// holes appends the stretches that are not covered, up to the last symbol that
// is held; room bounds how many.
func (c *coverage) holes(b []byte, stream uint16, room int) ([]byte, int) {
	n, held := 0, c.held
	for s := c.next; s < c.top && n < room && held > 0; s++ {
		if c.at(s).state >= cellListed {
			continue
		}
		from := s
		for s < c.top && s-from < 1<<16-1 && held > 0 && c.at(s).state < cellListed {
			if c.at(s).state == cellHeld {
				held--
			}
			s++
		}
		b = appendRun(b, stream, from, uint16(s-from))
		s--
		n++
	}
	return b, n
}
