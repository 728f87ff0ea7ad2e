package flow

import (
	"bytes"
	"slices"
	"testing"
)

// A column of 64 symbols, two lost: rows make good what is lost, whatever else
// comes before, between and after them.

// What a row may say that no sender says: it is taken for nothing or refused,
// and the next honest row does its work.
func TestParity_NonsenseIsNoUse(t *testing.T) {
	b := newTestBlock(0, 0, 64)
	p := func(f func(*parity)) []byte {
		x := *b.parity(0, 7)
		f(&x)
		return appendParity(nil, &x)
	}
	for name, c := range map[string]struct {
		frame  []byte
		want   Drop
		unused uint64
	}{
		"best effort":             {p(func(x *parity) { x.stream, x.class = 1, BestEffort }), DropStream, 0},
		"best effort said wrong":  {p(func(x *parity) { x.class = BestEffort }), DropStream, 0},
		"no such stream":          {p(func(x *parity) { x.stream = 9 }), DropStream, 0},
		"class 3":                 {p(func(x *parity) { x.class = 3 }), DropStream, 0},
		"longer than a symbol":    {p(func(x *parity) { x.symbol = make([]byte, minSymbol+1) }), DropMalformed, 0},
		"beyond the window":       {p(func(x *parity) { x.first = 1 << 40 }), DropNone, 1},
		"across the window's end": {p(func(x *parity) { x.first = defaultWindow/minSymbol - 10 }), DropNone, 1},
		"64 to 63":                {p(func(x *parity) { x.n = 63 }), DropNone, 1},
		"another interleave":      {p(func(x *parity) { x.interleave = 1 }), DropNone, 1},
		"the same row again":      {b.row(0, 0), DropNone, 1},
	} {
		l := newLone(t, nil)
		for i := range b.symbols {
			if i != 5 && i != 60 {
				l.hear(b.data(i))
			}
		}
		l.hear(b.row(0, 0))
		l.reads(b, 5)
		before := l.r.Stats()
		if got := l.hear(c.frame); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if s := l.r.Stats(); s.ParityUnused != before.ParityUnused+c.unused || s.Rebuilt != 0 || s.Streams[0].Known != 64 {
			t.Errorf("%s: %+v", name, s)
		}
		l.waits()
		l.hear(b.row(0, 191))
		l.reads(b, 59)
		if s := l.r.Stats(); s.Rebuilt != 2 || s.Garbled != 0 {
			t.Errorf("%s: %+v", name, s)
		}
		l.gone()
	}
}

// Rows of a block that was read, or is below what is kept, or that lacks
// nothing, are let go at once.
func TestParity_ThatComesLateIsLetGo(t *testing.T) {
	b, after := newTestBlock(0, 1, 100), newTestBlock(100, 0, 64)
	l := newLone(t, nil)
	for i := range b.symbols {
		l.hear(b.data(i))
	}
	l.hear(b.row(1, 0)) // all of it held
	l.reads(b, 99)
	l.hear(b.row(1, 3)) // all but one read
	l.reads(b, 1)
	l.hear(b.row(0, 4))
	l.hear(after.data(0))
	l.reads(after, 1)
	l.hear(b.row(0, 5)) // below what is kept
	s := l.r.Stats()
	if s.ParityUnused != 4 || s.Rebuilt != 0 || l.r.streams[0].parityHeld != 0 || len(l.r.streams[0].coded) != 0 {
		t.Fatalf("%+v", s)
	}
	l.gone()
}

// Who came in the middle of a block cannot know the symbols before; parity of
// it is no use to it, and what it lacks itself is repaired by originals.
func TestParity_OfABlockBegunBeforeIsNoUse(t *testing.T) {
	b := newTestBlock(0, 0, 64)
	for lost := 30; lost < 63; lost += 11 {
		l := newLone(t, nil)
		r, err := NewReceiver(ReceiverConfig{Sender: 1, Symbol: minSymbol, Streams: mixed, MaxMessage: 4096, Start: epoch0}, l.pool)
		if err != nil {
			t.Fatal(err)
		}
		l.r.Close()
		l.r, l.next = r, 30
		r.Start(l.now, []Edge{{Stream: 0, Seq: 30, Message: 30}})
		for i := 30; i < 64; i++ {
			if i != lost {
				l.hear(b.data(i))
			}
		}
		for row := range uint8(31) {
			l.hear(b.row(0, row))
		}
		if s := r.Stats(); s.Rebuilt != 0 || s.Garbled != 0 || s.ParityUnused != 31 || r.streams[0].parityHeld != 0 {
			t.Fatalf("lost %d: %+v", lost, s)
		}
		if got := l.asks(); !slices.Equal(got, []uint64{uint64(lost)}) {
			t.Fatalf("lost %d, asks for %v", lost, got)
		}
		l.hear(b.data(lost))
		l.reads(b, 34)
		l.gone()
	}
}

