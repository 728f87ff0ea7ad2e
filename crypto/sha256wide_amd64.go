package crypto

import (
	"crypto/fips140"
	"encoding/binary"

	"golang.org/x/sys/cpu"
)

// lanes is how many symbols are hashed at once at most.
const lanes = 16

// sha256Blocks16 takes n blocks of 64 bytes from each of sixteen places into the
// state of that lane; n is at least 1.
//
//go:noescape
func sha256Blocks16(state *[8][lanes]uint32, at *[lanes]*byte, n int)

// wide says whether sixteen symbols are hashed at once. Package cpu has asked the
// processor and, by XGETBV, whether the system keeps these registers: without
// that it reports no AVX-512. In FIPS 140-3 mode Go's own module hashes.
var wide = cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && !fips140.Enabled()

// wideLeast symbols take less time at once than two by two: measured on Zen 5,
// which works on 512 bits at a time. Where that takes two goes it is some more.
const wideLeast = 7

// wideStart is the initial hash value (FIPS 180-4, 5.3.3), in every lane.
var wideStart = func() (s [8][lanes]uint32) {
	for i, word := range [8]uint32{
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	} {
		for lane := range lanes {
			s[i][lane] = word
		}
	}
	return s
}()

// wideRoom is what hashing sixteen symbols needs beside them.
type wideRoom struct {
	sums [8][lanes]uint32
	ends [lanes][64 * endBlocks]byte
}

// endBlocks of a message are made here: its first, which has more in it than the
// symbol, and its last two, as the padding may take two.
const endBlocks = 3

// hashWide hashes up to sixteen symbols, all of so many blocks. Lanes that nobody
// needs do the first one's work once more.
func (w *wideRoom) hashWide(dst []SymbolHash, of []SymbolText, blocks int) {
	var first, between, last [lanes]*byte
	for i := range lanes {
		if i >= len(of) {
			first[i], between[i], last[i] = first[0], between[0], last[0]
			continue
		}
		e := &w.ends[i]
		endsOf(e, &of[i], blocks)
		first[i], last[i] = &e[0], &e[64]
		if blocks > endBlocks {
			between[i] = &of[i].Bytes[headBytes]
		}
	}
	w.sums = wideStart
	if blocks <= endBlocks {
		sha256Blocks16(&w.sums, &first, blocks)
	} else {
		sha256Blocks16(&w.sums, &first, 1)
		sha256Blocks16(&w.sums, &between, blocks-endBlocks)
		sha256Blocks16(&w.sums, &last, endBlocks-1)
	}
	for i := range dst {
		h, lane := &dst[i], i%lanes
		binary.BigEndian.PutUint32(h[0:], w.sums[0][lane])
		binary.BigEndian.PutUint32(h[4:], w.sums[1][lane])
		binary.BigEndian.PutUint32(h[8:], w.sums[2][lane])
		binary.BigEndian.PutUint32(h[12:], w.sums[3][lane])
	}
}

// endsOf makes the blocks of a message that are not read in place.
func endsOf(e *[64 * endBlocks]byte, s *SymbolText, blocks int) {
	binary.BigEndian.PutUint16(e[:], s.Stream)
	binary.BigEndian.PutUint64(e[2:], s.Seq)
	n := 10
	if blocks <= endBlocks {
		n += copy(e[n:], s.Bytes)
	} else {
		copy(e[10:64], s.Bytes[:headBytes])
		n = 64 + copy(e[64:], s.Bytes[headBytes+64*(blocks-endBlocks):])
	}
	end := e[n : 64*min(blocks, endBlocks)]
	clear(end)
	end[0] = 0x80
	binary.BigEndian.PutUint64(end[len(end)-8:], uint64(10+len(s.Bytes))*8)
}
