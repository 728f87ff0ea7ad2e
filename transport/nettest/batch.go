package nettest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

// numbered makes a run of packets of size bytes, the last one of tail bytes if
// tail is not zero. Each carries the try and its own number.
func numbered(try, first, count, size, tail int) []byte {
	var b []byte
	for i := range count {
		n := size
		if tail > 0 && i == count-1 {
			n = tail
		}
		p := bytes.Repeat([]byte{byte(first + i)}, n)
		binary.BigEndian.PutUint16(p, uint16(try))
		binary.BigEndian.PutUint16(p[2:], uint16(first+i))
		b = append(b, p...)
	}
	return b
}

// wantRun checks that ps are the packets first..first+n-1 of a try, in order.
func wantRun(ps []packet, try int, sizes []int) error {
	if len(ps) != len(sizes) {
		return fmt.Errorf("%d packets arrived; want %d", len(ps), len(sizes))
	}
	for i, p := range ps {
		want := numbered(try, i, 1, sizes[i], 0)
		if !bytes.Equal(p.b, want) {
			return fmt.Errorf("packet %d of %d: %d bytes starting % x; want %d starting % x",
				i, len(ps), len(p.b), p.b[:min(4, len(p.b))], len(want), want[:4])
		}
	}
	return nil
}

// inOneTry sends until one try arrives whole and in order: no network promises
// either, but one without loss does it nearly always.
func inOneTry(t *testing.T, e *ear, sizes []int, send func(try int)) {
	t.Helper()
	var last error
	for try := range tries {
		send(try)
		var run []packet
		e.until(again(), func(p packet) bool {
			if len(p.b) >= 4 && binary.BigEndian.Uint16(p.b) == uint16(try) {
				run = append(run, p)
			}
			return len(run) == len(sizes)
		})
		if last = wantRun(run, try, sizes); last == nil {
			return
		}
	}
	t.Errorf("in %d tries none arrived whole and in order; the last: %v", tries, last)
}

// segmentsArrive: a Datagram with a Segment arrives as single packets, with
// and without offload and batches at either end, whatever was merged between.
func segmentsArrive(t *testing.T, k link) {
	ways := []struct {
		name string
		o    transport.SocketOptions
	}{
		{"offload", transport.SocketOptions{}},
		{"no offload", transport.SocketOptions{NoOffload: true}},
		{"no batch", transport.SocketOptions{NoBatch: true}},
	}
	// Two segmented buffers around plain ones, more segments than one system
	// call may carry (64 on older kernels), and a Segment longer than B.
	sizes := slices.Concat(slices.Repeat([]int{1000}, 20), []int{333, 500}, slices.Repeat([]int{600}, 5),
		slices.Repeat([]int{300}, 200), []int{77})
	for _, w := range ways {
		for _, r := range ways {
			g := k.at(0)
			from := k.speaker(t, 0, w.o)
			e := hear(t, k.member(t, 1, g, r.o))
			inOneTry(t, e, sizes, func(try int) {
				ds := []transport.Datagram{
					{B: numbered(try, 0, 21, 1000, 333), Segment: 1000, Addr: g},
					{B: numbered(try, 21, 1, 500, 0), Addr: g},
					{B: numbered(try, 22, 5, 600, 0), Segment: 600, Addr: g},
					{B: numbered(try, 27, 200, 300, 0), Segment: 300, Addr: g},
					{B: numbered(try, 227, 1, 77, 0), Segment: 900, Addr: g},
				}
				if n, err := from.WriteBatch(ds); n != len(ds) || err != nil {
					t.Fatalf("sender %s: WriteBatch = %d, %v; want %d, nil", w.name, n, err, len(ds))
				}
			})
			if t.Failed() {
				t.Fatalf("sender with %s, receiver with %s", w.name, r.name)
			}
			if w.o.NoOffload && from.Info().SegmentOffload || r.o.NoOffload && e.conn.Info().ReceiveOffload {
				t.Error("NoOffload was asked for, and Info says that there is offload")
			}
			from.Close()
			e.conn.Close()
		}
	}
}

