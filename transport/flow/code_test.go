package flow

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// slowMul and slowInverse are the field once more, bit by bit and by trying:
// nothing is shared with the code under test.
func slowMul(a, b uint8) (p uint8) {
	for ; b > 0; b >>= 1 {
		if b&1 != 0 {
			p ^= a
		}
		high := a & 0x80
		if a <<= 1; high != 0 {
			a ^= 0x1d
		}
	}
	return p
}

var slowInverse = func() (inv [256]uint8) {
	for a := 1; a < 256; a++ {
		for b := 1; b < 256; b++ {
			if slowMul(uint8(a), uint8(b)) == 1 {
				inv[a] = uint8(b)
			}
		}
	}
	return inv
}()

func slowFactor(row, place uint8) uint8 { return slowInverse[(64+row)^place] }

// slowRow is a parity row of size bytes, from the definition.
func slowRow(symbols [][]byte, row uint8, size int) []byte {
	out := make([]byte, size)
	for place, s := range symbols {
		f := slowFactor(row, uint8(place))
		for n, v := range s {
			out[n] ^= slowMul(f, v)
		}
	}
	return out
}

// codedColumn is one column with a pattern of loss: places without a symbol are nil,
// symbols are of any length up to size.
type codedColumn struct {
	size       int
	symbols    [][]byte
	lost, rows []uint8
}

func drawColumn(r *rand.Rand) *codedColumn {
	c := &codedColumn{size: 16 * (1 + r.IntN(12)), symbols: make([][]byte, codePlaces)}
	if r.IntN(8) == 0 {
		c.size = 1392
	}
	there, m := r.Perm(codePlaces), 1+r.IntN(codePlaces) // all, in any order
	if r.IntN(2) == 0 {
		m = 1 + r.IntN(8)
	}
	switch r.IntN(3) {
	case 0: // some, anywhere
		there = there[:m+r.IntN(codePlaces-m+1)]
	case 1: // a short column, as a Cut makes it
		there = there[:m+r.IntN(codePlaces-m+1)]
		for i := range there {
			there[i] = i
		}
	}
	for _, place := range there {
		n := c.size
		if r.IntN(3) == 0 {
			n = r.IntN(c.size + 1)
		}
		c.symbols[place] = drawBytes(r, n)
	}
	r.Shuffle(len(there), func(i, j int) { there[i], there[j] = there[j], there[i] })
	c.lost = drawn(there[:m])
	slices.Sort(c.lost)
	c.rows = drawn(r.Perm(codeRows)[:m])
	return c
}

func drawn(numbers []int) (out []uint8) {
	for _, n := range numbers {
		out = append(out, uint8(n))
	}
	return out
}

func drawBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = uint8(r.Uint32())
	}
	return b
}

// parity makes the column's rows with the code under test.
func (c *codedColumn) parity() (rows [][]byte) {
	for _, row := range c.rows {
		dst := make([]byte, c.size)
		for place, s := range c.symbols {
			addToRow(dst, s, int(row), place)
		}
		rows = append(rows, dst)
	}
	return rows
}

// rebuilt gives the lost symbols back from the others and the rows.
func (c *codedColumn) rebuilt(s *solver, rows [][]byte) (out [][]byte) {
	for place, symbol := range c.symbols {
		if symbol != nil && !slices.Contains(c.lost, uint8(place)) {
			s.removeAll(rows, symbol, place)
		}
	}
	for i := range c.lost {
		dst := bytes.Repeat([]byte{0xaa}, c.size) // what was there must not matter
		s.rebuild(dst, i, rows)
		out = append(out, dst)
	}
	return out
}

// padded is s with the zeros that it counts as.
func padded(s []byte, size int) []byte {
	return append(slices.Clone(s), make([]byte, size-len(s))...)
}

