package crypto

import (
	"slices"
	"time"
)

// hold keeps a list until its signature comes. The oldest makes room: if it was
// honest it is asked for again.
func (v *ManifestVerifier) hold(digest *[digestSize]byte, body []byte) {
	if v.waiting(digest) != nil {
		return
	}
	w := &v.lists[v.listed%uint64(len(v.lists))]
	v.listed++
	w.digest, w.body = *digest, append(w.body[:0], body...)
}

func (v *ManifestVerifier) waiting(digest *[digestSize]byte) *waiting {
	for i := range v.lists {
		if w := &v.lists[i]; len(w.body) > 0 && w.digest == *digest {
			return w
		}
	}
	return nil
}

// approve notes the digest of a list that has not come.
func (v *ManifestVerifier) approve(digest *[digestSize]byte) {
	if slices.Contains(v.approved[:], *digest) {
		return
	}
	v.approved[v.approval%uint64(len(v.approved))] = *digest
	v.approval++
}

// disapprove takes a digest off the approved ones and reports whether it was.
func (v *ManifestVerifier) disapprove(digest *[digestSize]byte) bool {
	i := slices.Index(v.approved[:], *digest)
	if i >= 0 {
		v.approved[i] = [digestSize]byte{}
	}
	return i >= 0
}

// Release forgets symbols below seq: they were delivered. What is not covered
// stays, for a level that delivers first and checks later.
func (v *ManifestVerifier) Release(stream uint16, seq uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if int(stream) < len(v.streams) {
		v.streams[stream].release(seq)
	}
}

// Skip gives up on whatever is not covered below seq: its sender keeps it no
// longer. It appends to rejected the symbols that came and can never be proven;
// they count as lost.
func (v *ManifestVerifier) Skip(now time.Time, stream uint16, seq uint64, rejected []SymbolID) []SymbolID {
	v.mu.Lock()
	defer v.mu.Unlock()
	if int(stream) >= len(v.streams) {
		return rejected
	}
	c := &v.streams[stream]
	for s := c.next; s < min(seq, c.top); s++ {
		if c.at(s).state == cellHeld {
			rejected = append(rejected, SymbolID{stream, s})
			c.held--
		}
	}
	c.drop(seq)
	c.advance(now, v.draw)
	return rejected
}

// Ask appends the question that is due to the sender, if one is: which symbols
// came and are not covered though they should be. Send it under the pairwise key
// as KindManifest. The wait between questions doubles, up to 200 ms, until an
// answer helps.
func (v *ManifestVerifier) Ask(now time.Time, dst []byte) ([]byte, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	from, n := len(dst), 0
	dst = append(dst, formAsk, 0)
	for i := range v.streams {
		c := &v.streams[i]
		if c.askAt.IsZero() || now.Before(c.askAt) || n == maxRanges {
			continue
		}
		var more int
		dst, more = c.holes(dst, uint16(i), maxRanges-n)
		n += more
		c.askAt = now.Add(min(askLate<<min(c.asks, 8), askMost) + v.draw())
		c.asks++
	}
	if n == 0 {
		return dst[:from], false
	}
	dst[from+1] = byte(n)
	v.stats.Questions++
	return dst, true
}

// NextTimeout is when Ask will have a question though nothing comes; zero: not
// before something does.
func (v *ManifestVerifier) NextTimeout() (next time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := range v.streams {
		if at := v.streams[i].askAt; !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}
