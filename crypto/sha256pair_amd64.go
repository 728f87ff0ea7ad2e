package crypto

import (
	"crypto/fips140"
	"encoding/binary"

	"golang.org/x/sys/cpu"
)

// sha256Blocks2 takes n blocks of 64 bytes from p into state a and as many from q
// into b; n is at least 1.
//
//go:noescape
func sha256Blocks2(a, b *[8]uint32, p, q *byte, n int)

// hasSHA reports whether the processor has the SHA instructions.
func hasSHA() bool

// pairs says whether two symbols are hashed at once. In FIPS 140-3 mode
// Go's own module hashes.
var pairs = cpu.X86.HasSSSE3 && hasSHA() && !fips140.Enabled()

// sha256Start is the initial hash value (FIPS 180-4, 5.3.3) in the order of the
// instructions: f, e, b, a, h, g, d, c.
var sha256Start = [8]uint32{0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667, 0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372}

// pairRoom is what hashing two symbols needs beside them.
type pairRoom struct {
	state [2][8]uint32
	head  [2][64]byte  // of a message: stream, sequence, the first of the symbol
	tail  [2][128]byte // its end, padded
}

// headBytes of a symbol are in a message's first block.
const headBytes = 64 - 10

// hashPair hashes two symbols of one length, which is at least headBytes.
func (w *pairRoom) hashPair(dst *[2]SymbolHash, of *[2]SymbolText) {
	n := len(of[0].Bytes)
	middle := (n - headBytes) / 64
	rest := headBytes + 64*middle
	ends := 1
	if n-rest >= 64-8 {
		ends = 2
	}
	for i := range of {
		s := &of[i]
		w.state[i] = sha256Start
		binary.BigEndian.PutUint16(w.head[i][:], s.Stream)
		binary.BigEndian.PutUint64(w.head[i][2:], s.Seq)
		copy(w.head[i][10:], s.Bytes)
		end := w.tail[i][:64*ends]
		m := copy(end, s.Bytes[rest:n])
		end[m] = 0x80
		clear(end[m+1:])
		binary.BigEndian.PutUint64(end[len(end)-8:], uint64(10+n)*8)
	}
	a, b := &w.state[0], &w.state[1]
	sha256Blocks2(a, b, &w.head[0][0], &w.head[1][0], 1)
	if middle > 0 {
		sha256Blocks2(a, b, &of[0].Bytes[headBytes], &of[1].Bytes[headBytes], middle)
	}
	sha256Blocks2(a, b, &w.tail[0][0], &w.tail[1][0], ends)
	for i := range dst {
		for j, word := range [4]int{3, 2, 7, 6} { // a, b, c, d
			binary.BigEndian.PutUint32(dst[i][4*j:], w.state[i][word])
		}
	}
}
