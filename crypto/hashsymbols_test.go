package crypto

import (
	"crypto/fips140"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// plainHash is what a symbol's hash has to be, by Go's own library.
func plainHash(s *SymbolText) SymbolHash {
	b := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint16(nil, s.Stream), s.Seq)
	sum := sha256.Sum256(append(b, s.Bytes...))
	return SymbolHash(sum[:16])
}

// checkHashes compares HashSymbols of all with the library. It writes no place more.
func checkHashes(t *testing.T, of []SymbolText) {
	t.Helper()
	got, beyond := make([]SymbolHash, len(of)+2), SymbolHash{1, 2, 3}
	got[len(of)], got[len(of)+1] = beyond, beyond
	HashSymbols(got, of)
	for i := range of {
		if want := plainHash(&of[i]); got[i] != want {
			t.Fatalf("symbol %d of %d, %d bytes: %x, want %x", i, len(of), len(of[i].Bytes), got[i], want)
		}
	}
	if got[len(of)] != beyond || got[len(of)+1] != beyond {
		t.Fatal("more hashes were written than there are symbols")
	}
}

// symbolSource makes symbols anywhere in a text, at any distance from a word's edge.
type symbolSource struct {
	*rand.Rand
	text []byte
}

func newSymbolSource(seed uint64) *symbolSource {
	s := &symbolSource{rand.New(rand.NewPCG(seed, 256)), make([]byte, 9000)}
	for i := range s.text {
		s.text[i] = byte(s.Uint32())
	}
	return s
}

// some is n symbols of what lengths size says.
func (s *symbolSource) some(n int, size func() int) (of []SymbolText) {
	for range n {
		from := s.IntN(100)
		of = append(of, SymbolText{uint16(s.Uint32()), s.Uint64() >> 16, s.text[from:][:size()]})
	}
	return of
}

// Sixteen or two at a time or one by one, of every length: the same hashes.
func TestHashSymbols_EachWayIsTheLibrarys(t *testing.T) {
	eachWay(t, func(t *testing.T) {
		s := newSymbolSource(1)
		for size := range 700 { // every place of the padding, both sides of every block's edge
			same := func() int { return size }
			checkHashes(t, s.some(2, same))
			checkHashes(t, s.some(5, same))
			checkHashes(t, s.some(7+size%10, same))
			checkHashes(t, s.some(17+size%29, func() int { return size + s.IntN(4) }))
		}
		for n := range 46 { // every number of lanes, at the edges of one block and of many
			for _, blocks := range []int{1, 2, 3, 4, 5, 22, 23, 139} {
				for size := 64*blocks - 19 - 2; size < 64*blocks-19+3; size++ {
					checkHashes(t, s.some(n, func() int { return size }))
				}
				checkHashes(t, s.some(n, func() int { return 64*blocks - 19 - s.IntN(min(64, 64*blocks-19)) }))
			}
		}
		for range 100 {
			size := s.IntN(8800)
			checkHashes(t, s.some(s.IntN(46), func() int { return s.IntN(100) + size }))
		}
		checkHashes(t, nil)
	})
}

// Odd ones among symbols of one length do not keep the others from their hashes, nor
// their places.
func TestHashSymbols_OddOnesAreAnywhere(t *testing.T) {
	eachWay(t, func(t *testing.T) {
		s := newSymbolSource(2)
		for at := range 45 {
			of := s.some(45, func() int { return 1392 })
			of[at].Bytes = s.text[:s.IntN(3000)]
			checkHashes(t, of)
			of[44-at].Bytes = nil
			checkHashes(t, of)
		}
	})
}

func TestHashSymbols_ReadsAndAllocatesNothingElse(t *testing.T) {
	t.Logf("sixteen at once: %v; two at once: %v", wide, pairs)
	if several := wide || pairs; several && (runtime.GOARCH != "amd64" || fips140.Enabled()) {
		t.Error("several at once where there is no way, or it must not be")
	}
	eachWay(t, func(t *testing.T) {
		s := newSymbolSource(3)
		of, dst := s.some(45, func() int { return 1392 }), make([]SymbolHash, 45)
		was, text := slices.Clone(of), slices.Clone(s.text)
		if n := testing.AllocsPerRun(100, func() { HashSymbols(dst, of) }); n != 0 && !underRace {
			t.Errorf("%v allocations", n)
		}
		if !slices.Equal(text, s.text) || !slices.EqualFunc(was, of, func(a, b SymbolText) bool {
			return a.Stream == b.Stream && a.Seq == b.Seq && &a.Bytes[0] == &b.Bytes[0] && len(a.Bytes) == len(b.Bytes)
		}) {
			t.Error("the symbols are not what they were")
		}
	})
}

// FuzzHashSymbols hashes so many symbols, each the one or the other text or, for the
// third of some, cut at the front: lanes differ in what they hold, and from where.
func FuzzHashSymbols(f *testing.F) {
	f.Add(uint16(1), uint64(2), uint8(4), uint64(0b0110), []byte("one of some bytes"), []byte("two of some bytes"))
	f.Add(uint16(1), uint64(2), uint8(45), ^uint64(0)/3, make([]byte, 1392), make([]byte, 1383))
	f.Add(uint16(7), uint64(1)<<40, uint8(16), uint64(0), make([]byte, 173), []byte(nil))
	f.Fuzz(func(t *testing.T, stream uint16, seq uint64, n uint8, which uint64, a, b []byte) {
		var of []SymbolText
		for i := range uint64(n % 46) {
			text := a
			if which>>i&1 != 0 {
				text = b
			}
			if i%3 == 2 {
				text = text[min(len(text), int(i)):]
			}
			of = append(of, SymbolText{stream + uint16(i), seq + i, text})
		}
		eachWay(t, func(t *testing.T) { checkHashes(t, of) })
	})
}

func BenchmarkHashSymbols(b *testing.B) {
	for _, size := range []int{1392, 8896} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			of, dst := make([]SymbolText, 44), make([]SymbolHash, 44)
			for i := range of {
				of[i] = SymbolText{1, uint64(i), make([]byte, size)}
			}
			b.SetBytes(int64(size * len(of)))
			b.ReportAllocs()
			for b.Loop() {
				HashSymbols(dst, of)
			}
		})
	}
}
