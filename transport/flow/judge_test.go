package flow

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"testing"
	"time"
)

// oracle is a Judge that knows what it was told: say proves a symbol.
type oracle struct {
	said, came [4096][16]byte // by sequence; zero: nothing
	released   uint64
	reject     []uint64 // came, and said to be another
	sent       [4096][16]byte
}

// hear notes what the sender sends, whether it comes or not.
func (o *oracle) hear(f []byte) bool {
	if id, seq, symbol, ok := SymbolOf(f); ok {
		o.sent[seq] = oracleHash(id, seq, symbol)
	}
	return false
}

func (o *oracle) Start(Stream, uint64)                          {}
func (o *oracle) Release(_ time.Time, _ Stream, seq uint64)     { o.released = seq }
func (o *oracle) Hash(id Stream, seq uint64, b []byte) [16]byte { return oracleHash(id, seq, b) }

func oracleHash(id Stream, seq uint64, b []byte) [16]byte {
	var buf [2048]byte
	binary.BigEndian.PutUint16(buf[:], id)
	binary.BigEndian.PutUint64(buf[2:], seq)
	sum := sha256.Sum256(buf[:10+copy(buf[10:], b)])
	return [16]byte(sum[:16])
}

func (o *oracle) Symbol(_ time.Time, _ Stream, seq uint64, h [16]byte) Verdict {
	switch none := [16]byte{}; {
	case o.said[seq] != none && o.said[seq] != h, o.came[seq] != none && o.came[seq] != h:
		return Forged
	case o.said[seq] != none:
		o.came[seq] = h
		return Genuine
	}
	o.came[seq] = h
	return Unknown
}

func (o *oracle) Proven(_ Stream, from, to uint64) uint64 {
	for ; from < to && o.came[from] == o.said[from] && o.said[from] != [16]byte{}; from++ {
	}
	return from
}

// say proves what a sender has sent from first up to end.
func (o *oracle) say(first, end uint64) {
	for seq := first; seq < end; seq++ {
		o.said[seq] = o.sent[seq]
		if o.came[seq] != o.said[seq] && o.came[seq] != [16]byte{} {
			o.came[seq] = [16]byte{}
			o.reject = append(o.reject, seq)
		}
	}
}

func newJudged(t testing.TB, class Class, eager bool) (*pair, *oracle) {
	p, o := newPair(t, class), new(oracle)
	var err error
	if p.r, err = NewReceiver(ReceiverConfig{Sender: 1, Symbol: testSymbol, Streams: []Class{class}, Room: 4096, Start: epoch0, Judge: o, Eager: eager}, p.pool); err != nil {
		t.Fatal(err)
	}
	p.r.Start(p.now, p.s.Edges(nil))
	p.lose = o.hear
	return p, o
}

// write sends so many messages of a packet each.
func (p *pair) write(first, n int) {
	for i := range n {
		if err := p.s.Write(p.now, 0, message(first+i, testSymbol-symbolHead-2)); err != nil {
			p.t.Fatal(err)
		}
	}
	p.s.Cut(p.now)
	p.pump()
}

// reads takes what is ready and checks that it is message first and on.
func (p *pair) reads(first int) (n, missed int) {
	p.t.Helper()
	buf := make([]byte, testSymbol)
	for {
		size, i, err := p.r.Read(p.now, 0, buf)
		switch err {
		case nil:
			if want := message(first+n+missed, testSymbol-symbolHead-2); !bytes.Equal(buf[:size], want) {
				p.t.Fatalf("message %d: %.20q", first+n+missed, buf[:size])
			}
			n++
		case ErrGap:
			missed += int(i.Missed)
		default:
			return n, missed
		}
	}
}

// forge puts a symbol of a member's own in the place of one.
func (p *pair) forge(seq uint64, class Class) Drop {
	return p.r.Handle(p.now, Meta{}, appendData(nil, &data{class: class, seq: seq, pos: uint16(seq % blockSize), message: uint32(seq), payload: []byte{3, 'b', 'a', 'd'}}), nil)
}

func TestJudge_NothingIsReadThatIsNotProven(t *testing.T) {
	for _, class := range []Class{Reliable, BestEffort} {
		p, o := newJudged(t, class, false)
		p.write(0, 50)
		if n, missed := p.reads(0); n+missed > 0 {
			t.Fatalf("%d read, %d missed before anything was proven", n, missed)
		}
		o.say(0, 20)
		o.say(21, 50)
		p.r.Advance(p.now)
		if n, missed := p.reads(0); n != 20 || missed > 0 || !p.r.Awaits(0) {
			t.Fatalf("%d read, %d missed of 20 proven", n, missed)
		}
		o.say(20, 21)
		p.r.Advance(p.now)
		if n, missed := p.reads(20); n != 30 || missed > 0 || p.r.Awaits(0) {
			t.Fatalf("%d read, %d missed of the rest", n, missed)
		}
		if p.r.Advance(p.now); o.released != 50 {
			t.Errorf("released up to %d", o.released)
		}
	}
}

