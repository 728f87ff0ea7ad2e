package door

import (
	"cmp"
	"slices"
	"strings"
)

// Near picks at most three of words that somebody who typed s may have meant.
func Near(s string, words []string) []string {
	type hit struct {
		word string
		far  int
	}
	var hits []hit
	s = strings.ToLower(s)
	for _, w := range words {
		far := distance(s, strings.ToLower(w))
		if len(s) >= 3 && strings.Contains(w, s) || len(w) >= 3 && strings.Contains(s, w) {
			far = min(far, 1) // ipttl for ttl
		}
		if far <= 2 && far < len(s) {
			hits = append(hits, hit{w, far})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return cmp.Compare(a.far, b.far) })
	var near []string
	for _, h := range hits[:min(3, len(hits))] {
		near = append(near, h.word)
	}
	return near
}

// distance is how many letters must be put in, taken out or changed to make b
// of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
