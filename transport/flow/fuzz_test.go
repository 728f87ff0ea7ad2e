package flow

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"
)

// same holds I21 for one parser: what parses re-encodes to the same bytes.
func same(t *testing.T, b, again []byte) {
	t.Helper()
	if !bytes.Equal(b, again) {
		t.Fatalf("%x parses and becomes %x", b, again)
	}
}

func addCases(f *testing.F) {
	for _, c := range codecCases() {
		f.Add(c.frame)
	}
}

func FuzzData(f *testing.F) {
	addCases(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var d data
		if parseData(b, &d) {
			same(t, b, appendData(nil, &d))
		}
	})
}

func FuzzBeat(f *testing.F) {
	addCases(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var d beat
		if parseBeat(b, &d) {
			same(t, b, appendBeat(nil, &d))
		}
	})
}

func FuzzNak(f *testing.F) {
	addCases(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var d nak
		end, ok := parseNak(b, &d)
		if !ok {
			return
		}
		var ranges []byte
		at := d.base
		for rest := d.ranges; len(rest) > 0; {
			from, to, n := nakRange(rest, at)
			ranges = appendNakRange(ranges, from-at, to-from)
			at, rest = to, rest[n:]
		}
		if at != end {
			t.Fatalf("end %d, said %d", at, end)
		}
		d.ranges = ranges
		same(t, b, appendNak(nil, &d))
	})
}

func FuzzStatus(f *testing.F) {
	addCases(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var d status
		if parseStatus(b, &d) {
			same(t, b, appendStatus(nil, &d))
		}
	})
}

func FuzzParity(f *testing.F) {
	addCases(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var d parity
		if parseParity(b, &d) {
			same(t, b, appendParity(nil, &d))
			if d.column >= d.n || d.n > codePlaces<<d.interleave || d.row >= codeRows {
				t.Fatalf("%+v", d)
			}
		}
	})
}

func FuzzNote(f *testing.F) {
	addCases(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		var d note
		if !parseNote(b, &d) {
			return
		}
		again := appendNoteHead(nil, d.stream, int(b[1]))
		var k noteBlock
		for rest := d.blocks; len(rest) > 0; {
			rest = rest[nextNote(rest, &k):]
			again = appendNoteBlock(again, &k)
		}
		same(t, b, again)
	})
}

// cutUp splits fuzz input into frames, each behind its length and the time
// that passes before it.
func cutUp(b []byte, do func(wait time.Duration, frame []byte)) {
	for len(b) >= 3 {
		n := min(int(binary.BigEndian.Uint16(b)), len(b)-3)
		do(time.Duration(b[2])*time.Millisecond, b[3:3+n])
		b = b[3+n:]
	}
}

func glue(frames ...[]byte) (b []byte) {
	for _, f := range frames {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(f))), 1)
		b = append(b, f...)
	}
	return b
}

// FuzzSender feeds any frames to a Sender in the middle of its work: nothing
// panics, the books balance, and it still ends.
func FuzzSender(f *testing.F) {
	for _, c := range codecCases() {
		f.Add(glue(c.frame, c.frame))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := NewSender(SenderConfig{Law: Fixed, Self: 1, Symbol: minSymbol, Streams: mixed, UnicastRepair: true, Start: epoch0})
		if err != nil {
			t.Fatal(err)
		}
		now := epoch0.Add(time.Second)
		s.Admit(now, 2, Admission{RTT: time.Millisecond})
		var batch Batch
		handed := uint64(0)
		msg := message(1, 1000)
		cutUp(b, func(wait time.Duration, frame []byte) {
			now = now.Add(wait)
			for i := range mixed {
				_ = s.Write(now, Stream(i), msg) // ErrFull is fine
			}
			s.Cut(now)
			s.Handle(now, 2, frame)
			handed++
			s.Handle(now, 3, frame)
			handed++
			for n := 0; s.Poll(now, &batch); n++ {
				if n > 10_000 {
					t.Fatal("Poll does not end")
				}
			}
			s.Advance(now)
		})
		s.Expel(now, 2)
		for s.Poll(now, &batch) {
		}
		st := s.Stats()
		if !s.Drained() || st.Written != st.Sent || st.Taken+st.Drops.Total() != handed ||
			st.Wanted != st.Repaired+st.Gone+st.Withdrawn || st.StillWanted != 0 {
			t.Fatalf("%+v", st)
		}
	})
}

