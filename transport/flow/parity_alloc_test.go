package flow

import (
	"testing"
	"time"
)

// crew is a Sender and Receivers with nothing between them but loss.
type crew struct {
	t    testing.TB
	now  time.Time
	s    *Sender
	r    []*Receiver
	slab []*Slab
	used []int
	b    Batch
	num  uint64
	lose func(leaf int, frame []byte) bool
	buf  [2048]byte
}

func newCrew(t testing.TB, n int) *crew {
	t.Helper()
	c := &crew{t: t, now: epoch0}
	var err error
	if c.s, err = NewSender(SenderConfig{Law: Fixed, Self: 1, Symbol: testSymbol, Streams: reliable, Start: epoch0}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		r, err := NewReceiver(ReceiverConfig{Sender: 1, Symbol: testSymbol, Streams: reliable, Room: 4096, Seed: uint64(i), Start: epoch0}, NewPool(0))
		if err != nil {
			t.Fatal(err)
		}
		r.Start(c.now, c.s.Admit(c.now, Member(2+i), Admission{RTT: time.Millisecond}))
		c.r, c.slab, c.used = append(c.r, r), append(c.slab, r.pool.Get()), append(c.used, 0)
	}
	return c
}

func (c *crew) pump() {
	for more := true; more; {
		more = false
		for c.s.Poll(c.now, &c.b) {
			more = true
			for i := range c.r {
				c.deliver(i)
			}
			c.num += uint64(len(c.b.Frames))
		}
		for i, r := range c.r {
			for {
				f, ok := r.Poll(c.now, c.buf[:0])
				if !ok {
					break
				}
				more = true
				if d := c.s.Handle(c.now, Member(2+i), f); d != DropNone {
					c.t.Fatalf("the sender drops what leaf %d says: %v", i, d)
				}
			}
		}
	}
}

func (c *crew) deliver(i int) {
	for k, f := range c.b.Frames {
		if c.lose(i, f) {
			continue
		}
		if c.used[i]+len(f) > SlabSize {
			c.r[i].pool.Put(c.slab[i])
			c.slab[i], c.used[i] = c.r[i].pool.Get(), 0
		}
		at := c.slab[i].B[c.used[i]:][:len(f)]
		copy(at, f)
		c.used[i] += len(f)
		c.r[i].Handle(c.now, Meta{Number: c.num + uint64(k)}, at, c.slab[i])
	}
	c.r[i].Advance(c.now)
}

// I22: rows and rebuilding allocate nothing once there are rings and slabs:
// neither at the sender nor at those who lack, nor does the parity that comes
// for nothing at those who do not.
func TestParity_AllocatesNothing(t *testing.T) {
	c := newCrew(t, 3)
	c.lose = func(leaf int, f []byte) bool { // each of two lacks symbols that the other has
		return c.b.kind == batchData && leaf < 2 && f[9]%32 == byte(5+leaf*9)
	}
	msg, buf := message(1, 3000), make([]byte, 3000)
	round := func() {
		for range 60 {
			if err := c.s.Write(c.now, 0, msg); err != nil {
				t.Fatal(err)
			}
		}
		c.s.Cut(c.now)
		for i := 0; i == 0 || i < 300 && !c.s.Drained(); i++ {
			c.now = c.now.Add(500 * time.Microsecond)
			c.s.Advance(c.now)
			for _, r := range c.r {
				r.Advance(c.now)
			}
			c.pump()
			for _, r := range c.r {
				for {
					if _, _, err := r.Read(c.now, 0, buf); err != nil {
						break
					}
				}
			}
		}
	}
	for range 200 {
		round()
	}
	before := c.s.Stats().Rows
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations a round", n)
	}
	if s := c.s.Stats(); s.Rows-before < 200 || c.r[0].Stats().Rebuilt < 500 || c.r[0].Stats().Missed != 0 || !c.s.Drained() {
		t.Errorf("%+v\n%+v", s, c.r[0].Stats())
	}
}
