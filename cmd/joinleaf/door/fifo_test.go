package door

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

func TestFIFO_KeepsOrderAndBoundariesAroundTheRing(t *testing.T) {
	const seed = 7
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	f := newFIFO(0)
	p := make([]byte, maxDatagram)
	in, out := byte(0), byte(0)
	at := time.Unix(5, 6)
	for range 20_000 {
		if r.IntN(2) == 0 && in-out < 40 {
			f.put(at, bytes.Repeat([]byte{in}, 1000+int(in)))
			in++
		} else if in != out {
			n, when, more, err := f.get(t.Context(), p, 0)
			if err != nil || n != 1000+int(out) || p[0] != out || p[n-1] != out || !when.Equal(at) || more != (in != out+1) {
				t.Fatalf("datagram %d: %d bytes of %d, %v, more %v, %v", out, n, p[0], when, more, err)
			}
			out++
		}
	}
	if f.dropped != 0 {
		t.Fatal(f.dropped)
	}
}

func TestFIFO_FullDropsTheNewestAndCounts(t *testing.T) {
	f := newFIFO(0)
	b := make([]byte, 30_000)
	for i := range byte(5) {
		b[0] = i
		f.put(time.Now(), b)
	}
	if f.dropped != 3 {
		t.Fatalf("dropped %d, want 3 of 5", f.dropped)
	}
	p := make([]byte, 100)
	for want := range byte(2) {
		n, _, _, err := f.get(t.Context(), p, 0)
		if err != nil || n != 100 || p[0] != want {
			t.Fatalf("%d bytes, first %d, %v: want the oldest, cut to the room", n, p[0], err)
		}
	}
}

func TestFIFO_WaitsForData_ForTheTimeout_AndForTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFIFO(0)
		p := make([]byte, 10)
		go func() {
			time.Sleep(time.Second)
			f.put(time.Now(), []byte("late"))
		}()
		if n, _, _, err := f.get(t.Context(), p, 2*time.Second); err != nil || string(p[:n]) != "late" {
			t.Fatal(n, err)
		}
		begin := time.Now()
		if _, _, _, err := f.get(t.Context(), p, 2*time.Second); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(begin) != 2*time.Second {
			t.Fatal(err, time.Since(begin))
		}
		why := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(why)
		if _, _, _, err := f.get(ctx, p, 0); !errors.Is(err, why) {
			t.Fatal(err)
		}
		f.put(time.Now(), []byte("last"))
		f.close(io.EOF)
		f.put(time.Now(), []byte("never"))
		if n, _, _, err := f.get(t.Context(), p, 0); err != nil || string(p[:n]) != "last" {
			t.Fatal(n, err)
		}
		if _, _, _, err := f.get(t.Context(), p, 0); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	})
}
