package flow

// solver gives back the lost symbols of one column from as many parity rows:
//
//	solve       which places are lost, which rows are at hand
//	removeAll   once for every symbol of the column that is there; what is
//	            left of the rows, the syndromes, holds the lost ones alone
//	rebuild     once for every lost symbol
//
// The matrix of the lost places in these rows is a Cauchy matrix too, whose
// inverse is known: with x the points of the rows and y those of the places,
//
//	             P(x[j] + y[k])     P(x[k] + y[i])          1
//	inv[i][j] = ---------------- * ---------------- * -------------
//	             Q(x[j] + x[k])     Q(y[k] + y[i])     x[j] + y[i]
//
// P the product over all k, Q the one without the term that is 0.
//
// So nothing is eliminated: one factor a row and one a place, O(m^2) in all,
// are kept as logarithms. A solver is used again and again, and allocates
// nothing.
type solver struct {
	m    int // lost places, and rows; 0: not solved
	lost [codePlaces]uint8
	rows [codePlaces]uint8

	ofRow, ofPlace [codePlaces]uint8 // logarithms of the first two factors
}

// solve makes ready for the lost places and the rows at hand, as many as are
// lost. False, and nothing may be done with s: no place or too many, places
// that do not strictly rise, a row twice, or numbers beyond the code.
func (s *solver) solve(lost, rows []uint8) bool {
	s.m = 0
	m := len(lost)
	if m == 0 || len(rows) != m || !solvable(lost, rows) {
		return false
	}
	copy(s.lost[:], lost)
	copy(s.rows[:], rows)
	var ofPlace [codePlaces]int
	for j, r := range rows {
		x, sum := point(r), 0
		for i, y := range lost {
			l := int(logs[x^y])
			sum += l
			ofPlace[i] += l
		}
		s.ofRow[j] = exponent(sum - distances(x, rows, codePlaces))
	}
	for i, y := range lost {
		s.ofPlace[i] = exponent(ofPlace[i] - distances(y, lost, 0))
	}
	s.m = m
	return true
}

// solvable reports whether lost and rows are places and rows, none twice: so
// neither are more than there are places.
func solvable(lost, rows []uint8) bool {
	for i, y := range lost {
		if y >= codePlaces || i > 0 && y <= lost[i-1] {
			return false
		}
	}
	for j, r := range rows {
		if r >= codeRows {
			return false
		}
		for _, other := range rows[:j] {
			if other == r {
				return false
			}
		}
	}
	return true
}

// distances is the logarithm of the product of all p + (shift+q) that are not 0.
func distances(p uint8, all []uint8, shift uint8) (sum int) {
	for _, q := range all {
		sum += int(logs[p^(shift+q)]) // logs[0] is 0: p itself adds nothing
	}
	return sum
}

// remove takes symbol, which is there at its place, out of the syndrome that
// began as a copy of the solver's j-th row. A place that is lost is not removed.
func (s *solver) remove(syndrome []byte, j int, symbol []byte, place int) {
	addToRow(syndrome, symbol, int(s.rows[:s.m][j]), place)
}

// removeAll takes symbol out of all syndromes while it is in the cache.
func (s *solver) removeAll(syndromes [][]byte, symbol []byte, place int) {
	for j, r := range s.rows[:s.m] {
		addToRow(syndromes[j], symbol, int(r), place)
	}
}

// rebuild writes the i-th lost symbol into dst, which is as long as each
// syndrome and is none of them.
func (s *solver) rebuild(dst []byte, i int, syndromes [][]byte) {
	lost := s.lost[:s.m][i]
	clear(dst)
	for j, r := range s.rows[:s.m] {
		away := logs[point(r)^lost]
		f := powers[exponent(int(s.ofRow[j])+int(s.ofPlace[i])-int(away))]
		gf.GalMulSliceXor(f, syndromes[j], dst)
	}
}

// powers are those of 2, which generates the field without 0, and logs their
// exponents, with 0 in the place of the logarithm that 0 has not.
var powers, logs = tables()

func tables() (powers [255]uint8, logs [256]uint8) {
	v := 1
	for e := range powers {
		powers[e], logs[v] = uint8(v), uint8(e)
		if v <<= 1; v > 255 {
			v ^= 0x11d
		}
	}
	return powers, logs
}

// exponent brings e into 0..254: 2^255 is 1.
func exponent(e int) uint8 {
	return uint8((e%255 + 255) % 255)
}
