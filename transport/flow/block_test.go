package flow

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

// coder is a Sender whose packets a test takes from it one by one, with as many
// members as it takes for blocks to be interleaved.
type coder struct {
	t      *testing.T
	seed   uint64
	rng    *rand.Rand
	s      *Sender
	now    time.Time
	b      Batch
	frames map[uint64][]byte // DATA of stream 0 as it was sent, by sequence
	texts  [][]byte          // messages of stream 0
	rows   map[[3]uint64]bool
}

func newCoder(t *testing.T, seed uint64) *coder {
	t.Helper()
	c := &coder{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 17)), now: epoch0, frames: map[uint64][]byte{}, rows: map[[3]uint64]bool{}}
	var err error
	if c.s, err = NewSender(SenderConfig{Law: Fixed, Self: 1, Symbol: minSymbol, Streams: mixed, MaxMessage: 4096, Window: 8 << 20, Start: epoch0}); err != nil {
		t.Fatal(err)
	}
	for m := range Member(fewLeaves + 1) {
		c.s.Admit(c.now, 2+m, Admission{RTT: time.Millisecond})
	}
	c.trust()
	return c
}

// trust gives the sender all the credit there is.
func (c *coder) trust() {
	for i := range c.s.members {
		for k := range c.s.members[i].streams {
			c.s.members[i].streams[k].limit = seqMax
		}
	}
	c.s.dirty = true
}

// write adds one message of any length, mostly short, and sometimes ends the
// packet behind it.
func (c *coder) write() {
	n := c.rng.IntN(700)
	if c.rng.IntN(40) == 0 {
		n = c.rng.IntN(4096)
	}
	m := drawBytes(c.rng, n)
	for c.s.Write(c.now, 0, m) != nil {
		if c.poll(); c.s.Due(c.now) > 0 || c.s.streams[0].next != c.s.streams[0].sent {
			c.t.Fatalf("seed %d: the ring is full", c.seed)
		}
	}
	c.texts = append(c.texts, m)
	if c.rng.IntN(4) == 0 {
		c.s.Flush(c.now)
	}
}

// poll takes all that may go, and returns the rows.
func (c *coder) poll() (rows [][]byte) {
	c.s.Advance(c.now)
	for c.s.Poll(c.now, &c.b) {
		for _, f := range c.b.Frames {
			switch f[0] {
			case frameData:
				var d data
				if !parseData(f, &d) {
					c.t.Fatalf("seed %d: %x", c.seed, f)
				}
				c.frames[d.seq] = bytes.Clone(f[:HeadSize+symbolHead+len(d.payload)])
			case frameParity:
				rows = append(rows, bytes.Clone(f))
				c.once(f)
			}
		}
	}
	return rows
}

// once is I9: no row of a block twice.
func (c *coder) once(f []byte) {
	c.t.Helper()
	var p parity
	if !parseParity(f, &p) {
		c.t.Fatalf("seed %d: %x", c.seed, f)
	}
	k := [3]uint64{p.first, uint64(p.column), uint64(p.row)}
	if c.rows[k] {
		c.t.Fatalf("seed %d: row %d of column %d of block %d again", c.seed, p.row, p.column, p.first)
	}
	c.rows[k] = true
}

// grow writes at a rate that suits depth until a block that deep has begun and
// holds n symbols, ends it there, and sends all of it.
func (c *coder) grow(depth uint8, n int) block {
	gap := blockSpan / time.Duration(blockSize<<depth+blockSize<<depth/3+1)
	st := &c.s.streams[0]
	for n > 0 {
		before := st.next
		c.write()
		c.now = c.now.Add(time.Duration(st.next-before) * gap)
		c.poll()
		if st.blocks.high == 0 {
			continue
		}
		if b := st.blocks.at(st.blocks.high - 1); b.depth == depth && b.n >= n {
			n = 0
		} else if len(c.texts) > 50_000 {
			c.t.Fatalf("seed %d: no block of depth %d with %d symbols", c.seed, depth, n)
		}
	}
	number := st.blocks.high - 1
	c.s.Cut(c.now)
	c.poll()
	return *st.blocks.at(number)
}

// more makes the sender send rows more of every column of the block.
func (c *coder) more(first uint64, rows uint8) (out [][]byte) {
	st := &c.s.streams[0]
	b := st.blocks.at(st.blocks.find(first))
	if b.first != first {
		c.t.Fatalf("seed %d: block %d left the ring", c.seed, first)
	}
	for k := range b.columns() {
		b.spare[k] = rows
	}
	b.owes, st.owing = true, true
	return c.poll()
}

// I11: whatever was drawn as lost comes back from as many rows, whichever they
// are, and from one less nothing does; short symbols, blocks cut early, all
// depths. What is rebuilt is the original, byte for byte.
func TestBlock_LostSymbolsAreRebuilt(t *testing.T) {
	for depth := range uint8(5) {
		n := 6
		if *seeds > 0 {
			n = *seeds
		}
		for seed := range uint64(n) {
			rebuildDrawn(t, depth, seed)
		}
	}
}

