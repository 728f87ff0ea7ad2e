package flow

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// What the solver refuses, it refuses for ever: a use after that is a bug of
// the caller, and no quiet zeros.
func TestSolver_RefusesBadArguments(t *testing.T) {
	long := make([]uint8, 65)
	for i := range long {
		long[i] = uint8(i)
	}
	for name, c := range map[string]struct{ lost, rows []uint8 }{
		"nothing lost":    {nil, nil},
		"a row less":      {[]uint8{1, 2}, []uint8{0}},
		"a row more":      {[]uint8{1}, []uint8{0, 1}},
		"rows alone":      {nil, []uint8{0}},
		"65 lost":         {long, long},
		"place 64":        {[]uint8{1, 64}, []uint8{0, 1}},
		"places fall":     {[]uint8{2, 1}, []uint8{0, 1}},
		"a place twice":   {[]uint8{2, 2}, []uint8{0, 1}},
		"row 192":         {[]uint8{1, 2}, []uint8{0, 192}},
		"a row twice":     {[]uint8{1, 2, 3}, []uint8{5, 0, 5}},
		"rows far beyond": {[]uint8{1, 2}, []uint8{254, 255}},
	} {
		t.Run(name, func(t *testing.T) {
			var s solver
			if !s.solve([]uint8{7}, []uint8{7}) {
				t.Fatal("a good one is refused")
			}
			if s.solve(c.lost, c.rows) {
				t.Fatal("taken")
			}
			defer func() {
				if recover() == nil {
					t.Error("rebuild works on after a refusal")
				}
			}()
			s.rebuild(make([]byte, 16), 0, [][]byte{make([]byte, 16)})
		})
	}
}

func TestAddToRow_KnowsItsRowsAndPlaces(t *testing.T) {
	for _, at := range [][2]int{{-1, 0}, {192, 0}, {0, -1}, {0, 64}} {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("taken")
				}
			}()
			addToRow(make([]byte, 16), make([]byte, 16), at[0], at[1])
		})
	}
}

// No bytes make the solver panic; what it takes is right, and what it refuses
// is wrong, by rules written a second time.
func FuzzSolve(f *testing.F) {
	f.Add([]byte{}, []byte{})
	f.Add([]byte{0, 63}, []byte{191, 0})
	f.Add([]byte{3, 3}, []byte{1, 2})
	f.Add([]byte{3, 4}, []byte{192, 2})
	f.Add([]byte{1, 2, 3}, []byte{9, 8, 9})
	f.Fuzz(func(t *testing.T, lost, rows []byte) {
		var places, distinct [256]bool
		good := len(lost) > 0 && len(lost) == len(rows)
		last := -1
		for i := range min(len(lost), len(rows)) {
			good = good && int(lost[i]) > last && lost[i] < 64 && rows[i] < 192 && !distinct[rows[i]]
			last = int(lost[i])
			places[lost[i]], distinct[rows[i]] = true, true
		}
		var s solver
		if got := s.solve(lost, rows); got != good {
			t.Fatalf("lost %v, rows %v: %v, want %v", lost, rows, got, good)
		}
		if !good {
			return
		}
		// The symbol at each lost place is its place, one byte.
		symbols := make([][]byte, codePlaces)
		for place := range symbols {
			if places[place] {
				symbols[place] = []byte{uint8(place + 1)}
			}
		}
		var syndromes [][]byte
		for _, row := range rows {
			syndromes = append(syndromes, slowRow(symbols, row, 1))
		}
		for i, place := range lost {
			var dst [1]byte
			if s.rebuild(dst[:], i, syndromes); dst[0] != place+1 {
				t.Fatalf("lost %v, rows %v: place %d holds %d", lost, rows, place, dst[0])
			}
		}
	})
}

// fullColumn is a column of 64 symbols of a full packet, m lost, with its rows.
func fullColumn(r *rand.Rand, m int) (c *codedColumn, rows, work [][]byte) {
	c = &codedColumn{size: 1392, symbols: make([][]byte, codePlaces)}
	for place := range c.symbols {
		c.symbols[place] = drawBytes(r, c.size)
	}
	for i := range m {
		c.lost = append(c.lost, uint8(i*codePlaces/m))
		c.rows = append(c.rows, uint8(i))
	}
	rows = c.parity()
	for range rows {
		work = append(work, make([]byte, c.size))
	}
	return c, rows, work
}

// again is one rebuild of a column. A solver keeps nothing of a pattern that it
// had before, so that every pattern costs as much as a new one.
func (c *codedColumn) again(s *solver, rows, work [][]byte, dst []byte) bool {
	if !s.solve(c.lost, c.rows) {
		return false
	}
	for j := range rows {
		copy(work[j], rows[j])
	}
	lost := c.lost
	for place, symbol := range c.symbols {
		if len(lost) > 0 && int(lost[0]) == place {
			lost = lost[1:]
			continue
		}
		s.removeAll(work, symbol, place)
	}
	for i := range c.lost {
		s.rebuild(dst, i, work)
	}
	return true
}

// I22: neither a row nor a rebuild allocates, nor does a refusal.
func TestCode_AllocatesNothing(t *testing.T) {
	c, rows, work := fullColumn(rand.New(rand.NewPCG(1, 13)), 8)
	var s solver
	dst := make([]byte, c.size)
	if n := testing.AllocsPerRun(20, func() {
		for place, symbol := range c.symbols {
			addToRow(dst, symbol, 191, place)
		}
	}); n != 0 {
		t.Errorf("%v allocations a row", n)
	}
	if n := testing.AllocsPerRun(20, func() {
		if !c.again(&s, rows, work, dst) {
			t.Error("refused")
		}
	}); n != 0 {
		t.Errorf("%v allocations a rebuild", n)
	}
	if n := testing.AllocsPerRun(20, func() {
		if s.solve(c.lost, rows[0]) {
			t.Error("taken")
		}
	}); n != 0 {
		t.Errorf("%v allocations a refusal", n)
	}
}

func BenchmarkParityRow(b *testing.B) {
	c, _, _ := fullColumn(rand.New(rand.NewPCG(1, 13)), 1)
	dst := make([]byte, c.size)
	b.SetBytes(int64(codePlaces * c.size))
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		clear(dst)
		for place, symbol := range c.symbols {
			addToRow(dst, symbol, n%codeRows, place)
		}
	}
}

// Solve, remove and rebuild; MB/s of the whole column.
func BenchmarkRebuild(b *testing.B) {
	for _, m := range []int{1, 3, 8} {
		b.Run(fmt.Sprintf("lost=%d", m), func(b *testing.B) {
			c, rows, work := fullColumn(rand.New(rand.NewPCG(1, 13)), m)
			var s solver
			dst := make([]byte, c.size)
			b.SetBytes(int64(codePlaces * c.size))
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if !c.again(&s, rows, work, dst) {
					b.Fatal("refused")
				}
			}
		})
	}
}
