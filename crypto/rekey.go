package crypto

import (
	"encoding/binary"
	"iter"
	"slices"
)

// A part of a rekey, the body of a packet of KindRekey. The head and n of m are
// the same epoch's in every part; the lists are cut into parts, all in rising
// order. Nothing in it is secret but what the wraps hold.
//
//	 0   8  epoch that it leads to; the members' is the one before
//	 8  32  roster hash of that epoch
//	40  16  confirm of that epoch
//	56   1  how: 1 the join step, 2 fresh
//	57   1  height of the tree from then on, at most 20
//	58   2  this part, from 0
//	60   2  parts, at least 1
//	62   2  leaves removed, in this part
//	64   2  leaves added, in this part
//	66   2  wraps, in this part
//	68   n  removed: leaf u32 each
//	     n  added: leaf u32 each
//	     n  wraps: node u32, then a secret wrapped under its key, 48 bytes (suite 2: 60)
//	    64  the root's signature as "rekey"
//
// A wrap under the key of node n holds the path secret of the node above n;
// under the top's it holds the commit secret.
const (
	rekeyHead = 68

	howStep  = 1
	howFresh = 2
)

// MaxRekey is the longest part of a rekey, in bytes: it fits a packet anywhere.
const MaxRekey = 1100

// rekey is a part as it was parsed; lists alias the body.
type rekey struct {
	number         uint64
	roster         [32]byte
	confirm        [16]byte
	fresh          bool
	height         int
	part, count    uint16
	removed, added []byte
	wraps          []byte
}

// appendHead appends what comes before the lists.
func (r *rekey) appendHead(b []byte, wrapSize int) []byte {
	b = binary.BigEndian.AppendUint64(b, r.number)
	b = append(b, r.roster[:]...)
	b = append(b, r.confirm[:]...)
	how := byte(howStep)
	if r.fresh {
		how = howFresh
	}
	b = append(b, how, byte(r.height))
	b = binary.BigEndian.AppendUint16(b, r.part)
	b = binary.BigEndian.AppendUint16(b, r.count)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.removed)/4))
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.added)/4))
	return binary.BigEndian.AppendUint16(b, uint16(len(r.wraps)/(4+wrapSize)))
}

// append appends the part without its signature.
func (r *rekey) append(b []byte, s Suite) []byte {
	b = r.appendHead(b, s.wrapSize())
	return append(append(append(b, r.removed...), r.added...), r.wraps...)
}

// RekeyIsFresh says of a rekey that [Path.Rekey] has taken whether the epoch comes
// from new randomness: somebody left, or time passed.
func RekeyIsFresh(body []byte) bool { return len(body) > 56 && body[56] == howFresh }

// parse reads what append wrote and holds it to every rule of its own.
func (r *rekey) parse(b []byte, s Suite) bool {
	if len(b) < rekeyHead || len(b) > MaxRekey {
		return false
	}
	r.number = binary.BigEndian.Uint64(b)
	copy(r.roster[:], b[8:])
	copy(r.confirm[:], b[40:])
	how := b[56]
	r.fresh, r.height = how == howFresh, int(b[57])
	r.part, r.count = binary.BigEndian.Uint16(b[58:]), binary.BigEndian.Uint16(b[60:])
	if r.number == 0 || how != howStep && how != howFresh || r.height > maxHeight || r.part >= r.count {
		return false
	}
	wrap := 4 + s.wrapSize()
	removed := 4 * int(binary.BigEndian.Uint16(b[62:]))
	added := 4 * int(binary.BigEndian.Uint16(b[64:]))
	wraps := wrap * int(binary.BigEndian.Uint16(b[66:]))
	rest := b[rekeyHead:]
	if removed+added+wraps != len(rest) || !r.fresh && removed+wraps > 0 {
		return false
	}
	r.removed, r.added, r.wraps = rest[:removed], rest[removed:removed+added], rest[removed+added:]
	return rising(r.removed, 4, MaxLeaves) && rising(r.added, 4, 1<<r.height) && rising(r.wraps, wrap, 2<<r.height-1)
}

// rising reports whether items of a size begin with numbers below limit that
// rise.
func rising(b []byte, size int, limit uint32) bool {
	for last := int64(-1); len(b) > 0; b = b[size:] {
		n := binary.BigEndian.Uint32(b)
		if int64(n) <= last || n >= limit {
			return false
		}
		last = int64(n)
	}
	return true
}

// numbers gives the numbers that the items of a list begin with.
func numbers(b []byte, size int) iter.Seq2[uint32, []byte] {
	return func(yield func(uint32, []byte) bool) {
		for ; len(b) > 0; b = b[size:] {
			if !yield(binary.BigEndian.Uint32(b), b[4:size]) {
				return
			}
		}
	}
}

func appendLeaves(b []byte, leaves []uint32) []byte {
	for _, leaf := range leaves {
		b = binary.BigEndian.AppendUint32(b, leaf)
	}
	return b
}

// parts cuts r, whose wraps are complete, into signed parts.
func (r *rekey) parts(a *Author, s Suite, removed, added []uint32) [][]byte {
	lists := [3][]byte{appendLeaves(nil, removed), appendLeaves(nil, added), r.wraps}
	sizes := [3]int{4, 4, 4 + s.wrapSize()}
	var cut []rekey
	for len(cut) == 0 || len(lists[0])+len(lists[1])+len(lists[2]) > 0 {
		room := MaxRekey - rekeyHead - signatureSize
		var got [3][]byte
		for i := range lists {
			n := min(len(lists[i]), room/sizes[i]*sizes[i])
			got[i], lists[i] = lists[i][:n], lists[i][n:]
			room -= n
		}
		part := *r
		part.removed, part.added, part.wraps = got[0], got[1], got[2]
		part.part = uint16(len(cut))
		cut = append(cut, part)
	}
	bodies := make([][]byte, 0, len(cut))
	for i := range cut {
		cut[i].count = uint16(len(cut))
		b := cut[i].append(make([]byte, 0, MaxRekey), s)
		bodies = append(bodies, slices.Clip(a.sign(b, signRekey, 0)))
	}
	return bodies
}
