package door

import (
	"context"
	"errors"
	"io"
	"time"
)

// stream reads a pipe through a pump, so that waiting for bytes can be stopped
// although the system's read cannot.
type stream struct {
	closer io.Closer // may be nil: stdin is not ours to close
	full   chan chunk
	free   chan []byte
	done   chan struct{} // closed by Close

	begun  bool
	ts     bool
	carry  [tsPacket]byte // the beginning of a transport packet that is not all there
	carryN int
	err    error
}

type chunk struct {
	b   []byte
	n   int
	at  time.Time
	err error
}

// A chunk is whole datagrams of transport stream, when it is full.
const chunkSize = 49 * DefaultPacketSize

func newStream(r io.Reader, c io.Closer) *stream {
	s := &stream{closer: c, full: make(chan chunk, 2), free: make(chan []byte, 2), done: make(chan struct{})}
	s.free <- make([]byte, chunkSize)
	s.free <- make([]byte, chunkSize)
	go s.pump(r)
	return s
}

// pump reads until the stream ends or Close.
func (s *stream) pump(r io.Reader) {
	for {
		var b []byte
		select {
		case b = <-s.free:
		case <-s.done:
			return
		}
		n, err := r.Read(b)
		s.full <- chunk{b, n, time.Now(), err} // never blocks: two buffers, two places
		if err != nil {
			return
		}
	}
}

// Next gives what one read brought, as whole transport packets where it is a
// transport stream. p must hold a chunk and a packet.
func (s *stream) Next(ctx context.Context, p []byte) (int, Cut, error) {
	for ctx.Err() == nil {
		if s.err != nil {
			return s.last(p)
		}
		var c chunk
		select {
		case c = <-s.full:
		case <-ctx.Done():
			return 0, Cut{}, context.Cause(ctx)
		}
		n := copy(p, s.carry[:s.carryN])
		s.carryN = 0
		n += copy(p[n:], c.b[:c.n])
		s.free <- c.b
		s.err = c.err
		if !s.begun && n > 0 {
			s.begun, s.ts = true, p[0] == tsSync
		}
		if s.ts {
			whole := n / tsPacket * tsPacket
			s.carryN = copy(s.carry[:], p[whole:n])
			n = whole
		}
		if n > 0 {
			return n, Cut{At: c.at, More: len(s.full) > 0}, nil
		}
	}
	return 0, Cut{}, context.Cause(ctx)
}

// last gives the half packet that the stream ended in, then its end.
func (s *stream) last(p []byte) (int, Cut, error) {
	n := copy(p, s.carry[:s.carryN])
	s.carryN = 0
	switch {
	case n > 0:
		return n, Cut{}, nil
	case errors.Is(s.err, io.EOF):
		return 0, Cut{}, io.EOF
	}
	return 0, Cut{}, fileError("read", "the input", s.err)
}

func (s *stream) Start()          {}
func (s *stream) About() About    { return About{Size: -1} }
func (s *stream) Dropped() uint64 { return 0 }

// Close stops the pump at its next turn.
func (s *stream) Close() error {
	close(s.done)
	if s.closer != nil {
		return s.closer.Close()
	}
	return nil
}
