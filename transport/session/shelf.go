package session

import "encoding/binary"

// shelf is a queue of byte strings in one piece of memory, which it keeps: at
// most twice what was in it at once. It allocates only to grow.
type shelf struct {
	b    []byte // { length 4 | bytes } ...
	from int    // the first one
	n    int
}

// put adds a copy of p.
func (q *shelf) put(p []byte) {
	if q.from > 0 && (q.n == 0 || q.from >= len(q.b)/2 && len(q.b)+4+len(p) > cap(q.b)) {
		q.b = q.b[:copy(q.b, q.b[q.from:])]
		q.from = 0
	}
	q.b = append(binary.BigEndian.AppendUint32(q.b, uint32(len(p))), p...)
	q.n++
}

// first is the oldest, valid until the next put; only if n > 0.
func (q *shelf) first() []byte {
	size := int(binary.BigEndian.Uint32(q.b[q.from:]))
	return q.b[q.from+4 : q.from+4+size]
}

// drop removes the oldest.
func (q *shelf) drop() {
	q.from += 4 + len(q.first())
	if q.n--; q.n == 0 {
		q.b, q.from = q.b[:0], 0
	}
}

// bytes is how much is in it.
func (q *shelf) bytes() int { return len(q.b) - q.from }