// batchKeepsOrder: a batch of single datagrams arrives in order.
func batchKeepsOrder(t *testing.T, k link) {
	g := k.at(0)
	from := k.speaker(t, 0, transport.SocketOptions{})
	e := hear(t, k.member(t, 1, g, transport.SocketOptions{}))
	const count = 150 // more than any implementation's own arrays to begin with
	sizes := make([]int, count)
	for i := range sizes {
		sizes[i] = 40 + i
	}
	inOneTry(t, e, sizes, func(try int) {
		ds := make([]transport.Datagram, count)
		for i := range ds {
			ds[i] = transport.Datagram{B: numbered(try, i, 1, sizes[i], 0), Addr: g}
		}
		if n, err := from.WriteBatch(ds); n != count || err != nil {
			t.Fatalf("WriteBatch = %d, %v; want %d, nil", n, err, count)
		}
	})
}

// longArrivesWhole: a datagram longer than the link's packets arrives whole,
// with the segments of a Datagram no exception.
func longArrivesWhole(t *testing.T, k link) {
	from := k.speaker(t, 0, transport.SocketOptions{})
	e := hear(t, k.member(t, 1, k.at(0), transport.SocketOptions{}))
	inOneTry(t, e, []int{8000}, func(try int) {
		say(t, from, k.at(0), string(numbered(try, 0, 1, 8000, 0)))
	})
	inOneTry(t, e, []int{4000, 4000, 1000, 1000}, func(try int) {
		ds := []transport.Datagram{
			{B: numbered(try, 0, 2, 4000, 0), Segment: 4000, Addr: k.at(0)},
			{B: numbered(try, 2, 2, 1000, 0), Segment: 1000, Addr: k.at(0)},
		}
		if n, err := from.WriteBatch(ds); n != len(ds) || err != nil {
			t.Fatalf("WriteBatch = %d, %v; want %d, nil", n, err, len(ds))
		}
	})
}

// tooLongRefused: what no UDP datagram can hold is refused by name, what stood
// before it is sent, and the socket goes on.
func tooLongRefused(t *testing.T, k link) {
	g := k.at(0)
	from := k.speaker(t, 0, transport.SocketOptions{})
	e := hear(t, k.member(t, 1, g, transport.SocketOptions{}))
	reach(t, func() {
		n, err := from.WriteBatch([]transport.Datagram{
			{B: []byte("first"), Addr: g}, {B: make([]byte, 70000), Addr: g}, {B: []byte("third"), Addr: g},
		})
		if n != 1 {
			t.Fatalf("WriteBatch sent %d; want the 1 before the long one", n)
		}
		wantCode(t, "WriteBatch of 70000 bytes", err, transport.WSAEMSGSIZE)
	}, "first", e)
	heard := reach(t, func() { say(t, from, g, "fourth") }, "fourth", e)
	only(t, "the member", heard[0], "first", "fourth")
}

// shortRoomCuts: a datagram longer than its room is cut, and the next one is
// whole again.
func shortRoomCuts(t *testing.T, k link) {
	from, c := k.speaker(t, 0, transport.SocketOptions{}), k.member(t, 1, k.at(0), transport.SocketOptions{NoOffload: true})
	long := string(bytes.Repeat([]byte("long"), 250))
	say(t, from, k.at(0), long, "short")
	type read struct {
		b   []byte
		err error
	}
	reads := make(chan read, 2)
	go func() {
		for range 2 {
			ds := []transport.Datagram{{B: make([]byte, 100)}}
			n, err := c.ReadBatch(ds)
			if err == nil && n != 1 {
				err = fmt.Errorf("ReadBatch filled %d elements of 1", n)
			}
			reads <- read{ds[0].B, err}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { c.Close() })
	for i, want := range []string{long[:100], "short"} {
		r, ok := within(reads)
		if !ok || r.err != nil || string(r.b) != want {
			t.Fatalf("read %d: %q, %v, in time %v; want %q", i, short(r.b), r.err, ok, want)
		}
	}
}
