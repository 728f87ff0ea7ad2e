package flow

import (
	"bytes"
	"slices"
	"testing"
	"time"
)

// What a leaf asks for is what it lacks beyond the rows it holds: these stand
// for the first holes of their column, and once the others are filled the rows
// fill those.
func TestNak_RowsStandForHoles(t *testing.T) {
	b := newTestBlock(0, 1, 100)
	l := newLone(t, nil)
	for i := range b.symbols {
		if !slices.Contains([]int{5, 6, 7, 9, 50}, i) {
			l.hear(b.data(i))
		}
	}
	l.hear(b.row(1, 17))
	if got := l.asks(); !slices.Equal(got, []uint64{6, 7, 9, 50}) {
		t.Fatalf("with one row of column 1 it asks for %v", got)
	}
	l.hear(b.row(1, 100))
	if got := l.asks(); !slices.Equal(got, []uint64{6, 9, 50}) {
		t.Fatalf("with two it asks for %v", got)
	}
	l.hear(b.data(9), b.data(6))
	l.reads(b, 50)
	l.hear(b.row(0, 0))
	l.reads(b, 50)
	if s := l.r.Stats(); s.Rebuilt != 3 || s.ParityUnused != 0 {
		t.Fatalf("%+v", s)
	}
	l.gone()
}

// A NOTE tells what is asked for beyond such rows, so it puts off whoever lacks
// no more than that beyond its own.
func TestNote_CountsRowsHeld(t *testing.T) {
	b := newTestBlock(0, 0, 64)
	for held, asks := range []bool{true, true, false, false} {
		l := newLone(t, nil)
		for i := range b.symbols {
			if i%16 != 3 { // four are lost
				l.hear(b.data(i))
			}
		}
		for row := range held {
			l.hear(b.row(0, uint8(row)))
		}
		l.now = l.now.Add(30 * time.Millisecond)
		l.r.Advance(l.now)
		l.hear(appendNoteBlock(appendNoteHead(nil, 0, 1), &noteBlock{n: 64, need: []byte{2}}))
		var buf [2048]byte
		f, _ := l.r.Poll(l.now, buf[:0])
		if parsesNak(f) != asks {
			t.Errorf("four lost, %d rows held, two coming: asks %v", held, parsesNak(f))
		}
		l.gone()
	}
}

// asking is a Sender whose many members ask.
type asking struct {
	*coder
	first uint64 // of a block of 64 that has left
}

func newAsking(t *testing.T) *asking {
	t.Helper()
	c := newCoder(t, 5)
	b := c.grow(0, 64)
	c.now = c.now.Add(30 * time.Millisecond)
	c.poll()
	return &asking{c, b.first}
}

// ask is a NAK of member m for places of the block, that heard what was sent
// until echo.
func (a *asking) ask(m Member, echo int64, places ...uint64) {
	a.t.Helper()
	var ranges []byte
	next := a.first
	for _, p := range places {
		ranges = appendNakRange(ranges, a.first+p-next, 1)
		next = a.first + p + 1
	}
	f := appendNak(nil, &nak{echoed: true, echo: uint32(echo), base: a.first, ranges: ranges})
	if d := a.s.Handle(a.now, m, f); d != DropNone {
		a.t.Fatalf("%v", d)
	}
}

// repair is how many rows and originals go in the next two milliseconds.
func (a *asking) repair() (rows, originals uint64) {
	before := a.s.Stats()
	for range 4 {
		a.now = a.now.Add(500 * time.Microsecond)
		a.poll()
	}
	s := a.s.Stats()
	return s.Rows - before.Rows, s.AgainGroup + s.AgainAlone - before.AgainGroup - before.AgainAlone
}

// In a large group one NAK stands for many who are silent, and so rows go, as
// many as it lacks; where several lack the same, that itself goes.
func TestRepair_OfManyIsByRows(t *testing.T) {
	a := newAsking(t)
	a.ask(2, a.s.stamp, 3, 9, 20)
	if rows, again := a.repair(); rows != 3 || again != 0 {
		t.Errorf("one NAK for three: %d rows, %d originals", rows, again)
	}
	a = newAsking(t)
	for m := range Member(3) {
		a.ask(2+m, a.s.stamp, 3+uint64(m), 10+uint64(m), 20+uint64(m))
	}
	if rows, again := a.repair(); rows != 3 || again != 0 {
		t.Errorf("three NAKs for three each: %d rows, %d originals", rows, again)
	}
	a = newAsking(t)
	for m := range Member(3) {
		a.ask(2+m, a.s.stamp, 3, 9, 20)
	}
	if rows, again := a.repair(); rows != 0 || again != 3 {
		t.Errorf("three NAKs for the same three: %d rows, %d originals", rows, again)
	}
}

