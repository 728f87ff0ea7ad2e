package crypto

import (
	"crypto/sha256"
	"encoding/binary"
	"testing"
)

// eachWay runs f with each way that this machine has of hashing several symbols,
// and with none of them.
func eachWay(t *testing.T, f func(t *testing.T)) {
	hasWide, hasPairs := wide, pairs
	defer func() { wide, pairs = hasWide, hasPairs }()
	for _, way := range []struct {
		name        string
		wide, pairs bool
	}{{"wide and pairs", true, true}, {"wide", true, false}, {"pairs", false, true}, {"one by one", false, false}} {
		if way.wide && !hasWide || way.pairs && !hasPairs {
			continue
		}
		wide, pairs = way.wide, way.pairs
		t.Run(way.name, f)
	}
}

// The sixteen lanes know nothing of each other: each takes its own blocks, from
// wherever they are, and goes on from its own state.
func TestSHA256Blocks16_LanesAreApart(t *testing.T) {
	if !wide {
		t.Skip("no AVX-512 here, or it must not be used")
	}
	s := newSymbolSource(4)
	for n := 1; n < 20; n++ {
		var at [lanes]*byte
		var of [lanes][]byte
		for i := range at {
			of[i] = s.text[s.IntN(len(s.text)-64*20):][:64*n]
			at[i] = &of[i][0]
		}
		state := wideStart
		first := 1 + s.IntN(n)
		sha256Blocks16(&state, &at, first)
		if first < n {
			for i := range at {
				at[i] = &of[i][64*first]
			}
			sha256Blocks16(&state, &at, n-first)
		}
		// The padding of a message of whole blocks is a block of its own.
		end := make([]byte, 64)
		end[0] = 0x80
		binary.BigEndian.PutUint64(end[56:], uint64(64*8*n))
		for i := range at {
			at[i] = &end[0]
		}
		sha256Blocks16(&state, &at, 1)
		for i := range of {
			want := sha256.Sum256(of[i])
			for j := range state {
				if got := state[j][i]; got != binary.BigEndian.Uint32(want[4*j:]) {
					t.Fatalf("%d blocks, %d first, lane %d, word %d: %08x, want %x", n, first, i, j, got, want)
				}
			}
		}
	}
}

// From seven on they go at once, fewer by pairs, and each lot is of one length.
func TestHashSymbols_TheWayIsChosenByTheirNumber(t *testing.T) {
	if !wide || !pairs {
		t.Skip("not all ways are here")
	}
	s := newSymbolSource(5)
	for _, c := range []struct{ symbols, taken int }{
		{2, 2}, {wideLeast - 1, 2}, {wideLeast, wideLeast}, {lanes, lanes}, {lanes + 1, lanes}, {45, lanes},
	} {
		of, dst := s.some(c.symbols, func() int { return 1392 }), make([]SymbolHash, c.symbols)
		if n := new(hashRoom).some(dst, of); n != c.taken {
			t.Errorf("%d of %d symbols were hashed at once, want %d", n, c.symbols, c.taken)
		}
		of[1].Bytes = of[1].Bytes[:100]
		if n := new(hashRoom).some(dst, of); n != 1 {
			t.Errorf("%d of %d symbols were hashed at once before one of another length", n, c.symbols)
		}
	}
}
