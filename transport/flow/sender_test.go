package flow

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

func TestConfig_SaysWhatIsWrong(t *testing.T) {
	good := SenderConfig{Law: Fixed, Self: 1, Symbol: testSymbol, Streams: reliable, Start: epoch0}
	for name, change := range map[string]func(*SenderConfig){
		"no id":               func(c *SenderConfig) { c.Self = 0 },
		"no streams":          func(c *SenderConfig) { c.Streams = nil },
		"17 streams":          func(c *SenderConfig) { c.Streams = make([]Class, 17) },
		"class 3":             func(c *SenderConfig) { c.Streams = []Class{3} },
		"odd symbol":          func(c *SenderConfig) { c.Symbol = 1400 },
		"no symbol":           func(c *SenderConfig) { c.Symbol = 0 },
		"window of 1 message": func(c *SenderConfig) { c.MaxMessage, c.Window = 1<<20, 1<<20 },
		"17 MiB message":      func(c *SenderConfig) { c.MaxMessage = 17 << 20 },
		"small symbols":       func(c *SenderConfig) { c.Symbol, c.MaxMessage = minSymbol, 16<<20 },
		"negative rate":       func(c *SenderConfig) { c.Rate = -1 },
		"policy":              func(c *SenderConfig) { c.Policy = 9 },
	} {
		c := good
		change(&c)
		if _, err := NewSender(c); !errors.Is(err, errConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewSender(good); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]ReceiverConfig{
		"no sender": {Symbol: testSymbol, Streams: reliable}, "no symbol": {Sender: 1, Streams: reliable},
		"no streams": {Sender: 1, Symbol: testSymbol}, "room": {Sender: 1, Symbol: testSymbol, Streams: reliable, Room: -1},
	} {
		if _, err := NewReceiver(c, NewPool(0)); !errors.Is(err, errConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := NewReceiver(ReceiverConfig{Sender: 1, Symbol: testSymbol, Streams: reliable}, nil); err == nil {
		t.Error("no pool")
	}
}

func TestWrite_TakesAllOrNothing(t *testing.T) {
	p := newPair(t, Reliable, BestEffort)
	if err := p.s.Write(p.now, 2, nil); err != ErrStream {
		t.Error(err)
	}
	if err := p.s.Write(p.now, 0, make([]byte, defaultMessage+1)); err != ErrTooLong {
		t.Error(err)
	}
	msg := make([]byte, 100_000)
	for n := 0; ; n++ {
		before := p.s.Stats()
		err := p.s.Write(p.now, 0, msg)
		if err == ErrFull {
			if after := p.s.Stats(); after.Written != before.Written || after.Messages != before.Messages {
				t.Fatalf("refused, yet %+v became %+v", before, after)
			}
			break
		}
		if err != nil || n > 1000 {
			t.Fatal(err, n)
		}
	}
}

// What was written before a member came is not owed to it; what comes after
// begins a symbol of its own.
func TestAdmit_OwesNothingFromBefore(t *testing.T) {
	p := newPair(t, Reliable)
	_ = p.s.Write(p.now, 0, message(0, 5000))
	_ = p.s.Write(p.now, 0, message(1, 10)) // in an open packet
	late, err := NewReceiver(ReceiverConfig{Sender: 1, Symbol: testSymbol, Streams: reliable, Start: epoch0}, p.pool)
	if err != nil {
		t.Fatal(err)
	}
	if d := late.Handle(p.now, Meta{}, []byte{frameData}, nil); d != DropEarly {
		t.Fatal(d)
	}
	edges := p.s.Admit(p.now, 3, Admission{})
	if edges[0].Message != 2 || edges[0].Seq != 4 {
		t.Fatalf("%+v", edges)
	}
	late.Start(p.now, edges)
	_ = p.s.Write(p.now, 0, message(2, 10))
	p.s.Cut(p.now)
	var frames [][]byte
	for p.s.Poll(p.now, &p.b) {
		for _, f := range p.b.Frames {
			frames = append(frames, append([]byte(nil), f...))
		}
	}
	before := 0
	for _, f := range frames {
		if late.Handle(p.now, Meta{}, f, nil) == DropBefore {
			before++
		}
	}
	var buf [100]byte
	n, i, err := late.Read(p.now, 0, buf[:])
	if before != 4 || err != nil || i.Message != 2 || !bytes.Equal(buf[:n], message(2, 10)) {
		t.Fatal(before, n, i, err)
	}
	p.deliver(frames)
	big := make([]byte, 5000)
	for want := range uint64(3) {
		if _, i, err := p.r.Read(p.now, 0, big); err != nil || i.Message != want {
			t.Fatal(i, err)
		}
	}
}

// Nobody counted: what is written is sent and forgotten.
func TestSender_WithoutMembersSendsToNobody(t *testing.T) {
	s, err := NewSender(SenderConfig{Law: Fixed, Self: 1, Symbol: testSymbol, Streams: mixed, Start: epoch0})
	if err != nil {
		t.Fatal(err)
	}
	if !s.NextTimeout().IsZero() {
		t.Error("a timer without anything to do")
	}
	var b Batch
	for i := range 100_000 {
		if err := s.Write(epoch0, Stream(i%3), message(i, 1000)); err != nil {
			t.Fatal(i, err)
		}
		for s.Poll(epoch0, &b) {
		}
	}
	s.Cut(epoch0)
	if s.Drained() {
		t.Error("drained with packets waiting")
	}
	for s.Poll(epoch0, &b) {
	}
	if st := s.Stats(); !s.Drained() || st.Beats != 0 || st.Memory > 12*blockSize*s.slot || s.Due(epoch0) != 0 {
		t.Errorf("%+v", st)
	}
	s.Advance(epoch0.Add(time.Hour))
	if st := s.Stats(); st.Memory > 5*blockSize*s.slot {
		t.Errorf("idle, yet %d bytes", st.Memory)
	}
}

// A leaf lacks a symbol; it is expelled; nothing is sent for its sake.
func TestExpel_DropsWhatOnlyItWanted(t *testing.T) {
	p := newPair(t, Reliable)
	p.s.Admit(p.now, 3, Admission{RTT: time.Millisecond})
	for i := range 20 {
		_ = p.s.Write(p.now, 0, message(i, 1382))
	}
	for p.s.Poll(p.now, &p.b) {
	}
	p.now = p.now.Add(10 * time.Millisecond)
	ask := func(base, run uint64) []byte {
		return appendNak(nil, &nak{base: base, ranges: appendNakRange(nil, 0, run)})
	}
	if d := p.s.Handle(p.now, 2, ask(5, 3)); d != DropNone {
		t.Fatal(d)
	}
	if d := p.s.Handle(p.now, 3, ask(6, 4)); d != DropNone {
		t.Fatal(d)
	}
	p.s.Expel(p.now, 3)
	if st := p.s.Stats(); st.Wanted != 5 || st.Withdrawn != 2 || st.StillWanted != 3 {
		t.Fatalf("%+v", st)
	}
	if d := p.s.Handle(p.now, 3, ask(6, 4)); d != DropStranger {
		t.Fatal(d)
	}
	p.s.Expel(p.now, 3) // twice is harmless
	p.now = p.now.Add(time.Millisecond)
	alone, group := 0, 0
	for p.s.Poll(p.now, &p.b) {
		if p.b.Frames[0][0] == frameData && p.b.To == 2 {
			alone += len(p.b.Frames)
		} else if p.b.Frames[0][0] == frameData {
			group += len(p.b.Frames)
		}
	}
	if alone != 1 || group != 2 { // 5 is 2's alone; 6 and 7 were shared
		t.Fatalf("%d alone, %d to the group", alone, group)
	}
}

func TestEvents_TellWhoBlocksAndWhoIsSilent(t *testing.T) {
	p := newPair(t, Reliable)
	for p.s.Write(p.now, 0, message(0, 1000)) == nil {
	}
	var got []Event
	for range 100 {
		for p.s.Poll(p.now, &p.b) {
		}
		p.s.Advance(p.now)
		if next := p.s.NextTimeout(); next.After(p.now) {
			p.now = next
		} else {
			t.Fatalf("timer %v at %v", next, p.now)
		}
		for e, ok := p.s.Event(); ok; e, ok = p.s.Event() {
			got = append(got, e)
		}
	}
	if len(got) != 2 || got[0] != (Event{Kind: MemberBlocks, Member: 2}) || got[1] != (Event{Kind: MemberSilent, Member: 2}) {
		t.Fatalf("%v", got)
	}
	for range 100 {
		p.s.Failed(p.now, &p.b)
	}
	n := 0
	var last Event
	for e, ok := p.s.Event(); ok; e, ok = p.s.Event() {
		n, last = n+1, e
	}
	if n != mostEvents || last.Kind != EventsLost {
		t.Fatalf("%d events, last %v", n, last)
	}
}

func TestNaks_AreLimitedPerMember(t *testing.T) {
	p := newPair(t, Reliable)
	for i := range 100 {
		_ = p.s.Write(p.now, 0, message(i, 1000))
	}
	for p.s.Poll(p.now, &p.b) {
	}
	p.now = p.now.Add(time.Second)
	ask := appendNak(nil, &nak{ranges: appendNakRange(nil, 0, 1)})
	taken := 0
	for range 5000 {
		p.now = p.now.Add(200 * time.Microsecond)
		if p.s.Handle(p.now, 2, ask) == DropNone {
			taken++
		}
	}
	if taken < 1000 || taken > 1000+nakBurst+1 {
		t.Fatalf("%d NAKs taken in a second", taken)
	}
}

func TestDrop_HasANameForEachReason(t *testing.T) {
	for d := range drops {
		if d.String() == "" || d.String() == "unknown" {
			t.Errorf("%d", d)
		}
	}
	if drops.String() != "unknown" || (Drops{1, 2, 3}).total() != 5 {
		t.Error("drops")
	}
}

func (d Drops) total() uint64 { return d.Total() }

// Best-effort messages that fit a symbol never straddle two; reliable ones do,
// and fill their packets to the brim.
func TestWrite_PacksByClass(t *testing.T) {
	for _, class := range []Class{Reliable, BestEffort} {
		s, err := NewSender(SenderConfig{Law: Fixed, Self: 1, Symbol: testSymbol, Streams: []Class{class}, Start: epoch0})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 30 {
			_ = s.Write(epoch0, 0, message(i, 500))
		}
		s.Cut(epoch0)
		var b Batch
		var frames []data
		for s.Poll(epoch0, &b) {
			for _, f := range b.Frames {
				var d data
				if !parseData(f, &d) {
					t.Fatalf("%x", f)
				}
				frames = append(frames, d)
			}
		}
		want := 11 // 30 x 502 bytes in symbols of 1,384
		if class == BestEffort {
			want = 15
		}
		if len(frames) != want || !frames[want-1].last {
			t.Fatalf("class %d: %d packets", class, len(frames))
		}
		for i, d := range frames {
			if class == BestEffort && (d.head != 0 || len(d.payload) != 1004 || int(d.message) != 2*i) {
				t.Errorf("packet %d: head %d, %d bytes, message %d", i, d.head, len(d.payload), d.message)
			}
			if class == Reliable && i < want-1 && len(d.payload) < testSymbol-symbolHead-1 {
				t.Errorf("packet %d: %d bytes", i, len(d.payload))
			}
		}
	}
}

// While new data could go, repairs take a quarter of the bytes.
func TestRepairs_TakeAQuarter(t *testing.T) {
	p := newPair(t, Reliable)
	p.s.members[0].streams[0].limit = 5000
	p.s.dirty = true
	fill := func(n int) {
		for i := range n {
			if err := p.s.Write(p.now, 0, message(i, 1382)); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill(450)
	for p.s.Poll(p.now, &p.b) {
	}
	p.now = p.now.Add(time.Second)
	if d := p.s.Handle(p.now, 2, appendNak(nil, &nak{ranges: appendNakRange(nil, 0, 450)})); d != DropNone {
		t.Fatal(d)
	}
	fill(450)
	p.now = p.now.Add(time.Millisecond)
	repair, all := 0, 0
	for p.s.streams[0].ready() > 0 && p.s.Poll(p.now, &p.b) {
		if p.b.kind == batchBeat {
			continue
		}
		all += len(p.b.Frames)
		if p.b.kind == batchRepair {
			repair += len(p.b.Frames)
		}
		if all > 4*MaxSegments && 4*repair > all+4*MaxSegments {
			t.Fatalf("%d of %d are repairs", repair, all)
		}
	}
	if 8*repair < all {
		t.Fatalf("only %d of %d are repairs", repair, all)
	}
	p.now = p.now.Add(time.Millisecond)
	for p.s.Poll(p.now, &p.b) {
	}
	if st := p.s.Stats(); st.Repaired != 450 {
		t.Fatalf("%+v", st)
	}
}

// A BEAT gives the number of the first message that is not sent yet.
func TestBeat_CountsWhatWasSentOnly(t *testing.T) {
	p := newPair(t, BestEffort)
	for i := range 100 {
		_ = p.s.Write(p.now, 0, message(i, 1000))
	}
	for p.s.Poll(p.now, &p.b) {
	}
	p.now = p.now.Add(beatFirst)
	var f beat
	if !p.s.Poll(p.now, &p.b) || !parseBeat(p.b.Frames[0], &f) {
		t.Fatal("no BEAT")
	}
	if e := f.streams[0]; e.next != firstCredit || e.message != firstCredit {
		t.Fatalf("%+v", e)
	}
}
