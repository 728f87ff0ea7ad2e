package flow

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
	"time"
)

// testBlock is a block as the format says it is, made without a Sender: one
// message in each symbol.
type testBlock struct {
	first   uint64
	depth   uint8
	symbols [][]byte
}

func newTestBlock(first uint64, depth uint8, n int) *testBlock {
	b := &testBlock{first: first, depth: depth}
	for i := range n {
		text := fmt.Appendf(nil, "message %d", first+uint64(i))
		text = append(text, bytes.Repeat([]byte{'.'}, i*7%100)...)
		b.symbols = append(b.symbols, testSymbolOf(uint32(first)+uint32(i), text))
	}
	return b
}

// testSymbolOf is a symbol with one message shorter than 128 bytes.
func testSymbolOf(number uint32, text []byte) []byte {
	s := binary.BigEndian.AppendUint16(nil, uint16(1+len(text)))
	s = binary.BigEndian.AppendUint32(append(s, 0, 0), number)
	return append(append(s, byte(len(text))), text...)
}

func (b *testBlock) text(i int) []byte { return b.symbols[i][symbolHead+1:] }

func (b *testBlock) data(i int) []byte {
	return appendData(nil, &data{interleave: b.depth, seq: b.first + uint64(i), pos: uint16(i), sent: 1, message: uint32(b.first) + uint32(i),
		payload: b.symbols[i][symbolHead:]})
}

// row is a parity frame, its contents from the definition.
func (b *testBlock) row(column int, row uint8) []byte {
	return appendParity(nil, b.parity(column, row))
}

func (b *testBlock) parity(column int, row uint8) *parity {
	var symbols [][]byte
	longest := 0
	for i := column; i < len(b.symbols); i += 1 << b.depth {
		symbols = append(symbols, b.symbols[i])
		longest = max(longest, len(b.symbols[i]))
	}
	return &parity{interleave: b.depth, first: b.first, row: row, column: column, n: len(b.symbols), sent: 2,
		symbol: slowRow(symbols, row, longest)}
}

// lone is one Receiver that hears what a test hands it, and reads.
type lone struct {
	t    *testing.T
	r    *Receiver
	pool *Pool
	now  time.Time
	next uint64
}

func newLone(t *testing.T, change func(*ReceiverConfig)) *lone {
	t.Helper()
	l := &lone{t: t, pool: NewPool(0), now: epoch0}
	c := ReceiverConfig{Sender: 1, Symbol: minSymbol, Streams: mixed, MaxMessage: 4096, Start: epoch0}
	if change != nil {
		change(&c)
	}
	var err error
	if l.r, err = NewReceiver(c, l.pool); err != nil {
		t.Fatal(err)
	}
	l.r.Start(l.now, nil)
	return l
}

// hear hands frames in, each in a slab of its own, and returns the last Drop.
func (l *lone) hear(frames ...[]byte) (d Drop) {
	l.t.Helper()
	for _, f := range frames {
		s := l.pool.Get()
		d = l.r.Handle(l.now, Meta{Pairwise: true}, s.B[:copy(s.B, f)], s)
		l.pool.Put(s)
	}
	l.r.Advance(l.now)
	return d
}

// reads wants the next n messages of b, in order.
func (l *lone) reads(b *testBlock, n int) {
	l.t.Helper()
	var buf [4096]byte
	for range n {
		size, i, err := l.r.Read(l.now, 0, buf[:])
		if err != nil || i.Message != l.next {
			l.t.Fatalf("message %d: %v, wanted %d", i.Message, err, l.next)
		}
		if want := b.text(int(l.next - b.first)); !bytes.Equal(buf[:size], want) {
			l.t.Fatalf("message %d is %q, wanted %q", i.Message, buf[:size], want)
		}
		l.next++
	}
}

// waits wants nothing to be ready.
func (l *lone) waits() {
	l.t.Helper()
	if size, ok := l.r.Next(0); ok {
		l.t.Fatalf("%d bytes are ready at message %d", size, l.next)
	}
}

// asks is what the next NAK asks for, a moment and a guard later.
func (l *lone) asks() (seqs []uint64) {
	l.t.Helper()
	var buf [2048]byte
	l.now = l.now.Add(20 * time.Millisecond)
	l.r.Advance(l.now)
	for {
		f, ok := l.r.Poll(l.now, buf[:0])
		if !ok {
			return seqs
		}
		var k nak
		if _, ok := parseNak(f, &k); !ok {
			continue
		}
		at := k.base
		for rest := k.ranges; len(rest) > 0; {
			from, to, n := nakRange(rest, at)
			for seq := from; seq < to; seq++ {
				seqs = append(seqs, seq)
			}
			at, rest = to, rest[n:]
		}
	}
}

// gone closes the Receiver: every slab must be back and the frames add up.
func (l *lone) gone() {
	l.t.Helper()
	s := l.r.Stats()
	if s.Frames != s.Symbols+s.Parity+s.Notes+s.Beats+s.Drops.Total() {
		l.t.Errorf("frames: %+v", s)
	}
	l.r.Close()
	if l.pool.InUse() != 0 || l.pool.made != len(l.pool.free) {
		l.t.Errorf("%d slabs in use after Close, %d made, %d free", l.pool.InUse(), l.pool.made, len(l.pool.free))
	}
}
