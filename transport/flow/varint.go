package flow

import "encoding/binary"

// Varints are those of encoding/binary, little end first, in their shortest
// form only: what parses re-encodes to the same bytes.

// varintSize is the length of v as a varint.
func varintSize(v uint64) int {
	n := 1
	for v >= 0x80 {
		v >>= 7
		n++
	}
	return n
}

// varint reads one varint; n is 0 when there is none, or a longer form than
// needed.
func varint(b []byte) (v uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	v, n = binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return 0, 0
	}
	return v, n
}

// put48 and get48 carry sequences: 48 bits, 8 years at a million a second.
func put48(b []byte, v uint64) {
	_ = b[5]
	binary.BigEndian.PutUint16(b, uint16(v>>32))
	binary.BigEndian.PutUint32(b[2:], uint32(v))
}

func get48(b []byte) uint64 {
	_ = b[5]
	return uint64(binary.BigEndian.Uint16(b))<<32 | uint64(binary.BigEndian.Uint32(b[2:]))
}

func append48(b []byte, v uint64) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, uint16(v>>32)), uint32(v))
}