// FuzzReceiver feeds any frames to a Receiver: nothing panics, reading and
// feedback end, the books balance, no slab stays held.
func FuzzReceiver(f *testing.F) {
	for _, c := range codecCases() {
		f.Add(glue(c.frame, c.frame))
	}
	f.Add(glue(hostileStream(0, 0, 5, 1, 9)...))
	f.Add(glue(hostileStream(1, 3, 1<<40, 2)...))
	f.Add(glue(append(hostileStream(0, 0, 2, 3), hostileRows(0, 5, 0, 1, 7)...)...))
	f.Add(glue(append(hostileRows(0, 64, 9, 1, 2), hostileStream(0, 2, 1, 0, 70)...)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		pool := NewPool(0)
		r, err := NewReceiver(ReceiverConfig{Sender: 1, Symbol: minSymbol, Streams: mixed, MaxMessage: 4096, Window: 64 << 10,
			Start: epoch0}, pool)
		if err != nil {
			t.Fatal(err)
		}
		now := epoch0.Add(time.Second)
		r.Start(now, []Edge{{Stream: 1, Seq: 3, Message: 1<<32 - 2}})
		slab := pool.Get()
		used := 0
		cutUp(b, func(wait time.Duration, frame []byte) {
			now = now.Add(wait)
			if used+len(frame) > SlabSize {
				return
			}
			at := slab.B[used : used+copy(slab.B[used:], frame)]
			used += len(at)
			r.Handle(now, Meta{Number: uint64(used)}, at, slab)
			r.Advance(now)
			drain(t, r, now)
		})
		r.Finish(now, []Edge{{Stream: 0, Seq: 100, Message: 7}})
		r.GiveUp(now)
		drain(t, r, now)
		st := r.Stats()
		if !r.Done() || st.Frames != st.Symbols+st.Parity+st.Notes+st.Beats+st.Drops.Total() {
			t.Fatalf("done %v: %+v", r.Done(), st)
		}
		for _, s := range st.Streams {
			if s.Known-s.Start != s.Taken+s.Skipped+s.Lost || s.Held != 0 {
				t.Fatalf("%+v", s)
			}
		}
		r.Close()
		pool.Put(slab)
		if pool.InUse() != 0 {
			t.Fatalf("%d slabs held", pool.InUse())
		}
	})
}

// drain reads and polls until there is nothing.
func drain(t *testing.T, r *Receiver, now time.Time) {
	var buf [4096]byte
	for st := range mixed {
		for n := 0; ; n++ {
			if _, _, err := r.Read(now, Stream(st), buf[:]); err == ErrEmpty {
				break
			} else if err != nil && err != ErrGap {
				t.Fatal(err)
			}
			if n > 1<<20 {
				t.Fatal("Read does not end")
			}
		}
	}
	for n := 0; ; n++ {
		f, ok := r.Poll(now, buf[:0])
		if !ok {
			break
		}
		if len(f) > minSymbol+HeadSize || !parsesNak(f) && !parsesStatus(f) || n > 1000 {
			t.Fatalf("feedback %d: %x", n, f)
		}
	}
}

// hostileStream is DATA with records that contradict each other.
func hostileStream(stream Stream, seqs ...uint64) (frames [][]byte) {
	for i, seq := range seqs {
		d := data{class: mixed[stream], stream: stream, seq: seq, sent: uint32(i), head: uint16(i % 3), message: uint32(seq * 3),
			payload: []byte{3, 'a', 'b', 'c', 0xff, 0xff, 0xff, 0xff, 1, 'x'}}
		frames = append(frames, appendData(nil, &d))
	}
	return frames
}

// hostileRows are parity of a block of n symbols from first on, all of one
// column, whose contents mean nothing.
func hostileRows(first uint64, n int, rows ...uint8) (frames [][]byte) {
	for i, row := range rows {
		frames = append(frames, appendParity(nil, &parity{first: first, n: n, row: row, sent: uint32(i),
			symbol: []byte{0, 3, 0, 0, 0, 0, 0, byte(i), 2, 'a', 'b', row}}))
	}
	return frames
}