func rebuildDrawn(t *testing.T, depth uint8, seed uint64) {
	t.Helper()
	c := newCoder(t, seed+1000*uint64(depth))
	n := 1 + c.rng.IntN(blockSize<<depth)
	if seed == 0 {
		n = blockSize << depth
	}
	b := c.grow(depth, n)
	l := newLone(t, func(c *ReceiverConfig) { c.Window = 8 << 20 })
	for seq := range b.first {
		l.r.Handle(l.now, Meta{}, c.frames[seq], nil)
	}
	read := l.readAll(c, 0, b.first)
	most := int(c.rng.Int64N(20))
	lost := make([][]uint64, b.columns())
	for seq := b.first; seq < b.end(); seq++ {
		if k := int(seq-b.first) % len(lost); len(lost[k]) < most && c.rng.IntN(3) == 0 {
			lost[k] = append(lost[k], seq)
			continue
		}
		l.r.Handle(l.now, Meta{}, c.frames[seq], nil)
	}
	read = l.readAll(c, read, b.end())
	rows := c.columnRows(&b, most)
	for k, seqs := range lost {
		for i, row := range rows[k][:len(seqs)] {
			if got := l.r.Stats().Rebuilt; i < len(seqs) && got != sumLost(lost[:k]) {
				t.Fatalf("seed %d depth %d column %d: %d of %d rows rebuilt %d", c.seed, depth, k, i, len(seqs), got)
			}
			l.r.Handle(l.now, Meta{}, row, nil)
		}
		for _, seq := range seqs {
			if got, want := l.r.streams[0].ring[seq&l.r.streams[0].mask].b, c.frames[seq]; !sameSymbol(got, want) {
				t.Fatalf("seed %d depth %d: symbol %d is %x, was %x", c.seed, depth, seq, got, want)
			}
		}
	}
	l.readAll(c, read, b.end())
	if s := l.r.Stats(); s.Rebuilt != sumLost(lost) || s.Garbled != 0 || s.Missed != 0 || l.r.streams[0].parityHeld != 0 {
		t.Fatalf("seed %d depth %d: %+v", c.seed, depth, s)
	}
	l.gone()
}

// columnRows has the sender make most rows a column and a few too many, of
// which a drawn few are lost.
func (c *coder) columnRows(b *block, most int) [][][]byte {
	rows := make([][][]byte, b.columns())
	for _, f := range c.more(b.first, uint8(most+c.rng.IntN(150))) {
		var p parity
		if parseParity(f, &p); p.n != b.n || p.interleave != b.depth || p.first != b.first {
			c.t.Fatalf("seed %d: %+v of %+v", c.seed, p, b)
		}
		rows[p.column] = append(rows[p.column], f)
	}
	for _, r := range rows {
		c.rng.Shuffle(len(r), func(i, j int) { r[i], r[j] = r[j], r[i] })
	}
	return rows
}

func sumLost(lost [][]uint64) (n uint64) {
	for _, l := range lost {
		n += uint64(len(l))
	}
	return n
}

// sameSymbol: all of a frame but `sent` and the mark of the block's end, which
// no symbol holds.
func sameSymbol(a, b []byte) bool {
	return len(a) == len(b) && len(a) > HeadSize && a[1]&^4 == b[1]&^4 && bytes.Equal(a[2:12], b[2:12]) && bytes.Equal(a[HeadSize:], b[HeadSize:])
}

// readAll reads what is ready from message n on; all of it if no symbol below
// end is missing.
func (l *lone) readAll(c *coder, n int, end uint64) int {
	l.t.Helper()
	var buf [4096]byte
	for {
		size, i, err := l.r.Read(l.now, 0, buf[:])
		if err == ErrEmpty {
			break
		}
		if err != nil || i.Message != uint64(n) || !bytes.Equal(buf[:size], c.texts[n]) {
			l.t.Fatalf("seed %d: message %d: %v", c.seed, n, err)
		}
		n++
	}
	if st := l.r.streams[0]; st != nil && st.contig == end && end == c.s.streams[0].next && n != len(c.texts) {
		l.t.Fatalf("seed %d: %d messages of %d", c.seed, n, len(c.texts))
	}
	return n
}

