package flow

import (
	"bytes"
	"math"
	"slices"
	"testing"
	"time"
	"unsafe"
)

func TestRead_ShortBufferKeepsTheMessage(t *testing.T) {
	p := newPair(t, Reliable)
	want := message(1, 3000)
	_ = p.s.Write(p.now, 0, want)
	p.s.Cut(p.now)
	p.pump()
	if size, ok := p.r.Next(0); !ok || size != 3000 {
		t.Fatal(size, ok)
	}
	buf := make([]byte, 3000)
	if _, i, err := p.r.Read(p.now, 0, buf[:2999]); err != ErrShort || i.Size != 3000 {
		t.Fatal(i, err)
	}
	if n, i, err := p.r.Read(p.now, 0, buf); err != nil || i.Message != 0 || !bytes.Equal(buf[:n], want) {
		t.Fatal(n, i, err)
	}
	if _, _, err := p.r.Read(p.now, 0, buf); err != ErrEmpty {
		t.Fatal(err)
	}
	if _, _, err := p.r.Read(p.now, 1, buf); err != ErrStream {
		t.Fatal(err)
	}
}

func TestPool_CountsReferences(t *testing.T) {
	pool := NewPool(2 * SlabSize)
	a, b := pool.Get(), pool.Get()
	if pool.Over() || pool.InUse() != 2 {
		t.Fatal(pool.InUse())
	}
	c := pool.Get()
	if !pool.Over() {
		t.Fatal("three of two, and not over")
	}
	c.refs++
	pool.Put(c)
	if pool.InUse() != 3 {
		t.Fatal("a slab went while a symbol lay in it")
	}
	c.release()
	pool.Put(a)
	pool.Put(b)
	if pool.InUse() != 0 || pool.made != len(pool.free) || len(pool.free) != 2 {
		t.Fatalf("%+v", pool)
	}
}

// Over budget, what is new is refused and what fills a gap is not.
func TestBudget_LetsGapsBeFilled(t *testing.T) {
	p := newPair(t, Reliable)
	p.r.pool = NewPool(-1)
	frame := func(seq uint64) []byte {
		return appendData(nil, &data{seq: seq, payload: []byte{0}, message: uint32(seq)})
	}
	for seq := uint64(1); seq <= reserve; seq++ {
		if d := p.r.Handle(p.now, Meta{}, frame(seq), p.r.pool.Get()); d != DropNone {
			t.Fatal(seq, d)
		}
	}
	if d := p.r.Handle(p.now, Meta{}, frame(reserve+1), p.r.pool.Get()); d != DropBudget {
		t.Fatal(d)
	}
	if d := p.r.Handle(p.now, Meta{}, frame(0), p.r.pool.Get()); d != DropNone {
		t.Fatal(d)
	}
}

// A root keeps one Receiver for each leaf that may send: an idle one is small,
// and one that was busy becomes so again.
func TestReceiver_IsSmallWhenIdle(t *testing.T) {
	if n := unsafe.Sizeof(Receiver{}) + unsafe.Sizeof(stream{}) + unsafe.Sizeof(Edge{}) + 8; n > 2048 {
		t.Errorf("%d bytes", n)
	}
	p := newPair(t, Reliable)
	for i := range 3000 {
		if p.s.Write(p.now, 0, message(i, 1000)) == ErrFull {
			p.pump()
		}
	}
	p.s.Cut(p.now)
	p.pump()
	var buf [1000]byte
	for {
		if _, _, err := p.r.Read(p.now, 0, buf[:]); err != nil {
			break
		}
	}
	if p.r.streams[0].ring == nil {
		t.Fatal("no ring after data")
	}
	p.now = p.now.Add(idleAfter)
	p.r.Advance(p.now)
	if st := p.r.streams[0]; st.ring != nil || st.have != nil {
		t.Error("the ring stays")
	}
	_ = p.s.Write(p.now, 0, message(1, 1000))
	p.s.Cut(p.now)
	p.pump()
	if n, ok := p.r.Next(0); !ok || n != 1000 {
		t.Error("nothing after a rest", n, ok)
	}
}

func TestGiveUp_TellsTheTornTail(t *testing.T) {
	p := newPair(t, Reliable)
	_ = p.s.Write(p.now, 0, message(0, 10))
	_ = p.s.Write(p.now, 0, message(1, 10_000))
	var seq uint64
	p.lose = func(f []byte) bool { // the sender dies in the middle of message 1
		if f[0] != frameData {
			return true
		}
		seq++
		return seq > 4
	}
	p.s.Cut(p.now)
	for p.s.Poll(p.now, &p.b) {
		p.deliver(p.b.Frames)
	}
	var buf [100]byte
	if _, i, err := p.r.Read(p.now, 0, buf[:]); err != nil || i.Message != 0 {
		t.Fatal(i, err)
	}
	if _, _, err := p.r.Read(p.now, 0, buf[:]); err != ErrEmpty || p.r.Done() {
		t.Fatal(err)
	}
	p.r.GiveUp(p.now)
	if _, i, err := p.r.Read(p.now, 0, buf[:]); err != ErrGap || i.Missed != 1 || i.Message != 1 {
		t.Fatal(i, err)
	}
	if _, _, err := p.r.Read(p.now, 0, buf[:]); err != ErrEmpty || !p.r.Done() {
		t.Fatal(err, p.r.Done())
	}
}

