package session

import (
	"encoding/binary"
	"math"

	"github.com/joinleaf/joinleaf/transport/flow"
)

// The messages of the hidden stream, by which the sequencer tells the order.
// They are messages of a reliable stream, no frames, so their types are a space
// of their own; ORDER has the number that frames leave free for it.
//
//	ORDER  type 1 = 7 | at 8 | { sender varint | stream varint | first varint | run varint } ...
//	VIEW   type 1 = 8 | flags 1 | at 8 | { member 4 } ...
//
//	at      place in the order of what comes next; the first message has place 1
//	first   number of a message of that sender and stream
//	run     how many messages from it on come next in the order; 0: none, but all
//	        that come before it had their place, or will have none
//	flags   bit 0: the list begins here, bit 1: it ends here; others zero
//	member  who is in from here on, in the order in which they came in
//
// Varints are in their shortest form. An ORDER without runs only marks a place.
// Runs of 0 let who was not sent a stretch of the order find out how far it is
// behind; to all others they say nothing new.
// A list too long for one message goes on in the next.
const (
	orderRuns = 7
	orderView = 8

	viewBegins = 1
	viewEnds   = 2

	runsHead  = 9
	viewHead  = 10
	mostRun   = 5 + 2 + 10 + 10 // bytes of a run at most
	leastRoom = 64              // bytes that every message of the hidden stream may have

	lastPlace = math.MaxInt64
)

// run is a stretch of the order: messages of one sender and stream.
type run struct {
	sender uint32
	stream flow.Stream
	first  uint64
	n      uint64
}

// AppendOrder begins an ORDER whose first run has that place.
func AppendOrder(b []byte, at uint64) []byte {
	return binary.BigEndian.AppendUint64(append(b, orderRuns), at)
}

// AppendRun adds a run to an ORDER.
func AppendRun(b []byte, sender uint32, stream flow.Stream, first, n uint64) []byte {
	b = binary.AppendUvarint(b, uint64(sender))
	b = binary.AppendUvarint(b, uint64(stream))
	b = binary.AppendUvarint(b, first)
	return binary.AppendUvarint(b, n)
}

// ParseOrder checks a whole ORDER and gives its place and its runs, which
// ParseRun reads one by one.
func ParseOrder(b []byte) (at uint64, runs []byte, ok bool) {
	if len(b) < runsHead || b[0] != orderRuns {
		return 0, nil, false
	}
	at = binary.BigEndian.Uint64(b[1:])
	if at == 0 || at > lastPlace {
		return 0, nil, false
	}
	end := at
	for rest := b[runsHead:]; len(rest) > 0; {
		_, _, _, n, size := ParseRun(rest)
		if size == 0 || n > lastPlace-end {
			return 0, nil, false
		}
		end, rest = end+n, rest[size:]
	}
	return at, b[runsHead:], true
}

// ParseRun reads the run that b begins with; size 0: there is none that
// AppendRun would write for a member.
func ParseRun(b []byte) (sender uint32, stream flow.Stream, first, n uint64, size int) {
	var v [4]uint64
	for i := range v {
		x, k := binary.Uvarint(b[size:])
		if k <= 0 || k > 1 && b[size+k-1] == 0 {
			return 0, 0, 0, 0, 0
		}
		v[i], size = x, size+k
	}
	if v[0] == 0 || v[0] > math.MaxUint32 || v[1] >= flow.MaxStreams || v[2] > lastPlace || v[3] > lastPlace-v[2] {
		return 0, 0, 0, 0, 0
	}
	return uint32(v[0]), flow.Stream(v[1]), v[2], v[3], size
}

// AppendView appends one part of a VIEW.
func AppendView(b []byte, at uint64, members []uint32, begins, ends bool) []byte {
	b = append(b, orderView, 0)
	if begins {
		b[len(b)-1] |= viewBegins
	}
	if ends {
		b[len(b)-1] |= viewEnds
	}
	b = binary.BigEndian.AppendUint64(b, at)
	for _, id := range members {
		b = binary.BigEndian.AppendUint32(b, id)
	}
	return b
}

// ParseView reads one part of a VIEW and adds its members to list.
func ParseView(b []byte, list []uint32) (at uint64, members []uint32, begins, ends, ok bool) {
	if len(b) <= viewHead || b[0] != orderView || b[1] > viewBegins|viewEnds || len(b)%4 != viewHead%4 {
		return 0, list, false, false, false
	}
	at = binary.BigEndian.Uint64(b[2:])
	if at == 0 || at > lastPlace {
		return 0, list, false, false, false
	}
	for i := viewHead; i < len(b); i += 4 {
		if binary.BigEndian.Uint32(b[i:]) == 0 {
			return 0, list, false, false, false
		}
	}
	for i := viewHead; i < len(b); i += 4 {
		list = append(list, binary.BigEndian.Uint32(b[i:]))
	}
	return at, list, b[1]&viewBegins != 0, b[1]&viewEnds != 0, true
}
