package crypto

// A window remembers which packet numbers were opened: a ring of bits that
// never shifts, after RFC 6479. One word is spare, so a ring of n words
// tells the last (n-1)*64 numbers apart and calls everything older a replay.
type window struct {
	next  uint64   // one above the highest number opened; 0: none was
	words []uint64 // a power of two of them
}

// Sizes in words: the group's window spans 8,128 numbers, a pair's 960. Repairs
// go under new numbers, so a window covers reordering and nothing else.
const (
	groupWords = 128
	pairWords  = 16
)

func newWindow(words int) window { return window{words: make([]uint64, words)} }

// span is how many numbers below next can be told apart.
func (w *window) span() uint64 { return uint64(len(w.words)-1) * 64 }

// fresh reports whether number was not opened and is young enough to be sure.
func (w *window) fresh(number uint64) bool {
	if number >= w.next {
		return true
	}
	if w.next-1-number >= w.span() {
		return false
	}
	return w.words[number/64%uint64(len(w.words))]>>(number%64)&1 == 0
}

// mark records number as opened and reports whether it was fresh. However far
// the jump, at most every word is cleared once.
func (w *window) mark(number uint64) bool {
	if !w.fresh(number) {
		return false
	}
	size := uint64(len(w.words))
	if number >= w.next {
		if w.next > 0 { // an unused window is clear already
			from, to := (w.next-1)/64, number/64
			for i := uint64(0); i < min(to-from, size); i++ {
				w.words[(to-i)%size] = 0
			}
		}
		w.next = number + 1
	}
	w.words[number/64%size] |= 1 << (number % 64)
	return true
}