func TestLoss_IsCountedByPacketNumber(t *testing.T) {
	var c pathCount
	for _, m := range []Meta{{Number: 10}, {Number: 12}, {Number: 11}, {Number: 9}, {Number: 99, Pairwise: true}, {Number: 20, Overflow: 1},
		{Number: 2, Epoch: 1, Overflow: 1}, {Number: 21, Overflow: 1}, {Number: 1, Epoch: 1, Overflow: 1}} {
		c.packet(&m)
	}
	// 10..21 of epoch 0 and 0..2 of epoch 1; came 10 11 12 20 21 and 1 2; the
	// host dropped 13..19.
	if c.expected != 15 || c.heard != 7 || c.host != 7 {
		t.Fatalf("%+v", c)
	}
}

func TestLoss_NumbersOfPacketsForOneMemberAloneAreNone(t *testing.T) {
	var c pathCount
	for _, m := range []Meta{{Number: 10, Alone: 250}, {Number: 14, Alone: 252}, {Number: 30, Alone: 6}, {Number: 28, Alone: 5}, {Number: 29, Pairwise: true},
		{Number: 32, Alone: 200}, {Number: 5, Epoch: 1, Alone: 203}, {Number: 33, Alone: 200}} {
		c.packet(&m)
	}
	// Alone went 2 of 11..14, 9 of 15..30 and 3 of 0..5 of epoch 1; of 31 and 32 more
	// than there are: that packet itself was the group's.
	if c.expected != 1+2+7+1+3+1 || c.heard != 7 {
		t.Fatalf("%+v", c)
	}
}

func TestDraw_SpreadsLargeGroupsOnly(t *testing.T) {
	p := newPair(t, Reliable)
	st := p.r.stream(0)
	p.r.beat.grtt = time.Millisecond
	for _, n := range []int{1, 8} {
		if p.r.beat.leaves = n; p.r.draw(st, 0) != 0 {
			t.Errorf("%d members draw", n)
		}
	}
	for _, n := range []int{9, 100, 10_000} {
		p.r.beat.leaves = n
		early := 0
		for range 1000 {
			d := p.r.draw(st, 0)
			if d < 0 || d > 6*time.Millisecond {
				t.Fatalf("n=%d: %v", n, d)
			}
			if d < 3*time.Millisecond {
				early++
			}
		}
		// The density grows as e^(L x/T): of the draws 1/(e^(L/2)+1) are early.
		want := 1000 / (math.Exp((math.Log(float64(n))+1)/2) + 1)
		if math.Abs(float64(early)-want) > 5*math.Sqrt(want)+10 {
			t.Errorf("n=%d: %d of 1000 in the first half, want about %.0f", n, early, want)
		}
	}
}

// hand gives the receiver symbol seq of stream st, one message in each.
func (p *pair) hand(st Stream, seq uint64) Drop {
	f := appendData(nil, &data{class: p.r.c.Streams[st], stream: st, seq: seq, sent: uint32(seq), message: uint32(seq), payload: []byte{1, byte(seq)}})
	d := p.r.Handle(p.now, Meta{Number: seq}, f, nil)
	p.r.Advance(p.now)
	return d
}

