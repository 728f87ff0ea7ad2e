package control

import "encoding/binary"

// From is where in the streams a leaf that comes late wants to begin. The zero
// value is from now on, which is Winsock's rule (R244). It is a wish: what the
// root keeps no more is passed over, and the edges of START tell what is owed.
type From struct {
	Kind FromKind
	N    uint64 // FromNumber: the message's number; FromLast: how many; else 0
}

// FromKind is how From counts. The numbers are flow's, so one converts to the
// other.
type FromKind uint8

// The kinds.
const (
	FromNow    FromKind = 0 // what is sent from now on
	FromOldest FromKind = 1 // everything that is still kept
	FromNumber FromKind = 2 // message N and what follows
	FromLast   FromKind = 3 // the last N messages and what follows
	fromKinds  FromKind = 4
)

// ok reports whether f has a meaning, and one way of writing it alone.
func (f From) ok() bool {
	return f.Kind < fromKinds && (f.N == 0 || f.Kind == FromNumber || f.Kind == FromLast)
}

// Where to begin, at the end of JOIN:
//
//	kind(1) n(8)
func appendFrom(b []byte, f From) []byte {
	return binary.BigEndian.AppendUint64(append(b, byte(f.Kind)), f.N)
}

func (s *scan) from() From {
	f := From{Kind: FromKind(s.u8()), N: s.u64()}
	s.check(f.ok(), FaultValue)
	return f
}
