package crypto

import (
	"crypto/fips140"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// Two at a time or one by one, of every length: the same hashes.
func TestHashSymbols_AreThoseOfOneByOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 256))
	text := make([]byte, 9000)
	for i := range text {
		text[i] = byte(rng.Uint32())
	}
	some := func(n int, sizes func() int) (of []SymbolText) {
		for range n {
			from, size := rng.IntN(64), sizes()
			of = append(of, SymbolText{uint16(rng.Uint32()), rng.Uint64() >> 16, text[from:][:size]})
		}
		return of
	}
	check := func(of []SymbolText) {
		t.Helper()
		got := make([]SymbolHash, len(of))
		HashSymbols(got, of)
		for i, s := range of {
			if want := HashSymbol(s.Stream, s.Seq, s.Bytes); got[i] != want {
				t.Fatalf("symbol %d of %d, %d bytes: %x, want %x", i, len(of), len(s.Bytes), got[i], want)
			}
		}
	}
	for size := range 700 { // every place of the padding, both sides of every block's edge
		check(some(2, func() int { return size }))
		check(some(5, func() int { return size }))
	}
	for range 300 {
		size := rng.IntN(8900)
		check(some(rng.IntN(9), func() int { return size }))
		check(some(rng.IntN(9), func() int { return rng.IntN(4) + size }))
	}
	check(nil)
	t.Logf("two at once: %v", pairs)
	if runtime.GOARCH != "amd64" && pairs || fips140.Enabled() && pairs {
		t.Error("two at once where there is no way, or it must not be")
	}
	of, dst := some(45, func() int { return 1392 }), make([]SymbolHash, 45)
	if n := testing.AllocsPerRun(100, func() { HashSymbols(dst, of) }); n != 0 && !underRace {
		t.Errorf("%v allocations", n)
	}
}

func FuzzHashSymbols(f *testing.F) {
	f.Add(uint16(1), uint64(2), []byte("one of some bytes"), []byte("two of some bytes"))
	f.Fuzz(func(t *testing.T, stream uint16, seq uint64, a, b []byte) {
		of := []SymbolText{{stream, seq, a}, {stream + 1, seq + 1, b}, {stream, seq, b}, {stream, seq, a}}
		var got [4]SymbolHash
		HashSymbols(got[:], of)
		for i, s := range of {
			if got[i] != HashSymbol(s.Stream, s.Seq, s.Bytes) {
				t.Fatalf("symbol %d", i)
			}
		}
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
