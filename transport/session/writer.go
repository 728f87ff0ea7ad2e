package session

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// hashedOnce is how many frames are hashed together before they are sealed: as many
// as crypto.HashSymbols takes at once, of 1.4 KB, are still in the nearest cache then.
const hashedOnce = 16

// writer seals into one buffer and writes it. Data and feedback share it: the
// socket takes one writer at a time.
type writer struct {
	mu   sync.Mutex // packets are sealed, and leave, one after the other
	s    *Session
	own  job
	pipe pipeline
	of   [hashedOnce]Symbol

	alone   uint64 // packets under the group's key that were for one member alone
	pathsMu sync.Mutex
	paths   [2]PathStats // of packets to the group
	sent    atomic.Uint64
}

func (w *writer) init(s *Session) {
	w.s, w.own.buf = s, make([]byte, 0, 64<<10)
	w.pipe.init()
}

// send seals frames for one member alone, all of one length but the last, under its
// key or the group's (0), and writes them to dst with one call. It returns the packets
// and bytes.
func (w *writer) send(dst netip.AddrPort, key uint32, frames [][]byte) (packets, bytes int, err error) {
	return w.sendAs(kindData, dst, key, true, frames, nil)
}

// sendAs is send for packets of any kind, for one member alone or for all whom this
// one's data goes to. Where hashes has room it takes those of the frames, made while
// they are in the cache.
func (w *writer) sendAs(kind uint8, dst netip.AddrPort, key uint32, alone bool, frames [][]byte, hashes []Hash) (packets, bytes int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	j, err := w.next()
	if err != nil {
		return 0, 0, err
	}
	buf := j.buf[:0]
	for i := 0; i < len(frames); i += hashedOnce {
		fs := frames[i:min(i+hashedOnce, len(frames))]
		if hashes != nil {
			w.hash(hashes[i:], fs)
		}
		if buf, err = w.seal(buf, kind, key, alone, fs); err != nil {
			return 0, 0, err
		}
	}
	d := transport.Datagram{B: buf, Addr: dst}
	if len(frames) > 1 {
		d.Segment = w.s.c.Sealer.Overhead() + len(frames[0])
	}
	j.ds[0], j.n, j.frames, j.group = d, 1, len(frames), dst == w.s.c.GroupAddr
	if err := w.hand(j, len(buf) > fastBytes); err != nil {
		return 0, 0, err
	}
	w.sent.Add(uint64(len(frames)))
	return len(frames), len(buf), nil
}

func (w *writer) hash(dst []Hash, frames [][]byte) {
	for i, f := range frames {
		w.of[i].Stream, w.of[i].Seq, w.of[i].Bytes, _ = flow.SymbolOf(f)
	}
	w.s.c.Hashes(dst[:len(frames)], w.of[:len(frames)])
}

// sendEach is sendAs for frames of any lengths, at most manifestsOnce: one datagram
// each.
func (w *writer) sendEach(kind uint8, dst netip.AddrPort, key uint32, frames [][]byte) (packets, bytes int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	j, err := w.next()
	if err != nil {
		return 0, 0, err
	}
	buf := j.buf[:0]
	for i := range frames {
		from := len(buf)
		if buf, err = w.seal(buf, kind, key, dst != w.s.c.GroupAddr, frames[i:i+1]); err != nil {
			return 0, 0, err
		}
		j.ds[i] = transport.Datagram{B: buf[from:], Addr: dst}
	}
	j.buf, j.n, j.frames, j.group = buf[:0], len(frames), len(frames), dst == w.s.c.GroupAddr // it may have grown
	if err := w.hand(j, false); err != nil {
		return 0, 0, err
	}
	return len(frames), len(buf), nil
}

// write hands a job to the system.
func (w *writer) write(j *job) error {
	_, err := w.s.c.Unicast.WriteBatch(j.ds[:j.n])
	if j.group {
		err = w.both(j.ds[:j.n], j.frames, err)
	}
	return err
}

// both sends what has gone to the group, or was refused, on the second path as
// well. One of the two is enough.
func (w *writer) both(ds []transport.Datagram, packets int, first error) error {
	w.count(0, packets, first)
	if w.s.c.SecondUnicast == nil {
		return first
	}
	for i := range ds {
		ds[i].Addr = w.s.c.SecondAddr
	}
	_, second := w.s.c.SecondUnicast.WriteBatch(ds)
	w.count(1, packets, second)
	if second == nil {
		return nil
	}
	return first
}

func (w *writer) count(path, packets int, err error) {
	w.pathsMu.Lock()
	defer w.pathsMu.Unlock()
	if p := &w.paths[path]; err != nil {
		p.Refused += uint64(packets)
	} else {
		p.Sent += uint64(packets)
	}
}

func (w *writer) counts() [2]PathStats {
	w.pathsMu.Lock()
	defer w.pathsMu.Unlock()
	return w.paths
}