// I9: over proactive rows, rows asked for and batches that failed, no row of a
// block goes twice, and after the 192nd none does: then originals serve.
func TestBlock_NoRowGoesTwice(t *testing.T) {
	c := newCoder(t, 1)
	b := c.grow(1, 100)
	st := &c.s.streams[0]
	k := st.blocks.at(st.blocks.find(b.first))
	for k.rows[0] < codeRows-20 {
		c.more(b.first, uint8(1+c.rng.IntN(4)))
		if c.rng.IntN(3) == 0 {
			k.spare[0], k.owes, st.owing = 3, true, true
			if !c.s.Poll(c.now, &c.b) || c.b.Frames[0][0] != frameParity {
				t.Fatal("no row")
			}
			failed := c.s.Stats().Rows
			for _, f := range c.b.Frames {
				c.once(f)
			}
			c.s.Failed(c.now, &c.b)
			c.poll()
			if s := c.s.Stats(); s.Rows < failed+3 {
				t.Fatalf("%d rows after a failure at %d", s.Rows, failed)
			}
		}
	}
	c.more(b.first, 255)
	for column := range uint64(2) {
		n := 0
		for row := range c.rows {
			if row[0] == b.first && row[1] == column {
				n++
			}
		}
		if n != codeRows {
			t.Errorf("column %d: %d rows", column, n)
		}
	}
	// Two members lack different symbols: parity would be cheaper, but is used up.
	c.now = c.now.Add(50 * time.Millisecond)
	before := c.s.Stats()
	for i, seq := range []uint64{b.first, b.first + 2} {
		c.s.members[i].streams[0].delivered = 0
		if d := c.s.Handle(c.now, Member(2+i), appendNak(nil, &nak{base: seq, ranges: []byte{0, 1}})); d != DropNone {
			t.Fatal(d)
		}
	}
	c.now = c.now.Add(10 * time.Millisecond)
	if rows := c.poll(); len(rows) != 0 {
		t.Errorf("%d rows", len(rows))
	}
	if s := c.s.Stats(); s.AgainGroup != before.AgainGroup+2 || s.Wanted != s.Repaired {
		t.Errorf("%+v", s)
	}
}

// I18: no block straddles a Cut, whatever is written, flushed, cut and sent in
// whatever order and time; the places of a block are 0, 1, 2 .. in sequence,
// and all name the same interleave.
func TestBlock_NeverStraddlesACut(t *testing.T) {
	n := 30
	if *seeds > 0 {
		n = *seeds
	}
	for seed := range uint64(n) {
		c := newCoder(t, seed)
		edges := map[uint64]bool{0: true}
		for range 400 {
			switch c.rng.IntN(40) {
			case 0:
				c.s.Cut(c.now)
				edges[c.s.streams[0].next] = true
			case 1:
				for range c.rng.IntN(200) {
					c.write()
				}
			case 2:
				c.now = c.now.Add(time.Duration(c.rng.IntN(20)) * time.Millisecond)
				c.poll()
			case 3: // somebody joins, which implies Cut
				e := c.s.Admit(c.now, 99, Admission{RTT: time.Millisecond})
				c.trust()
				edges[e[0].Seq] = true
				c.s.Expel(c.now, 99)
			default:
				c.write()
				c.now = c.now.Add(time.Duration(c.rng.IntN(200)) * time.Microsecond)
				if c.rng.IntN(3) == 0 {
					c.poll()
				}
			}
		}
		c.s.Cut(c.now)
		c.poll()
		c.placesAreRight(edges)
	}
}

func (c *coder) placesAreRight(edges map[uint64]bool) {
	c.t.Helper()
	first, depth, closed := uint64(0), byte(0), true
	for seq := range c.s.streams[0].next {
		f := c.frames[seq]
		pos := uint64(binary.BigEndian.Uint16(f[10:]))
		switch {
		case pos == 0:
			first, depth = seq, f[1]>>5
		case seq-pos != first || f[1]>>5 != depth || closed:
			c.t.Fatalf("seed %d: symbol %d is at place %d of depth %d, its block began at %d with %d", c.seed, seq, pos, f[1]>>5, first, depth)
		case edges[seq]:
			c.t.Fatalf("seed %d: block %d goes on over the Cut at %d", c.seed, first, seq)
		}
		closed = f[1]&4 != 0
		if full := pos == blockSize<<depth-1; full && !closed {
			c.t.Fatalf("seed %d: the last of a full block, %d, does not say so", c.seed, seq)
		}
	}
}

// Who joins rebuilds nothing that was sent before: the rows of older blocks
// are no use, whoever hands them over.
func TestBlock_WhoJoinsRebuildsNothingFromBefore(t *testing.T) {
	c := newCoder(t, 3)
	before := c.grow(1, 90)
	edges := c.s.Admit(c.now, 99, Admission{RTT: time.Millisecond})
	c.trust()
	l := newLone(t, nil)
	r, err := NewReceiver(ReceiverConfig{Sender: 1, Symbol: minSymbol, Streams: mixed, MaxMessage: 4096, Start: epoch0}, l.pool)
	if err != nil {
		t.Fatal(err)
	}
	r.Start(l.now, edges)
	old := c.more(before.first, 64)
	after := c.grow(0, 10)
	if after.first < edges[0].Seq || len(old) < 100 {
		t.Fatalf("block %d, edge %d, %d rows", after.first, edges[0].Seq, len(old))
	}
	for _, f := range old {
		r.Handle(l.now, Meta{}, f, nil)
	}
	if s := r.Stats(); s.Rebuilt != 0 || s.ParityUnused != uint64(len(old)) || s.Streams[0].Held != 0 {
		t.Errorf("%+v", s)
	}
	r.Close()
	l.gone()
}
