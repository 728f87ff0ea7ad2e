package crypto

import "sync"

// SymbolText is a symbol with its place.
type SymbolText = struct {
	Stream uint16
	Seq    uint64
	Bytes  []byte
}

// hashRoom is what hashing several symbols at once needs beside them.
type hashRoom struct {
	wideRoom
	pairRoom
}

var hashRooms = sync.Pool{New: func() any { return new(hashRoom) }}

// HashSymbols is HashSymbol for several, into dst, which has as many places. On
// amd64 processors with AVX-512 up to sixteen neighbours of about one length are
// hashed at once, on those with SHA instructions two of one length. It needs no
// lock and allocates nothing.
func HashSymbols(dst []SymbolHash, of []SymbolText) {
	dst = dst[:len(of)]
	if len(of) > 1 && (wide || pairs) {
		w := hashRooms.Get().(*hashRoom)
		for len(of) > 1 {
			n := w.some(dst, of)
			dst, of = dst[n:], of[n:]
		}
		hashRooms.Put(w)
	}
	for i := range of {
		dst[i] = HashSymbol(of[i].Stream, of[i].Seq, of[i].Bytes)
	}
}

// some hashes as many of two or more symbols as go at once, and returns how many.
func (w *hashRoom) some(dst []SymbolHash, of []SymbolText) int {
	if wide && len(of) >= wideLeast {
		blocks := blocksOf(&of[0])
		n := 1
		for n < min(len(of), lanes) && blocksOf(&of[n]) == blocks {
			n++
		}
		if n >= wideLeast {
			w.hashWide(dst[:n], of[:n], blocks)
			return n
		}
	}
	if n := len(of[0].Bytes); pairs && n >= headBytes && n == len(of[1].Bytes) {
		w.hashPair((*[2]SymbolHash)(dst), (*[2]SymbolText)(of))
		return 2
	}
	dst[0] = HashSymbol(of[0].Stream, of[0].Seq, of[0].Bytes)
	return 1
}

// blocksOf is how many blocks of 64 bytes a symbol's message takes: with 10 bytes
// before it, and 9 at least behind it (FIPS 180-4, 5.1.1).
func blocksOf(s *SymbolText) int { return (10 + len(s.Bytes) + 9 + 63) / 64 }
