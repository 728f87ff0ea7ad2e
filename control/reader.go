package control

import "io"

// Reader takes a control connection's bytes apart into frames. It holds at
// most one frame, no more of it in memory than has arrived (doubled), and
// between frames no more than 4 KiB: ten thousand idle connections stay cheap
// and one that announces a megabyte and sends a byte a second costs a byte.
//
// Not for concurrent use: the goroutine that calls Next calls Raise.
type Reader struct {
	r     io.Reader
	limit int
	buf   []byte
}

const readChunk = 4 << 10

// NewReader reads frames up to MaxFrameBefore from r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r, limit: MaxFrameBefore} }

// Raise sets the limit to MaxFrame. A leaf's reader does so when a WELCOME
// passes. A root's need not: nothing a leaf sends is longer than a JOIN.
func (r *Reader) Raise() { r.limit = MaxFrame }

// Next returns the next whole frame, valid until the next call. A length of
// zero or above the limit is FaultLength, before anything is allocated. io.EOF
// means that the connection ended between two frames.
func (r *Reader) Next() ([]byte, error) {
	if cap(r.buf) != readChunk {
		r.buf = make([]byte, readChunk)
	}
	b := r.buf[:4]
	if _, err := io.ReadFull(r.r, b); err != nil {
		return nil, err
	}
	s := scan{rest: b}
	n := s.u32()
	if n == 0 || n > uint32(r.limit) {
		return nil, FaultLength
	}
	want := 4 + int(n)
	for len(b) < want {
		if len(b) == cap(b) {
			bigger := make([]byte, len(b), min(2*len(b), want))
			copy(bigger, b)
			b = bigger
		}
		have := len(b)
		b = b[:min(cap(b), want)]
		if _, err := io.ReadFull(r.r, b[have:]); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	r.buf = b
	return b, nil
}
