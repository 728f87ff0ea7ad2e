package crypto

import (
	"os"
	"runtime/debug"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// island is a stretch of memory between pages that nobody can read.
func island(t *testing.T, pages int) []byte {
	page := os.Getpagesize()
	b, err := unix.Mmap(-1, 0, (pages+2)*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(b) })
	for i := range b {
		b[i] = byte(i * 7)
	}
	for _, edge := range [][]byte{b[:page], b[(pages+1)*page:]} {
		if err := unix.Mprotect(edge, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return b[page : (pages+1)*page : (pages+1)*page]
}

// Symbols that end where memory ends, or start where it starts, are read and nothing
// beside them: a byte more would be a fault.
func TestHashSymbols_ReadsNoByteBeside(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	land := island(t, 3)
	eachWay(t, func(t *testing.T) {
		debug.SetPanicOnFault(true) // it is the goroutine's, and this is another
		size := 0
		defer func() {
			if r := recover(); r != nil {
				t.Fatalf("symbols of %d bytes: %v", size, r)
			}
		}()
		check := func() {
			last, first := land[len(land)-size:], land[:size]
			for _, n := range []int{1, 2, 3, 7, 15, 16, 17} {
				of := make([]SymbolText, n)
				for i := range of {
					of[i] = SymbolText{uint16(n), uint64(i), last}
					if i%3 == 1 {
						of[i].Bytes = first
					}
				}
				checkHashes(t, of)
			}
		}
		for ; size < 400; size++ {
			check()
		}
		for size = 1300; size < 1500; size++ {
			check()
		}
		for size = 8800; size < 8900; size += 3 {
			check()
		}
	})
}

// The island is one: the test above could not fail otherwise.
func TestHashSymbols_BesideIsAFault(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	land := island(t, 1)
	defer func() {
		if recover() == nil {
			t.Error("what is behind the island can be read")
		}
	}()
	beyond := unsafe.Slice(&land[0], len(land)+1)
	HashSymbols(make([]SymbolHash, 1), []SymbolText{{1, 1, beyond}})
}
