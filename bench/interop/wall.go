package dtls

import (
	"net"
	"sync"
	"sync/atomic"
)

const maxDatagram = 4096

// wall is a net.PacketConn with the guard in front: what it lets through is what
// the guard of crypto/dtls lets through to version 2.
type wall struct {
	net.PacketConn
	sealed atomic.Bool // a protected record has opened

	mu    sync.Mutex
	guard guard
	drops [Drops]uint64
}

func newWall(inner net.PacketConn, dialler bool) *wall {
	return &wall{PacketConn: inner, guard: guard{dialler: dialler}}
}

// ReadFrom gives the next datagram of which something is left.
func (w *wall) ReadFrom(b []byte) (int, net.Addr, error) {
	var in [maxDatagram]byte
	for {
		n, from, err := w.PacketConn.ReadFrom(in[:])
		if err != nil {
			return 0, nil, err
		}
		if out := w.pass(b[:0], in[:n]); len(out) > 0 {
			return len(out), from, nil
		}
	}
}

// pass appends the records of a datagram that may go through.
func (w *wall) pass(out, datagram []byte) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	for b := datagram; len(b) > 0; {
		r, rest, ok := cutRecord(b)
		if !ok {
			w.drops[RecordMalformed]++
			break
		}
		raw := b[:len(b)-len(rest)]
		b = rest
		if d := w.guard.judge(&r, w.sealed.Load()); d != 0 {
			w.drops[d]++
			continue
		}
		out = append(out, raw...)
	}
	return out
}

func (w *wall) dropped(d Drop) uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.drops[d]
}
