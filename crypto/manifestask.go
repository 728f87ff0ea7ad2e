package crypto

import "time"

// Ask answers a question of a receiver, which must have come under its pairwise
// key: what proves the symbols that it named will be sent to it again, or to the
// group where several ask for the same. It reports whether the question was well
// formed. At most 64 manifests wait, each once, and none goes to the same place
// twice in 2 ms; how often a receiver may ask, and how many bytes repairs may
// take, is for the caller to bound, as for NAKs. It appends to unknown what was
// asked for and may not be kept any more: give those symbols to Add again.
func (m *ManifestSigner) Ask(now time.Time, from uint32, question []byte, unknown []SymbolRange) ([]SymbolRange, bool) {
	ranges, ok := parseAsk(question)
	if !ok {
		return unknown, false
	}
	first, work := uint64(0), mostCompared
	if keep := uint64(len(m.slots)); m.next >= keep {
		first = m.next - keep + 1
	}
	for n := first; n < m.sent && len(m.asked) < mostAsked && work > 0; n++ {
		s := &m.slots[n%uint64(len(m.slots))]
		if !covers(s.body, ranges, &work) {
			continue
		}
		m.again(now, n, from)
		if s.last > n && s.last < m.sent {
			m.again(now, s.last, from)
		}
	}
	for rest := ranges; len(rest) > 0; {
		var r run
		if r, rest, _ = cutRun(rest, 0); int(r.stream) < len(m.forgot) && r.first < m.forgot[r.stream] {
			unknown = append(unknown, SymbolRange{r.stream, r.first, min(r.end(), m.forgot[r.stream])})
		}
	}
	return unknown, true
}

// again notes that somebody wants a manifest.
func (m *ManifestSigner) again(now time.Time, number uint64, to uint32) {
	for i := range m.asked {
		if a := &m.asked[i]; a.number == number {
			if a.to != to {
				a.to = 0
			}
			return
		}
	}
	s := &m.slots[number%uint64(len(m.slots))]
	if (s.sentTo == 0 || s.sentTo == to) && now.Sub(s.sentAt) < againGap || len(m.asked) == mostAsked {
		return
	}
	m.asked = append(m.asked, asked{number, to})
}

// mostCompared bounds the work of one question: ranges that are made to match
// nothing would be held against every run that is kept.
const mostCompared = 1 << 17

// covers reports whether a manifest of ours has a symbol of the ranges.
func covers(body, ranges []byte, work *int) bool {
	runs, _, _ := cutRuns(body[manifestHead:], int(body[1]), hashSize)
	for len(runs) > 0 {
		var r run
		r, runs, _ = cutRun(runs, hashSize)
		for rest := ranges; len(rest) > 0; {
			var wanted run
			wanted, rest, _ = cutRun(rest, 0)
			*work--
			if wanted.stream == r.stream && wanted.first < r.end() && r.first < wanted.end() {
				return true
			}
		}
	}
	return false
}
