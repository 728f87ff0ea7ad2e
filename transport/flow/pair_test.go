package flow

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

const testSymbol = 1392

var epoch0 = time.Unix(1_800_000_000, 0)

// pair is a sender and one receiver with nothing between them.
type pair struct {
	t    testing.TB
	now  time.Time
	s    *Sender
	r    *Receiver
	pool *Pool
	slab *Slab
	used int
	b    Batch
	num  uint64
	buf  [2048]byte
	lose func(frame []byte) bool
}

func newPair(t testing.TB, classes ...Class) *pair {
	t.Helper()
	p := &pair{t: t, now: epoch0, pool: NewPool(0)}
	var err error
	if p.s, err = NewSender(SenderConfig{Law: Fixed, Self: 1, Symbol: testSymbol, Streams: classes, UnicastRepair: true, Start: epoch0}); err != nil {
		t.Fatal(err)
	}
	if p.r, err = NewReceiver(ReceiverConfig{Sender: 1, Symbol: testSymbol, Streams: classes, Room: 4096, Start: epoch0}, p.pool); err != nil {
		t.Fatal(err)
	}
	p.r.Start(p.now, p.s.Admit(p.now, 2, Admission{RTT: time.Millisecond}))
	p.slab = p.pool.Get()
	return p
}

// deliver copies frames into the current slab, as a socket would.
func (p *pair) deliver(frames [][]byte) {
	for _, f := range frames {
		m := Meta{Number: p.num}
		p.num++
		if p.lose != nil && p.lose(f) {
			continue
		}
		if p.used+len(f) > SlabSize {
			p.pool.Put(p.slab)
			p.slab, p.used = p.pool.Get(), 0
		}
		at := p.slab.B[p.used : p.used+len(f)]
		copy(at, f)
		p.used += len(f)
		p.r.Handle(p.now, m, at, p.slab)
	}
	p.r.Advance(p.now)
}

func (p *pair) pump() {
	buf := p.buf[:]
	for more := true; more; {
		more = false
		for p.s.Poll(p.now, &p.b) {
			p.deliver(p.b.Frames)
			more = true
		}
		for {
			f, ok := p.r.Poll(p.now, buf[:0])
			if !ok {
				break
			}
			more = true
			if d := p.s.Handle(p.now, 2, f); d != DropNone {
				p.t.Fatalf("sender dropped %v: %x", d, f)
			}
		}
	}
}

// step lets time pass to the next timeout of either machine.
func (p *pair) step() {
	next := p.s.NextTimeout()
	if r := p.r.NextTimeout(); !r.IsZero() && (next.IsZero() || r.Before(next)) {
		next = r
	}
	if next.After(p.now) {
		p.now = next
	} else {
		p.now = p.now.Add(50 * time.Microsecond)
	}
	p.s.Advance(p.now)
	p.r.Advance(p.now)
	p.pump()
}

func message(i, n int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%06d.", i), n/7+1)[:n]
}

func TestPair_MessagesOfAllSizesArrive(t *testing.T) {
	for _, class := range []Class{Reliable, BestEffort} {
		p := newPair(t, class)
		sizes := []int{0, 1, 100, 127, 128, 1380, 1383, 1384, 1385, 2768, 5000, 1 << 20, 3, 0}
		buf := make([]byte, 1<<20)
		got := 0
		for i, n := range sizes {
			if p.s.Write(p.now, 0, message(i, n)) == ErrFull {
				p.pump()
				if err := p.s.Write(p.now, 0, message(i, n)); err != nil {
					t.Fatal(err)
				}
			}
		}
		p.s.Cut(p.now)
		for steps := 0; got < len(sizes) && steps < 1000; steps++ {
			p.pump()
			for {
				n, info, err := p.r.Read(p.now, 0, buf)
				if err == ErrEmpty {
					break
				}
				if err != nil || info.Message != uint64(got) || !bytes.Equal(buf[:n], message(got, sizes[got])) {
					t.Fatalf("message %d: n %d info %+v err %v", got, n, info, err)
				}
				got++
			}
			p.step()
		}
		if got != len(sizes) {
			t.Fatalf("got %d", got)
		}
		for i := 0; i < 20 && !p.s.Drained(); i++ {
			p.step()
		}
		if !p.s.Drained() {
			t.Fatal("not drained")
		}
	}
}

func BenchmarkWritePoll(b *testing.B) {
	s, _ := NewSender(SenderConfig{Law: Fixed, Self: 1, Symbol: testSymbol, Streams: []Class{Reliable}, Start: epoch0})
	msg := message(1, testSymbol-symbolHead-2)
	var batch Batch
	now := epoch0
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := s.Write(now, 0, msg); err != nil {
			b.Fatal(err)
		}
		if i++; i%45 == 0 {
			for s.Poll(now, &batch) {
			}
			now = now.Add(50 * time.Microsecond)
		}
	}
}

func BenchmarkHandleRead(b *testing.B) {
	p := newPair(b, Reliable)
	msg := message(1, testSymbol-symbolHead-2)
	d := data{payload: append([]byte{0xe6, 0x0a}, msg...)}
	slab := p.pool.Get()
	buf := make([]byte, 2048)
	frame := appendData(slab.B[:0], &d)
	size, _ := varint(d.payload)
	if int(size) != len(msg) {
		b.Fatal(size, len(msg))
	}
	now := epoch0
	b.SetBytes(int64(len(msg)))
	b.ReportAllocs()
	seq := uint64(0)
	for b.Loop() {
		put48(frame[4:], seq)
		frame[23] = byte(seq)
		if d := p.r.Handle(now, Meta{Number: seq}, frame, slab); d != DropNone {
			b.Fatal(d)
		}
		seq++
		if seq%45 == 0 {
			p.r.Advance(now)
			for {
				if _, _, err := p.r.Read(now, 0, buf); err != nil {
					break
				}
			}
		}
	}
}

// BenchmarkPair is a message's whole way: Write, Poll, the copy that stands for
// sealing and the network, Handle, Advance, Read, and the STATUS back.
func BenchmarkPair(b *testing.B) {
	for _, size := range []int{64, 1382, 8192} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			p := newPair(b, Reliable)
			msg, buf := message(1, size), make([]byte, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			i, pending := 0, 0
			for b.Loop() {
				if err := p.s.Write(p.now, 0, msg); err != nil {
					b.Fatal(err)
				}
				i++
				if pending += size; pending > 60_000 {
					pending = 0
					p.now = p.now.Add(20 * time.Microsecond)
					p.pump()
					for {
						if _, _, err := p.r.Read(p.now, 0, buf); err != nil {
							break
						}
					}
				}
			}
		})
	}
}

func BenchmarkCopy(b *testing.B) {
	src, dst := make([]byte, 64<<10), make([]byte, 64<<10)
	b.SetBytes(1384)
	i := 0
	for b.Loop() {
		copy(dst[i%45*1408:][:1384], src[i%45*1408:])
		i++
	}
}
