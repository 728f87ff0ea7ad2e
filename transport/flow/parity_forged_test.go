package flow

import (
	"slices"
	"testing"
)

// False rows stand for no hole for ever: whatever they claim, each hole is
// asked for in the end, and once the originals come everything is delivered as
// it was sent.
func TestParity_FalseRowsLeaveNoHoleUnasked(t *testing.T) {
	b := newTestBlock(0, 1, 100)
	for name, f := range map[string]func(*parity){
		"of 1,024 symbols":          func(p *parity) { p.n, p.interleave, p.column = 1024, 4, 5 },
		"of one symbol more":        func(p *parity) { p.n = 101 },
		"of one column":             func(p *parity) { p.n, p.interleave, p.column = 64, 0, 0 },
		"of a block across":         func(p *parity) { p.first, p.n = 3, 100 },
		"of two symbols, both lost": func(p *parity) { p.first, p.n, p.interleave, p.column = 5, 2, 0, 0 },
		"that nobody made":          func(p *parity) { p.symbol[1] ^= 1 },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLone(t, nil)
			lost := []int{5, 6, 7, 21}
			p := b.parity(1, 7)
			f(p)
			p.symbol[0] ^= 0x80 // so that no symbol can come of it, which would be believed
			l.hear(appendParity(nil, p))
			for i := range b.symbols {
				if !slices.Contains(lost, i) {
					l.hear(b.data(i))
				}
			}
			l.reads(b, 5)
			asked := map[uint64]bool{}
			for range 200 {
				for _, seq := range l.asks() {
					if seq < 100 {
						asked[seq] = true
					}
				}
			}
			if len(asked) != len(lost) {
				t.Errorf("lost %v, asked for %v in %v", lost, asked, l.now.Sub(epoch0))
			}
			for _, i := range lost {
				l.hear(b.data(i))
			}
			l.reads(b, 95)
			l.gone()
		})
	}
}

// Nor does a false block, heard first, keep the honest rows of the true one
// out for ever: what they cannot do the originals do.
func TestParity_FalseBlockFirstCostsRowsOnly(t *testing.T) {
	b := newTestBlock(0, 1, 100)
	l := newLone(t, nil)
	p := b.parity(1, 7)
	p.n, p.symbol[0] = 99, 0xff
	l.hear(appendParity(nil, p))
	for i := range b.symbols {
		if i != 5 && i != 8 {
			l.hear(b.data(i))
		}
	}
	l.reads(b, 5)
	l.hear(b.row(0, 0), b.row(1, 0))
	for range 10 {
		for _, seq := range l.asks() {
			if seq < 100 {
				l.hear(b.data(int(seq)))
			}
		}
	}
	l.reads(b, 95)
	l.gone()
}

// I5 with false rows: whoever makes up blocks that lie across each other fills
// no more than the rows of a stream and those of one block.
func TestParity_FalseBlocksFillNoMemory(t *testing.T) {
	b := newTestBlock(0, 0, 64)
	l := newLone(t, func(c *ReceiverConfig) { c.Window = 1 << 20 })
	l.pool.budget = 100 * SlabSize
	for i := range 64 {
		if i != 40 {
			l.hear(b.data(i))
		}
	}
	l.reads(b, 40)
	for first := range uint64(41) {
		for row := range uint8(60) {
			p := b.parity(0, row)
			p.first, p.n, p.interleave, p.column = first, 1024, 4, int(40-first)%16
			l.hear(appendParity(nil, p))
		}
	}
	if st := l.r.streams[0]; st.parityHeld > st.parityRoom()+mostColumns*codePlaces {
		t.Errorf("%d false rows are held, %d slabs in use", st.parityHeld, l.pool.InUse())
	}
	l.gone()
}