// The end: nothing is sent from BYE's edge on, and who says so is not believed.
func TestParity_BeyondTheEndIsRefused(t *testing.T) {
	b := newTestBlock(0, 0, 64)
	l := newLone(t, nil)
	l.hear(b.data(0))
	l.r.Finish(l.now, []Edge{{Stream: 0, Seq: 40, Message: 40}})
	l.hear(b.row(0, 0))
	if s := l.r.Stats(); s.ParityUnused != 1 || s.Streams[0].Known != 40 {
		t.Fatalf("%+v", s)
	}
	l.gone()
}

// A row whose symbol is shorter than those that are held, as no sender makes
// it, and a DATA frame that is longer than any symbol: what comes of it may be
// garbage, but nothing falls over and nothing is written beside its place.
func TestParity_OfOtherLengthsIsHarmless(t *testing.T) {
	b := newTestBlock(0, 0, 20)
	for cut := symbolHead + 1; cut < len(b.parity(0, 0).symbol); cut++ {
		l := newLone(t, nil)
		for i := range b.symbols {
			if i != 5 {
				l.hear(b.data(i))
			}
		}
		p := b.parity(0, 3)
		p.symbol = p.symbol[:cut]
		l.hear(appendParity(nil, p))
		l.reads(b, 5)
		if s := l.r.Stats(); s.Rebuilt+s.Garbled != 1 {
			t.Fatalf("cut to %d: %+v", cut, s)
		}
		l.gone()
	}
	l := newLone(t, nil)
	long := appendData(nil, &data{seq: 1, pos: 1, sent: 1, message: 1, payload: bytes.Repeat([]byte{1, 'x'}, minSymbol)})
	l.hear(b.data(0))
	if d := l.hear(long); d != DropMalformed {
		t.Errorf("a symbol of %d bytes in a session of %d: %v", len(long)-HeadSize, minSymbol, d)
	}
	p := b.parity(0, 0)
	p.n = 3
	l.hear(appendParity(nil, p))
	l.gone()
}

// Garbage from who holds the group's key. A rebuilt symbol that cannot be one
// is not delivered; it is asked for again, and its original goes in.
func TestParity_GarbageIsMadeGoodByOriginals(t *testing.T) {
	b := newTestBlock(0, 0, 64)
	l := newLone(t, nil)
	for i := range b.symbols {
		if i != 5 {
			l.hear(b.data(i))
		}
	}
	p := b.parity(0, 0)
	p.symbol[0] ^= 0xff // the length
	l.hear(appendParity(nil, p))
	if s := l.r.Stats(); s.Garbled != 1 || s.Rebuilt != 0 || l.r.streams[0].parityHeld != 0 {
		t.Fatalf("%+v", s)
	}
	l.reads(b, 5)
	l.waits()
	if got := l.asks(); !slices.Equal(got, []uint64{5}) {
		t.Fatalf("asks for %v", got)
	}
	l.hear(b.data(5))
	l.reads(b, 59)
	l.gone()
}