// eachColumn runs f over drawn columns, each under its seed.
func eachColumn(t *testing.T, n int, f func(t *testing.T, r *rand.Rand, c *codedColumn)) {
	t.Helper()
	for seed := range uint64(n) {
		r := rand.New(rand.NewPCG(seed, 11))
		f(t, r, drawColumn(r))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// The factors are part of the wire format: every one is what the definition
// says, for every byte of a symbol, by a field of its own.
func TestCode_FactorsAreTheDefinition(t *testing.T) {
	all := make([]byte, 256)
	for v := range all {
		all[v] = uint8(v)
	}
	for row := range 192 {
		for place := range 64 {
			dst, f := make([]byte, 256), slowFactor(uint8(row), uint8(place))
			addToRow(dst, all, row, place)
			for v, got := range dst {
				if got != slowMul(f, uint8(v)) {
					t.Fatalf("row %d, place %d: %d becomes %d, want %d", row, place, v, got, slowMul(f, uint8(v)))
				}
			}
		}
	}
	// By hand: 1/(64^0) * 64 = 1, and 2^8 = 0x1d.
	if f := slowFactor(0, 0); slowMul(f, 64) != 1 || slowMul(0x80, 2) != 0x1d {
		t.Error("the test's own field is not that of 0x11d")
	}
}

func TestCode_RowsAreTheDefinition(t *testing.T) {
	eachColumn(t, 40, func(t *testing.T, _ *rand.Rand, c *codedColumn) {
		for j, row := range c.parity() {
			if !bytes.Equal(row, slowRow(c.symbols, c.rows[j], c.size)) {
				t.Errorf("row %d of a column of %d bytes is wrong", c.rows[j], c.size)
			}
		}
	})
}

// I11: whatever was lost comes back from as many rows, in short columns, with
// absent places and short symbols.
func TestSolver_RebuildsWhatWasLost(t *testing.T) {
	var s solver
	sizes := map[int]bool{}
	eachColumn(t, 2000, func(t *testing.T, _ *rand.Rand, c *codedColumn) {
		if !s.solve(c.lost, c.rows) {
			t.Fatalf("refused: lost %v, rows %v", c.lost, c.rows)
		}
		sizes[len(c.lost)] = true
		for i, got := range c.rebuilt(&s, c.parity()) {
			if !bytes.Equal(got, padded(c.symbols[c.lost[i]], c.size)) {
				t.Errorf("place %d of lost %v, rows %v: not the original", c.lost[i], c.lost, c.rows)
			}
		}
	})
	for m := 1; m <= codePlaces; m++ {
		if !sizes[m] {
			t.Errorf("no column with %d lost was drawn", m)
		}
	}
}

// Removing one row at a time is the same as all at once.
func TestSolver_RemovesOneOrAll(t *testing.T) {
	var s solver
	eachColumn(t, 50, func(t *testing.T, r *rand.Rand, c *codedColumn) {
		s.solve(c.lost, c.rows)
		one, all := c.parity(), c.parity()
		symbol, place := drawBytes(r, c.size), r.IntN(codePlaces)
		s.removeAll(all, symbol, place)
		for j := range one {
			s.remove(one[j], j, symbol, place)
		}
		if fmt.Sprint(one) != fmt.Sprint(all) {
			t.Error("one by one and all at once differ")
		}
	})
}

// I11, the other half: with one row less there is, for each of the 256 values
// that any byte of any lost symbol could have, exactly one original that agrees
// with every row that came. So nothing at all is known of any lost symbol.
func TestCode_OneRowLessTellsNothing(t *testing.T) {
	var s solver
	eachColumn(t, 30, func(t *testing.T, r *rand.Rand, c *codedColumn) {
		c.size = 1 // each byte is a code of its own
		for place := range c.symbols {
			if c.symbols[place] != nil {
				c.symbols[place] = drawBytes(r, c.size)
			}
		}
		m := len(c.lost)
		s.solve(c.lost, c.rows)
		received := c.rows[:m-1]

		// What the last row alone would add, divided among the lost symbols, is
		// in none of the rows that came.
		alone := make([][]byte, m)
		for j := range alone {
			alone[j] = make([]byte, 1)
		}
		alone[m-1][0] = 1
		shift := make([]byte, m)
		for i := range shift {
			s.rebuild(shift[i:i+1], i, alone)
		}
		var want [][]byte
		for _, row := range received {
			want = append(want, slowRow(c.symbols, row, c.size))
		}
		seen := make([]map[byte]bool, m)
		for v := range 256 {
			other := slices.Clone(c.symbols)
			for i, place := range c.lost {
				other[place] = slices.Clone(other[place])
				other[place][0] ^= slowMul(uint8(v), shift[i])
				if seen[i] == nil {
					seen[i] = map[byte]bool{}
				}
				seen[i][other[place][0]] = true
			}
			for j, row := range received {
				if !bytes.Equal(slowRow(other, row, 1), want[j]) {
					t.Fatalf("original %d does not agree with row %d", v, row)
				}
			}
		}
		for i := range seen {
			if len(seen[i]) != 256 {
				t.Errorf("place %d could have %d values only", c.lost[i], len(seen[i]))
			}
		}
	})
}

// Any rows and as many places make a matrix that can be inverted: its
// determinant, by elimination, is Cauchy's product, which has no factor 0.
func TestCode_EverySquareCanBeInverted(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 12))
		m := 1 + r.IntN(codePlaces)
		rows, places := drawn(r.Perm(codeRows)[:m]), drawn(r.Perm(codePlaces)[:m])
		matrix := make([][]uint8, m)
		want := uint8(1)
		for j, row := range rows {
			for i, place := range places {
				matrix[j] = append(matrix[j], slowFactor(row, place))
				want = slowMul(want, slowFactor(row, place))
				if i < j {
					want = slowMul(want, row+64^(rows[i]+64))
					want = slowMul(want, place^places[j])
				}
			}
		}
		if got := determinant(matrix); got == 0 || got != want {
			t.Fatalf("seed %d: determinant %d, Cauchy says %d: rows %v, places %v", seed, got, want, rows, places)
		}
	}
	// The factors for all squares, not only drawn ones: no two points meet.
	seen := map[uint8]bool{}
	for row := range uint8(codeRows) {
		seen[point(row)] = true
	}
	for place := range uint8(codePlaces) {
		seen[place] = true
	}
	if len(seen) != 256 {
		t.Errorf("%d points, want 256", len(seen))
	}
}

// determinant eliminates; in this field no sign changes with a swap.
func determinant(a [][]uint8) uint8 {
	det := uint8(1)
	for n := range a {
		pivot := n
		for pivot < len(a) && a[pivot][n] == 0 {
			pivot++
		}
		if pivot == len(a) {
			return 0
		}
		a[n], a[pivot] = a[pivot], a[n]
		det = slowMul(det, a[n][n])
		for _, below := range a[n+1:] {
			f := slowMul(below[n], slowInverse[a[n][n]])
			for i := n; f != 0 && i < len(a); i++ {
				below[i] ^= slowMul(f, a[n][i])
			}
		}
	}
	return det
}
