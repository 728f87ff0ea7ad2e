package door

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// socketInput hears datagrams: a reader goroutine puts them into a fifo.
type socketInput struct {
	e        *Endpoint
	c        transport.PacketConn
	q        *fifo
	begun    atomic.Bool
	overflow atomic.Uint64 // what the kernel dropped since Start
	done     chan struct{} // closed when the reader has ended
}

func (h House) openSocketInput(ctx context.Context, e *Endpoint) (Input, error) {
	c, err := h.open(ctx, e, In)
	if err != nil {
		return nil, err
	}
	s := &socketInput{e: e, c: c, q: newFIFO(e.FIFO), done: make(chan struct{})}
	go s.read()
	return s, nil
}

// read ends when the socket is closed or fails.
func (s *socketInput) read() {
	defer close(s.done)
	ds := make([]transport.Datagram, 16)
	room := make([][]byte, len(ds))
	for i := range room {
		room[i] = make([]byte, 1<<16)
	}
	var seen overflow
	for {
		for i := range ds {
			ds[i] = transport.Datagram{B: room[i]}
		}
		n, err := s.c.ReadBatch(ds)
		if err != nil {
			s.q.close(err)
			return
		}
		now := time.Now()
		for _, d := range ds[:n] {
			lost := seen.step(d.Overflow)
			if !s.begun.Load() || !s.wanted(d.Addr.Addr().Unmap()) {
				continue
			}
			s.overflow.Add(lost)
			s.split(now, d)
		}
	}
}

// overflow turns the kernel's running count into steps. The first is where the
// count stands, and no loss of ours.
type overflow struct {
	last  uint32
	begun bool
}

func (o *overflow) step(count uint32) uint64 {
	lost := count - o.last // wraps as the kernel's count does
	if !o.begun {
		lost = 0
	}
	o.last, o.begun = count, true
	return uint64(lost)
}

// split takes apart what the kernel merged.
func (s *socketInput) split(now time.Time, d transport.Datagram) {
	if d.Segment <= 0 {
		s.q.put(now, d.B)
		return
	}
	for b := range slices.Chunk(d.B, d.Segment) {
		s.q.put(now, b)
	}
}

// wanted applies sources= and block=. One source alone is the kernel's work
// already, checked all the same.
func (s *socketInput) wanted(from netip.Addr) bool {
	return (len(s.e.Sources) == 0 || slices.Contains(s.e.Sources, from)) && !slices.Contains(s.e.Block, from)
}

func (s *socketInput) Next(ctx context.Context, p []byte) (int, Cut, error) {
	n, at, more, err := s.q.get(ctx, p, s.e.Timeout)
	switch {
	case err == nil:
		return n, Cut{At: at, More: more}, nil
	case s.e.Timeout > 0 && errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil:
		return 0, Cut{}, io.EOF // silent for timeout=: it has ended
	}
	return 0, Cut{}, err
}

func (s *socketInput) Start() {
	s.q.clear()
	s.begun.Store(true)
}

func (s *socketInput) About() About { return About{Size: -1, Datagrams: true} }

func (s *socketInput) Dropped() uint64 {
	s.q.mu.Lock()
	defer s.q.mu.Unlock()
	return s.overflow.Load() + s.q.dropped
}

func (s *socketInput) Close() error {
	err := s.c.Close()
	<-s.done
	return err
}