// A NOTE puts off a NAK, by one round: who hears one for ever asks all the
// same, and what it says of blocks that are none moves nothing.
func TestNote_NonsensePutsNothingOff(t *testing.T) {
	b := newTestBlock(0, 1, 100)
	say := func(st Stream, k noteBlock) []byte { return appendNoteBlock(appendNoteHead(nil, st, 1), &k) }
	hear := func(l *lone) {
		for i := range b.symbols {
			if i != 1 {
				l.hear(b.data(i))
			}
		}
	}
	for name, c := range map[string]struct {
		frame []byte
		want  Drop
	}{
		"best effort":       {say(1, noteBlock{n: 64, need: []byte{64}}), DropStream},
		"no such stream":    {say(9, noteBlock{n: 64, need: []byte{64}}), DropStream},
		"beyond the window": {say(0, noteBlock{first: 1 << 40, n: 64, need: []byte{64}}), DropNone},
		"too little":        {say(0, noteBlock{n: 100, interleave: 1, need: []byte{64, 0}}), DropNone},
		"another block":     {say(0, noteBlock{first: 100, n: 100, interleave: 1, need: []byte{64, 64}}), DropNone},
	} {
		l := newLone(t, nil)
		hear(l)
		if d := l.hear(c.frame); d != c.want {
			t.Errorf("%s: %v", name, d)
		}
		if got := l.asks(); !slices.Equal(got, []uint64{1}) {
			t.Errorf("%s: asks for %v", name, got)
		}
		l.gone()
	}
	// The true one does put it off; then the hole is asked for.
	l := newLone(t, nil)
	hear(l)
	l.hear(say(0, noteBlock{n: 100, interleave: 1, need: []byte{0, 1}}))
	var buf [2048]byte
	for {
		f, ok := l.r.Poll(l.now.Add(leastGuard+1), buf[:0])
		if !ok {
			break
		}
		if parsesNak(f) {
			t.Error("asks although the repair is coming")
		}
	}
	if got := l.asks(); !slices.Equal(got, []uint64{1}) {
		t.Errorf("asks for %v", got)
	}
	l.gone()
}

// I5: over the slab budget parity is kept for the block that is read next
// alone, and of that no more than it lacks: so what rebuilds it always finds
// room, and nobody fills the memory with rows.
func TestParity_OverBudgetServesTheNextBlockAlone(t *testing.T) {
	next, later := newTestBlock(0, 0, 64), newTestBlock(64, 0, 64)
	l := newLone(t, nil)
	l.pool.budget = -1
	for i := range next.symbols {
		if i != 1 && i != 2 {
			l.hear(next.data(i))
		}
	}
	l.hear(later.data(5))
	l.hear(later.row(0, 0))
	if s := l.r.Stats(); s.ParityUnused != 1 || l.r.streams[0].parityHeld != 0 {
		t.Fatalf("a row of a later block was kept over budget: %+v", s)
	}
	l.hear(next.row(0, 3))
	l.reads(next, 1)
	l.hear(next.row(0, 4))
	l.reads(next, 63)
	if s := l.r.Stats(); s.Rebuilt != 2 {
		t.Fatalf("%+v", s)
	}
	l.gone()
}

// Close gives back every slab with rows of many blocks held.
func TestClose_GivesParityBack(t *testing.T) {
	l := newLone(t, nil)
	for k := range uint64(5) {
		b := newTestBlock(200*k, 2, 200)
		l.hear(b.data(1), b.row(0, 0), b.row(3, 1), b.row(3, 2))
	}
	if l.pool.InUse() != 20 || l.r.streams[0].parityHeld != 15 {
		t.Fatalf("%d slabs, %d rows", l.pool.InUse(), l.r.streams[0].parityHeld)
	}
	l.gone()
	if l.pool.InUse() != 0 {
		t.Fatal(l.pool.InUse())
	}
}

// The end of a stream takes its parity with it, whatever was still lacking.
func TestGiveUp_GivesParityBack(t *testing.T) {
	b := newTestBlock(0, 0, 64)
	l := newLone(t, nil)
	l.hear(b.data(0), b.row(0, 0), b.row(0, 1))
	l.reads(b, 1)
	l.r.GiveUp(l.now)
	var buf [4096]byte
	for {
		if _, _, err := l.r.Read(l.now, 0, buf[:]); err == ErrEmpty {
			break
		}
	}
	l.r.Advance(l.now)
	if st := l.r.streams[0]; !l.r.Done() || st.parityHeld != 0 || l.r.Stats().ParityUnused != 2 {
		t.Fatalf("%d rows held, %+v", st.parityHeld, l.r.Stats())
	}
	l.gone()
}
