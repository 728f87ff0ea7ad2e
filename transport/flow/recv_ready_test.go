package flow

import (
	"errors"
	"math/rand/v2"
	"testing"
	"time"
)

// What Ready counts can be read at once, and nothing else.
func TestReady_CountsExactlyWhatCanBeRead(t *testing.T) {
	for seed := range uint64(60) {
		d := rand.New(rand.NewPCG(seed, 3))
		p := newPair(t, Reliable)
		loss := float64(seed%4) * 0.1
		p.lose = func([]byte) bool { return d.Float64() < loss }
		buf, sent, read := make([]byte, 1<<20), 0, uint64(0)
		for step := range 300 {
			for range d.IntN(6) {
				n := d.IntN(200)
				if d.IntN(10) == 0 {
					n = d.IntN(9000)
				}
				if p.s.Write(p.now, 0, message(sent, n)) == nil {
					sent++
				}
			}
			if d.IntN(2) == 0 {
				p.s.Flush(p.now)
			}
			p.step()
			next, end := p.r.Ready(0)
			if next != read {
				t.Fatalf("seed %d, step %d: next is %d, %d were read", seed, step, next, read)
			}
			stop := end
			if end > next && d.IntN(3) == 0 {
				stop = next + d.Uint64N(end-next) // a reader that stops between
			}
			for read < stop {
				_, i, err := p.r.Read(p.now, 0, buf)
				if err != nil || i.Message != read {
					t.Fatalf("seed %d, step %d: message %d of %d that are ready: %v", seed, step, read, end, err)
				}
				read++
			}
			if stop == end {
				if _, _, err := p.r.Read(p.now, 0, buf); !errors.Is(err, ErrEmpty) {
					t.Fatalf("seed %d, step %d: after the %d that were ready: %v", seed, step, end, err)
				}
			}
		}
		if read == 0 || loss == 0 && sent-int(read) > 20 {
			t.Fatalf("seed %d: %d of %d were read", seed, read, sent)
		}
	}
}

// A hole that nobody fills any more is passed over; Ready goes on behind it.
func TestReady_GoesOnBehindAGap(t *testing.T) {
	p := newPair(t, Reliable)
	n := 0
	p.lose = func(f []byte) bool { n++; return n == 2 }
	for i := range 4 {
		p.s.Write(p.now, 0, message(i, 1000))
		p.s.Flush(p.now)
		for p.s.Poll(p.now, &p.b) {
			p.deliver(p.b.Frames)
		}
	}
	if next, end := p.r.Ready(0); next != 0 || end != 1 {
		t.Fatalf("before the hole: %d to %d", next, end)
	}
	p.r.GiveUp(p.now)
	if at, passed := p.r.Seek(p.now, 0, 1); at != 2 || passed != 2 {
		t.Fatalf("at %d, passed %d: want the message and the hole", at, passed)
	}
	if next, end := p.r.Ready(0); next != 2 || end != 4 {
		t.Fatalf("behind the hole: %d to %d", next, end)
	}
	if at, passed := p.r.Seek(p.now, 0, 3); at != 3 || passed != 1 {
		t.Fatalf("at %d, passed %d", at, passed)
	}
	if _, i, err := p.r.Read(p.now, 0, make([]byte, 2000)); err != nil || i.Message != 3 {
		t.Fatalf("message %d, %v", i.Message, err)
	}
	if s := p.r.Stats(); s.Messages+s.Missed != 4 {
		t.Errorf("%d read, %d missed of 4", s.Messages, s.Missed)
	}
}

// Each symbol is looked at once: a backlog that grows costs no more per call.
func TestReady_LooksAtNothingTwiceAndAllocatesNothing(t *testing.T) {
	p := newPair(t, Reliable)
	for i := range 3000 {
		p.s.Write(p.now, 0, message(i, 300))
	}
	p.s.Flush(p.now)
	p.step()
	p.r.Ready(0)
	before := p.r.streams[0].scan
	if n := testing.AllocsPerRun(100, func() { p.r.Ready(0) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if before != p.r.streams[0].scan || before.seq == p.r.streams[0].base {
		t.Error("the place was lost between two calls")
	}
}

func TestBudget_LeavesRoomForTheLongestMessage(t *testing.T) {
	pool := NewPool(SlabSize) // used up by the first slab
	const longest = 600 << 10
	r, err := NewReceiver(ReceiverConfig{Sender: 1, Symbol: testSymbol, Streams: []Class{Reliable}, MaxMessage: longest, Reserve: longest, Room: 4096, Start: epoch0}, pool)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSender(SenderConfig{Self: 1, Symbol: testSymbol, Streams: []Class{Reliable}, MaxMessage: longest, Start: epoch0})
	if err != nil {
		t.Fatal(err)
	}
	r.Start(epoch0, s.Admit(epoch0, 2, Admission{RTT: time.Millisecond}))
	if err := s.Write(epoch0, 0, message(0, longest)); err != nil {
		t.Fatal(err)
	}
	s.Flush(epoch0)
	var b Batch
	for num, now := uint64(0), epoch0; now.Sub(epoch0) < 10*time.Second; now = now.Add(time.Millisecond) {
		s.Advance(now)
		for s.Poll(now, &b) {
			for _, f := range b.Frames {
				slab := pool.Get()
				n := copy(slab.B, f)
				r.Handle(now, Meta{Number: num}, slab.B[:n], slab)
				pool.Put(slab)
				num++
			}
		}
		r.Advance(now)
		for {
			f, ok := r.Poll(now, nil)
			if !ok {
				break
			}
			s.Handle(now, 2, f)
		}
		if _, end := r.Ready(0); end == 1 {
			return
		}
	}
	t.Error("the message never came whole: the budget stops it")
}
