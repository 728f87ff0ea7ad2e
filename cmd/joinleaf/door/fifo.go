package door

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"time"
)

// fifo holds datagrams between the socket's reader and Next, in one ring of
// bytes. It is bounded: when it is full the newest datagram is dropped and
// counted, and the input goes on (an overrun is never fatal).
type fifo struct {
	ready chan struct{} // capacity 1: "look again"

	mu      sync.Mutex
	ring    []byte
	at      int // of the oldest datagram
	used    int // bytes
	dropped uint64
	err     error // no more will come
}

// Each datagram stands in the ring as length(4) nanoseconds(8) bytes.
const fifoHead = 12

func newFIFO(size int) *fifo {
	return &fifo{ready: make(chan struct{}, 1), ring: make([]byte, max(size, maxDatagram+fifoHead))}
}

// put adds one datagram that came in at time at.
func (f *fifo) put(at time.Time, b []byte) {
	var head [fifoHead]byte
	binary.BigEndian.PutUint32(head[:], uint32(len(b)))
	binary.BigEndian.PutUint64(head[4:], uint64(at.UnixNano()))

	f.mu.Lock()
	switch {
	case f.err != nil:
	case f.used+fifoHead+len(b) > len(f.ring):
		f.dropped++
	default:
		f.write(head[:])
		f.write(b)
	}
	f.mu.Unlock()
	f.wake()
}

// write and read move bytes in and out, around the ring's end.
func (f *fifo) write(b []byte) {
	end := (f.at + f.used) % len(f.ring)
	n := copy(f.ring[end:], b)
	copy(f.ring, b[n:])
	f.used += len(b)
}

func (f *fifo) read(b []byte) {
	n := copy(b, f.ring[f.at:])
	copy(b[n:], f.ring)
	f.at = (f.at + len(b)) % len(f.ring)
	f.used -= len(b)
}

// get takes the oldest datagram into p, waiting for one: until ctx is done, or
// for timeout if that is not zero (os.ErrDeadlineExceeded). more tells that
// another is there already. A datagram longer than p is cut.
func (f *fifo) get(ctx context.Context, p []byte, timeout time.Duration) (n int, at time.Time, more bool, err error) {
	var expired <-chan time.Time
	if timeout > 0 {
		t := time.NewTimer(timeout)
		defer t.Stop()
		expired = t.C
	}
	for ctx.Err() == nil { // first: a fifo that is never empty must not hide it
		if n, at, more, err := f.try(p); err != errEmpty {
			return n, at, more, err
		}
		select {
		case <-f.ready:
		case <-expired:
			return 0, at, false, os.ErrDeadlineExceeded
		case <-ctx.Done():
		}
	}
	return 0, at, false, context.Cause(ctx)
}

var errEmpty = errors.New("nothing there yet")

func (f *fifo) try(p []byte) (n int, at time.Time, more bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.used == 0 {
		if f.err != nil {
			return 0, at, false, f.err
		}
		return 0, at, false, errEmpty
	}
	var head [fifoHead]byte
	f.read(head[:])
	size := int(binary.BigEndian.Uint32(head[:]))
	n = min(size, len(p))
	f.read(p[:n])
	f.at = (f.at + size - n) % len(f.ring)
	f.used -= size - n
	at = time.Unix(0, int64(binary.BigEndian.Uint64(head[4:])))
	return n, at, f.used > 0, nil
}

// clear forgets what is there.
func (f *fifo) clear() {
	f.mu.Lock()
	f.at, f.used = 0, 0
	f.mu.Unlock()
}

// close lets get return err once what is there has been taken.
func (f *fifo) close(err error) {
	f.mu.Lock()
	if f.err == nil {
		f.err = err
	}
	f.mu.Unlock()
	f.wake()
}

func (f *fifo) wake() {
	select {
	case f.ready <- struct{}{}:
	default:
	}
}
