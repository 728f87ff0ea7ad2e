package flow

import "encoding/binary"

// A NOTE says which repair is coming, so that members who lack no more than
// that need not ask (RFC 3208 calls its like an NCF).
//
//	type 1 | n 1 | stream 2 | n x {first 6 | n 2 | geom 1 | D x {need 1}}
//
//	n     blocks
//	geom  as in PARITY
//	need  per column, how many symbols some member was heard to lack
type note struct {
	stream Stream
	blocks []byte // checked by parseNote
}

// noteBlock is one block of a NOTE.
type noteBlock struct {
	first      uint64
	n          int
	interleave uint8
	class      Class
	need       []byte
}

const (
	noteHead  = 4
	noteEntry = 9
	mostNotes = 16
)

func appendNoteHead(b []byte, st Stream, n int) []byte {
	return binary.BigEndian.AppendUint16(append(b, frameNote, byte(n)), st)
}

func appendNoteBlock(b []byte, f *noteBlock) []byte {
	b = binary.BigEndian.AppendUint16(append48(b, f.first), uint16(f.n))
	return append(append(b, geometry(f.interleave, f.class, false)), f.need...)
}

func parseNote(b []byte, f *note) bool {
	if len(b) <= noteHead || b[0] != frameNote || b[1] == 0 || b[1] > mostNotes {
		return false
	}
	f.stream = binary.BigEndian.Uint16(b[2:])
	f.blocks = b[noteHead:]
	var k noteBlock
	rest := f.blocks
	for range b[1] {
		size := nextNote(rest, &k)
		if size == 0 {
			return false
		}
		rest = rest[size:]
	}
	return len(rest) == 0
}

// nextNote reads one block; 0: it is broken.
func nextNote(b []byte, k *noteBlock) (size int) {
	if len(b) < noteEntry || b[8]&7 != 0 || b[8]>>5 > 4 {
		return 0
	}
	k.first, k.n = get48(b), int(binary.BigEndian.Uint16(b[6:]))
	k.interleave, k.class = b[8]>>5, Class(b[8]>>3&3)
	size = noteEntry + 1<<k.interleave
	if len(b) < size || k.n == 0 || k.n > blockSize<<k.interleave || k.first+uint64(k.n) > seqMax {
		return 0
	}
	k.need = b[noteEntry:size]
	return size
}