// What a member forges displaces the true symbol until the proof comes, then it
// is asked for; once the proof is there, forgeries are dropped at once.
func TestJudge_WhatIsRejectedIsAskedFor(t *testing.T) {
	p, o := newJudged(t, Reliable, false)
	for seq := range uint64(10) {
		if d := p.forge(2*seq, Reliable); d != DropNone {
			t.Fatal(d)
		}
	}
	p.write(0, 40)
	o.say(0, 40)
	if len(o.reject) != 10 {
		t.Fatalf("rejected %v", o.reject)
	}
	p.r.Advance(p.now)
	if n, _ := p.reads(0); n != 0 { // the first is forged, and not yet rejected here
		t.Fatalf("%d read", n)
	}
	for _, seq := range o.reject {
		if p.r.Reject(p.now, 0, seq) {
			t.Errorf("symbol %d was read", seq)
		}
		if d := p.forge(seq, Reliable); d != DropForged {
			t.Errorf("symbol %d, forged again: %v", seq, d)
		}
	}
	p.r.Advance(p.now)
	for i := 0; i < 100 && !p.s.Drained(); i++ {
		p.pump()
		p.step()
		if n, _ := p.reads(int(p.r.streams[0].message)); n > 0 {
			p.r.Advance(p.now)
		}
	}
	st := p.r.Stats()
	if st.Messages != 40 || st.Missed != 0 || st.Rejected != 10 || st.Drops[DropForged] != 10 || st.Asked < 10 {
		t.Errorf("%d read, %d missed, %d rejected, %d forged, %d asked for", st.Messages, st.Missed, st.Rejected, st.Drops[DropForged], st.Asked)
	}
}

// Without a proof best effort gives up after a while, a reliable stream does not.
// Nobody's symbols are read once the sender is gone.
func TestJudge_ProofsThatNeverCome(t *testing.T) {
	for _, class := range []Class{Reliable, BestEffort, Deadline} {
		p, o := newJudged(t, class, false)
		p.write(0, 30)
		o.say(10, 20) // ten before and ten behind are not proven
		for end := p.now.Add(5 * time.Second); p.now.Before(end); {
			p.step()
			p.now = p.now.Add(10 * time.Millisecond)
		}
		n, missed := 0, 0
		if class != Reliable {
			if n, missed = p.reads(0); n != 10 || missed != 20 {
				t.Errorf("%v: %d read, %d missed", class, n, missed)
			}
		} else if st := p.r.Stats(); st.Unproven != 0 || !p.r.Awaits(0) {
			t.Errorf("%v: %d given up", class, st.Unproven)
		}
		p.r.GiveUp(p.now)
		more, gone := p.reads(n + missed)
		if n+more != 10 || missed+gone != 20 || !p.r.Done() {
			t.Errorf("%v: %d read and %d missed in the end", class, n+more, missed+gone)
		}
		if st := p.r.Stats(); st.Unproven != 20 || st.Streams[0].Held != 0 {
			t.Errorf("%v: %d given up for want of a proof, %d held", class, st.Unproven, st.Streams[0].Held)
		}
		p.r.Close()
		p.pool.Put(p.slab)
		if p.pool.InUse() != 0 {
			t.Errorf("%v: %d slabs leaked", class, p.pool.InUse())
		}
	}
}

// What parity gives back is judged as what comes; with a forged symbol among what
// it is computed from it is not the sender's.
func TestJudge_RebuiltSymbolsAreJudged(t *testing.T) {
	for _, forged := range []bool{false, true} {
		p, o := newJudged(t, Reliable, false)
		p.r.beat.leaves = 20
		if forged {
			p.forge(5, Reliable)
		}
		symbols := make([][]byte, 20)
		p.lose = func(f []byte) bool {
			_, seq, symbol, ok := SymbolOf(f)
			if ok {
				symbols[seq] = append(bytes.Clone(symbol), make([]byte, testSymbol-len(symbol))...)
			}
			return o.hear(f) || ok && seq == 3
		}
		p.write(0, 20)
		row := make([]byte, testSymbol)
		for place, sym := range symbols {
			addToRow(row, sym, 7, place)
		}
		o.say(0, 20)
		// What was rejected is not told yet: parity is used with the forged one.
		p.r.Handle(p.now, Meta{}, appendParity(nil, &parity{class: Reliable, n: 20, row: 7, symbol: row}), nil)
		st := p.r.Stats()
		if forged && (st.Rebuilt != 0 || st.Garbled != 1) || !forged && st.Rebuilt != 1 {
			t.Errorf("forged %v: %d rebuilt, %d garbled", forged, st.Rebuilt, st.Garbled)
		}
		p.r.Advance(p.now)
		want := map[bool]int{false: 20, true: 3}[forged]
		if n, _ := p.reads(0); n != want {
			t.Errorf("forged %v: %d read", forged, n)
		}
	}
}

func TestJudge_EagerReadsAtOnceAndSaysSo(t *testing.T) {
	p, o := newJudged(t, Reliable, true)
	p.write(0, 4)
	buf := make([]byte, testSymbol)
	if _, i, err := p.r.Read(p.now, 0, buf); err != nil || !i.Unproven {
		t.Errorf("%+v, %v", i, err)
	}
	o.say(0, 2)
	if _, i, err := p.r.Read(p.now, 0, buf); err != nil || i.Unproven {
		t.Errorf("proven, and said not to be: %+v, %v", i, err)
	}
	if !p.r.Reject(p.now, 0, 2) {
		t.Error("what will be read is said to be taken back")
	}
}

func TestJudge_HotPathAllocatesNothing(t *testing.T) {
	p, o := newJudged(t, Reliable, false)
	msg, buf, from := message(1, testSymbol-symbolHead-2), make([]byte, testSymbol), uint64(0)
	round := func() {
		p.now = p.now.Add(100 * time.Microsecond)
		for range 20 {
			if err := p.s.Write(p.now, 0, msg); err != nil {
				t.Fatal(err)
			}
		}
		p.s.Cut(p.now)
		p.pump()
		o.say(from, from+20)
		from += 20
		p.r.Advance(p.now)
		for range 20 {
			if _, _, err := p.r.Read(p.now, 0, buf); err != nil {
				t.Fatal(err)
			}
		}
		p.pump()
	}
	for range 70 {
		round()
	}
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations a round", n)
	}
}