// Causality for rows: they answer whoever lacks anything of the column and has
// not heard them yet, not only what was asked for by name.
func TestRepair_RowsAnswerTheWholeColumn(t *testing.T) {
	a := newAsking(t)
	heard := a.s.stamp
	a.ask(2, heard, 3, 9)
	if rows, _ := a.repair(); rows != 2 {
		t.Fatalf("%d rows", rows)
	}
	a.ask(3, heard, 30, 31)
	if rows, again := a.repair(); rows+again != 0 {
		t.Errorf("asked before the rows were heard: %d rows, %d originals", rows, again)
	}
	a.ask(4, a.s.stamp, 40)
	if rows, _ := a.repair(); rows != 1 {
		t.Errorf("asked after: %d rows", rows)
	}
}

// A BEAT between two packets of a block does not show its loss to many, who
// would ask in the middle of it; a BEAT behind the last packet does.
func TestBeat_ShowsManyNoHalfBlocks(t *testing.T) {
	for _, n := range []int{fewLeaves, fewLeaves + 1} {
		s, err := NewSender(SenderConfig{Law: Fixed, Self: 1, Symbol: minSymbol, Streams: reliable, MaxMessage: 4096, Start: epoch0})
		if err != nil {
			t.Fatal(err)
		}
		for m := range n {
			s.Admit(epoch0, Member(2+m), Admission{})
		}
		var b Batch
		now := epoch0
		beats := func(wait time.Duration) (next []uint64) {
			now = now.Add(wait)
			for s.Poll(now, &b) {
				var f beat
				if parseBeat(b.Frames[0], &f) {
					next = append(next, f.streams[0].next)
				}
			}
			return next
		}
		for range 21 { // a packet each millisecond, and so a BEAT under load
			_ = s.Write(now, 0, bytes.Repeat([]byte{1}, 300))
			s.Flush(now)
			got := beats(time.Millisecond)
			if len(got) == 0 {
				continue
			}
			if st := &s.streams[0]; n > fewLeaves && got[0] != st.blocks.at(st.blocks.left).first || n <= fewLeaves && got[0] < st.sent-1 {
				t.Errorf("%d members: next %d of %d sent", n, got[0], st.sent)
			}
		}
		if got := beats(beatFirst + time.Millisecond); !slices.Contains(got, s.streams[0].sent) {
			t.Errorf("%d members: %v behind the last, %d", n, got, s.streams[0].sent)
		}
	}
}

// Up to 8 members ask at once, in the middle of a deep block, so theirs are not
// interleaved.
func TestBlock_OfFewIsNotInterleaved(t *testing.T) {
	c := newCoder(t, 8)
	c.s.Expel(c.now, 2)
	for range 5000 {
		before := c.s.streams[0].next
		c.write()
		c.now = c.now.Add(time.Duration(c.s.streams[0].next-before) * time.Microsecond)
		c.poll()
	}
	if d := deepest(&c.s.streams[0].blocks); d != 0 {
		t.Errorf("%d columns", 1<<d)
	}
}

// Rows that nobody asked for follow the share of columns that were asked for,
// whatever the interleave: three quarters come to be enough.
func TestProactive_FollowsColumns(t *testing.T) {
	for depth := range uint8(5) {
		var p proactive
		asked := func(columns int) block {
			return block{n: blockSize << depth, depth: depth, asked: uint16(1<<columns - 1)}
		}
		all := asked(1 << depth)
		p.judge(&all, tauMany)
		if p.h != tauMany {
			t.Errorf("D=%d, all asked for: %v", 1<<depth, p.h)
		}
		p.h = 8
		if depth >= 2 { // a quarter of them: as it should be
			quarter := asked(1 << depth / 4)
			p.judge(&quarter, tauMany)
			if p.h != 8 {
				t.Errorf("D=%d, a quarter asked for: %v", 1<<depth, p.h)
			}
		}
		none, tall := asked(0), asked(1<<depth)
		p.judge(&none, tauMany)
		if p.h != 8-(1-tauMany) {
			t.Errorf("D=%d, none asked for: %v", 1<<depth, p.h)
		}
		tall.tall = tall.asked
		was := p.h
		p.judge(&tall, tauMany)
		if p.h != was {
			t.Errorf("D=%d, more lacking than rows could ever be: %v", 1<<depth, p.h)
		}
	}
}
