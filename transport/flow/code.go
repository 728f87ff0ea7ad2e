package flow

import "github.com/klauspost/reedsolomon"

// The code of one column of a block: systematic, 64 places for data and 192
// parity rows, over GF(2^8) with the polynomial 0x11d. Row r is
//
//	          place 0              place 1                   place 63
//	row r:  s0 / ((64+r)^0)  +  s1 / ((64+r)^1)  +  ...  +  s63 / ((64+r)^63)
//
// where + is exclusive or and / divides in the field. The rows' points 64..255
// and the places' points 0..63 have none in common, so this is a Cauchy matrix:
// every square part of it can be inverted, and any m rows give back any m lost
// symbols. The factors are part of the wire format.
//
// Symbols are as long as the session's symbol size. An absent one counts as
// zeros, and so does the tail of one that is handed in shorter.
const (
	codePlaces = 64
	codeRows   = 192
)

// gf is the kernel that multiplies slices: SIMD on amd64 and arm64; elsewhere
// tables, 32 MB of them for the process, made at the first use. Encoder.ReconstructData of the same module inverts 64 x 64 for
// every new pattern of loss and allocates; the solver below does neither.
var gf reedsolomon.LowLevel

// point is where a row stands in the field; a place stands at its own number.
func point(row uint8) uint8 { return codePlaces + row }

// addToRow adds symbol, at its place, to the parity row that dst gathers. A row
// starts as zeros and is done when every symbol that is there was added, in any
// order. The symbol is no longer than dst, row < codeRows and place <
// codePlaces: whoever parses a number sees to that.
func addToRow(dst, symbol []byte, row, place int) {
	if uint(row) >= codeRows || uint(place) >= codePlaces {
		panic("flow: no such row or place") // silently a useless row, otherwise
	}
	gf.GalMulSliceXor(reedsolomon.Inv(point(uint8(row))^uint8(place)), symbol, dst)
}