// Disorder within the guard is put right; after it the gap is told, and what
// comes then is late.
func TestBestEffort_PutsDisorderRightWithinTheGuard(t *testing.T) {
	p := newPair(t, BestEffort)
	var buf [8]byte
	read := func() (got []uint64) {
		for {
			_, i, err := p.r.Read(p.now, 0, buf[:])
			if err == ErrEmpty {
				return got
			}
			got = append(got, i.Message, i.Missed)
		}
	}
	expect := func(what string, want ...uint64) {
		t.Helper()
		if got := read(); !slices.Equal(got, want) {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
	}
	p.hand(0, 0)
	p.hand(0, 2)
	expect("a hole", 0, 0)
	p.now = p.now.Add(leastGuard - time.Microsecond)
	p.r.Advance(p.now)
	expect("within the guard")
	p.hand(0, 1)
	expect("put right", 1, 0, 2, 0)
	p.hand(0, 5)
	expect("another hole")
	if next := p.r.NextTimeout(); next.Sub(p.now) > mostGuard {
		t.Fatalf("judged in %v", next.Sub(p.now))
	}
	p.now = p.now.Add(mostGuard)
	p.r.Advance(p.now)
	expect("after the guard", 3, 2, 5, 0)
	if d := p.hand(0, 4); d != DropLate {
		t.Fatal(d)
	}
	expect("late")
}

// What is asked for and still out stays within the room that credit left for
// repairs, and waiting for it does not spin.
func TestNak_AsksForNoMoreThanTheSocketHolds(t *testing.T) {
	p := newPair(t, Reliable)
	p.r.SetRoom(200)
	p.hand(0, 1000)
	p.now = p.now.Add(leastGuard)
	asked, spins := uint64(0), 0
	start := p.now
	for p.now.Before(start.Add(leastAgain)) {
		p.r.Advance(p.now)
		for {
			f, ok := p.r.Poll(p.now, p.buf[:0])
			if !ok {
				break
			}
			var n nak
			if end, ok := parseNak(f, &n); ok {
				asked += end - n.base
			}
		}
		if next := p.r.NextTimeout(); next.After(p.now) {
			p.now = next
		} else if spins++; spins > 10 {
			t.Fatal("spins")
		}
	}
	if asked != 50 {
		t.Fatalf("asked for %d, a quarter of 200 is 50", asked)
	}
	for seq := range uint64(50) {
		p.hand(0, seq)
	}
	p.now = p.now.Add(time.Millisecond)
	f, ok := p.r.Poll(p.now, nil)
	var n nak
	if end, isNak := parseNak(f, &n); !ok || !isNak || n.base != 50 || end != 100 {
		t.Fatalf("the next NAK: %d to %d", n.base, end)
	}
}

// One NAK carries every gap, up to a packet.
func TestNak_CarriesAllGapsAtOnce(t *testing.T) {
	p := newPair(t, Reliable)
	for seq := uint64(0); seq < 1600; seq += 2 {
		p.hand(0, seq)
	}
	p.now = p.now.Add(mostGuard)
	p.r.Advance(p.now)
	f, ok := p.r.Poll(p.now, nil)
	var n nak
	end, isNak := parseNak(f, &n)
	if !ok || !isNak || n.base != 1 || len(f) > testSymbol+HeadSize {
		t.Fatalf("%d bytes", len(f))
	}
	if gaps := len(n.ranges) / 2; gaps < 600 || end != uint64(2*gaps) {
		t.Fatalf("%d gaps up to %d in %d bytes", gaps, end, len(f))
	}
}

// A stream that nobody reads fills its window, not more; the rest is refused
// and, on best effort, told as missed.
func TestWindow_IsTheBound(t *testing.T) {
	for st, class := range []Class{Reliable, BestEffort} {
		p := newPair(t, Reliable, BestEffort)
		w := p.r.window
		for seq := range w + 10 {
			want := DropNone
			if seq >= w {
				want = DropWindow
			}
			if d := p.hand(Stream(st), seq); d != want {
				t.Fatalf("class %d: symbol %d of %d: %v", class, seq, w, d)
			}
		}
		if n := uint64(len(p.r.streams[st].ring)); n < w || n >= 2*w {
			t.Fatalf("a ring of %d for a window of %d", n, w)
		}
	}
}

// After a long silence the network resumes far beyond the window: best effort
// goes on from there at once, and the gap is exact.
func TestBestEffort_GoesOnAfterALongSilence(t *testing.T) {
	p := newPair(t, BestEffort)
	var buf [8]byte
	p.hand(0, 0)
	far := 3 * p.r.window
	if d := p.hand(0, far); d != DropWindow {
		t.Fatalf("it goes over a message that nobody has read: %v", d)
	}
	_, first, err := p.r.Read(p.now, 0, buf[:])
	if err != nil || first.Message != 0 {
		t.Fatal(first, err)
	}
	if d := p.hand(0, far); d != DropNone {
		t.Fatal(d)
	}
	p.now = p.now.Add(mostGuard)
	p.r.Advance(p.now)
	if _, i, err := p.r.Read(p.now, 0, buf[:]); err != ErrGap || i.Message != 1 || i.Missed != far-1 {
		t.Fatal(i, err)
	}
	if _, i, err := p.r.Read(p.now, 0, buf[:]); err != nil || i.Message != far {
		t.Fatal(i, err)
	}
}

// limit = min(delivered + window, heard + room), where what a BEAT says was
// sent counts as heard: it has left the socket or was lost.
func TestStatus_GivesTheLesserOfWindowAndRoom(t *testing.T) {
	p := newPair(t, Reliable)
	status := func() statusStream {
		t.Helper()
		var f status
		p.now = p.now.Add(statusEvery)
		p.r.Advance(p.now)
		for {
			b, ok := p.r.Poll(p.now, p.buf[:0])
			if !ok {
				t.Fatal("no STATUS")
			}
			if parseStatus(b, &f) {
				return f.streams[0]
			}
		}
	}
	lost := appendBeat(nil, &beat{sent: 1, leaves: 1, n: 1, streams: [MaxStreams]beatStream{{next: 20}}})
	if d := p.r.Handle(p.now, Meta{}, lost, nil); d != DropNone {
		t.Fatal(d)
	}
	if s := status(); s.limit != 20+p.r.share || s.delivered != 0 || s.highest != 20 {
		t.Fatalf("the tail is lost: %+v", s)
	}
	w := p.r.window
	for seq := range w - 10 { // nobody reads
		p.hand(0, seq)
	}
	if s := status(); s.limit != w || s.delivered != 0 || s.highest != w-10 {
		t.Fatalf("a window of %d: %+v", w, s)
	}
}
