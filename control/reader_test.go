package control

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"testing"
	"testing/iotest"
)

func TestReaderCutsAStreamIntoFrames(t *testing.T) {
	var stream []byte
	var want [][]byte
	for _, c := range codecs[:len(codecs)-1] {
		b := c.append(c.sample)
		want = append(want, b)
		stream = append(stream, b...)
	}
	big := Join{Data: make([]byte, MaxConnectData)}.Append(nil)
	want = append(want, big, want[0])
	stream = append(append(stream, big...), want[0]...)
	for name, in := range map[string]io.Reader{
		"at once":       bytes.NewReader(stream),
		"byte by byte":  iotest.OneByteReader(bytes.NewReader(stream)),
		"half and half": iotest.HalfReader(bytes.NewReader(stream)),
		"data with EOF": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		r := NewReader(in)
		for i, w := range want {
			got, err := r.Next()
			if err != nil || !bytes.Equal(got, w) {
				t.Fatalf("%s, frame %d: %x %v", name, i, got, err)
			}
		}
		if _, err := r.Next(); err != io.EOF {
			t.Errorf("%s: ends with %v", name, err)
		}
	}
}

func TestReaderTellsAnEndInsideAFrame(t *testing.T) {
	whole := frameOfType(TypeJoin)
	for n := 1; n < len(whole); n++ {
		if _, err := NewReader(bytes.NewReader(whole[:n])).Next(); err != io.ErrUnexpectedEOF {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
	broken := errors.New("reset")
	r := NewReader(io.MultiReader(bytes.NewReader(whole[:9]), iotest.ErrReader(broken)))
	if _, err := r.Next(); err != broken {
		t.Errorf("%v", err)
	}
}

// announce is a frame's first bytes: a length, and a few bytes of it.
func announce(n uint32, more ...byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, n), more...)
}

func TestC5_ReaderChecksTheLengthBeforeItAllocates(t *testing.T) {
	for _, c := range []struct {
		n      uint32
		raised bool
		fault  bool
	}{
		{0, false, true}, {1, false, false},
		{MaxFrameBefore, false, false}, {MaxFrameBefore + 1, false, true},
		{MaxFrame, true, false}, {MaxFrame + 1, true, true},
		{1<<31 - 1, true, true}, {1 << 31, true, true}, {1<<32 - 1, true, true}, {1<<32 - 1, false, true},
	} {
		in := bytes.NewReader(nil)
		r := NewReader(in)
		if c.raised {
			r.Raise()
		}
		var err error
		head := announce(c.n, byte(TypeBeat))
		next := func() {
			in.Reset(head)
			_, err = r.Next()
		}
		next() // the 4 KiB that every reader has
		if c.fault != (err == FaultLength) {
			t.Errorf("length %d, raised %v: %v", c.n, c.raised, err)
		}
		if allocs := testing.AllocsPerRun(10, next); c.fault && allocs != 0 {
			t.Errorf("length %d refused with %v allocations", c.n, allocs)
		}
	}
}

func TestC4_AnAnnouncedFrameCostsOnlyWhatArrives(t *testing.T) {
	for _, arrived := range []int{1, 4000, 5000, 60_000} {
		const rounds = 64
		in := append(announce(MaxFrame), make([]byte, arrived)...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range rounds {
			r := NewReader(bytes.NewReader(in))
			r.Raise()
			if _, err := r.Next(); err != io.ErrUnexpectedEOF {
				t.Fatal(err)
			}
			if cap(r.buf) > readChunk {
				t.Errorf("%d bytes kept between frames", cap(r.buf))
			}
		}
		runtime.ReadMemStats(&after)
		each := (after.TotalAlloc - before.TotalAlloc) / rounds
		if limit := uint64(4*arrived + 2*readChunk); each > limit {
			t.Errorf("%d bytes arrived of 1 MiB announced: %d allocated, limit %d", arrived, each, limit)
		}
	}
}

func TestReaderLetsGoOfALongFrame(t *testing.T) {
	stream := append(Join{Data: make([]byte, MaxConnectData)}.Append(nil), Rekeyed{1}.Append(nil)...)
	r := NewReader(bytes.NewReader(stream))
	for range 2 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if cap(r.buf) != readChunk {
		t.Errorf("%d bytes kept", cap(r.buf))
	}
}

func TestReaderTakesSmallFramesWithoutAllocation(t *testing.T) {
	beat := Beat{4, []Edge{{0, 812, 400}}}.Append(nil)
	in := bytes.NewReader(nil)
	r := NewReader(in)
	if n := testing.AllocsPerRun(100, func() {
		in.Reset(beat)
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
