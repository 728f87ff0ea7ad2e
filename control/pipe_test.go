package control

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
)

func TestPipeCarriesFramesInOrderOverABadNetwork(t *testing.T) {
	for seed := range uint64(20) {
		dice := rand.New(rand.NewPCG(seed, 1))
		now := time.Unix(0, 0)
		a, b := NewPipe(now, 200, time.Second), NewPipe(now, 200, time.Second)
		var want, got [][]byte
		var flying [][]byte
		for n := 0; len(got) < 200; n++ {
			if n > 100_000 {
				t.Fatalf("seed %d: %d of %d frames after %d steps", seed, len(got), len(want), n)
			}
			if len(want) < 200 && dice.IntN(3) == 0 {
				f := Deny{Why: DenyBusy, Text: string(bytes.Repeat([]byte{'a' + byte(len(want)%26)}, dice.IntN(500)))}.Append(nil)
				want = append(want, f)
				a.Write(f)
			}
			for d, ok := a.Poll(now, nil); ok; d, ok = a.Poll(now, nil) {
				for range dice.IntN(3) { // lost, once, twice
					flying = append(flying, d)
				}
			}
			dice.Shuffle(len(flying), func(i, j int) { flying[i], flying[j] = flying[j], flying[i] })
			for k := dice.IntN(4); k > 0 && len(flying) > 0; k-- {
				if err := b.Handle(now, flying[0]); err != nil {
					t.Fatal(err)
				}
				flying = flying[1:]
			}
			for {
				f, err := b.Next()
				if err != nil {
					t.Fatal(err)
				}
				if f == nil {
					break
				}
				got = append(got, bytes.Clone(f))
			}
			for d, ok := b.Poll(now, nil); ok; d, ok = b.Poll(now, nil) {
				if dice.IntN(4) > 0 {
					if err := a.Handle(now, d); err != nil {
						t.Fatal(err)
					}
				}
			}
			now = now.Add(10 * time.Millisecond)
		}
		for i := range want {
			if !bytes.Equal(want[i], got[i]) {
				t.Fatalf("seed %d: frame %d differs", seed, i)
			}
		}
	}
}

func TestPipeTakesNoMoreThanItHasRoomFor(t *testing.T) {
	now := time.Unix(0, 0)
	p := NewPipe(now, 1000, time.Second)
	f := Deny{Why: DenyBusy, Text: "x"}.Append(nil)
	n := 0
	for p.Write(f) {
		if n++; n > pipeRoom {
			t.Fatal("no end")
		}
	}
	if _, err := p.Next(); err == nil {
		t.Error("a pipe that overflowed goes on")
	}
	far := segment{kind: 1, seq: pipeWindow + 5, bytes: []byte("x")}
	q := NewPipe(now, 1000, time.Second)
	for i := range uint32(1000) {
		far.seq = pipeWindow + i
		if err := q.Handle(now, far.append(nil)); err != nil {
			t.Fatal(err)
		}
	}
	if len(q.early) >= pipeWindow {
		t.Errorf("%d pieces are kept", len(q.early))
	}
}

func TestPipeRefusesWhatNoPipeSays(t *testing.T) {
	now := time.Unix(0, 0)
	for what, d := range map[string][]byte{
		"nothing": {}, "a kind of its own": segment{kind: 2}.append(nil), "a piece of nothing": segment{kind: 1}.append(nil),
		"an acknowledgement of what was not sent": segment{ack: 1}.append(nil), "bytes behind a sign of life": append(segment{}.append(nil), 1),
	} {
		if NewPipe(now, 1000, time.Second).Handle(now, d) == nil {
			t.Errorf("%s was taken", what)
		}
	}
	p := NewPipe(now, 1000, time.Second)
	if err := p.Handle(now, segment{kind: 1, bytes: []byte{0xff, 0xff, 0xff, 0xff}}.append(nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Next(); err != FaultLength {
		t.Errorf("a frame of 2^32-1 bytes: %v", err)
	}
}

func FuzzSegment(f *testing.F) {
	f.Add(segment{1, 2, 3, []byte("x")}.append(nil))
	f.Add(segment{ack: 3}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		g, err := parseSegment(b)
		if err == nil && !bytes.Equal(g.append(nil), b) {
			t.Fatalf("%x encodes again as %x", b, g.append(nil))
		}
		p := NewPipe(time.Unix(0, 0), 100, time.Second)
		if p.Handle(time.Unix(0, 0), b) == nil {
			_, _ = p.Next()
		}
	})
}
