package crypto

import "sync"

// SymbolText is a symbol with its place.
type SymbolText = struct {
	Stream uint16
	Seq    uint64
	Bytes  []byte
}

var pairRooms = sync.Pool{New: func() any { return new(pairRoom) }}

// HashSymbols is HashSymbol for several, into dst, which has as many places. On
// amd64 processors with SHA instructions two neighbours of one length take little
// more time than one. It needs no lock and allocates nothing.
func HashSymbols(dst []SymbolHash, of []SymbolText) {
	_ = dst[:len(of)]
	i := 0
	if pairs && len(of) > 1 {
		w := pairRooms.Get().(*pairRoom)
		for ; i+1 < len(of); i += 2 {
			if n := len(of[i].Bytes); n < headBytes || n != len(of[i+1].Bytes) {
				break
			}
			w.hashPair((*[2]SymbolHash)(dst[i:]), (*[2]SymbolText)(of[i:]))
		}
		pairRooms.Put(w)
	}
	for ; i < len(of); i++ {
		dst[i] = HashSymbol(of[i].Stream, of[i].Seq, of[i].Bytes)
	}
}
