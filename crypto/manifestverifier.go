package crypto

import (
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// VerifierConfig says whose manifests a verifier checks, and what it may keep.
type VerifierConfig struct {
	Witness *Witness // of the sender, required
	Streams int      // how many the sender has, required, at most 16
	// Span is how many symbols of a stream are remembered, at 17 bytes each:
	// no fewer than the window of that stream. Zero means 16,384.
	Span int
	// Draw is added to every wait before a question, so that the members of a
	// large group do not all ask at once. nil means none.
	Draw func() time.Duration
}

// ManifestVerifier tells the symbols that one sender sent from those that
// another member sealed in its name. Symbols are hashed before, by HashSymbol.
// What it holds is bounded: Span hashes a stream, 64 manifests that wait for
// their signature, 256 digests that wait for their list. All methods are safe
// for concurrent use; signatures are checked without a lock.
type ManifestVerifier struct {
	witness *Witness
	span    int
	draw    func() time.Duration

	mu       sync.Mutex
	streams  []coverage
	lists    [64]waiting // unproven, a ring
	listed   uint64
	approved [256][digestSize]byte // of lists that have not come, a ring; zero: none
	approval uint64
	stats    VerifierStats
}

type waiting struct {
	digest [digestSize]byte
	body   []byte // empty: none
}

// VerifierStats counts. Manifests and Symbols are indexed by Outcome.
type VerifierStats struct {
	Manifests [Outcomes]uint64
	Symbols   [Outcomes]uint64
	Rejected  uint64 // symbols that had been held and are not the sender's
	Conflicts uint64 // two manifests of the sender that contradict each other
	Questions uint64
}

// NewManifestVerifier makes a verifier that knows of nothing: see Start.
func NewManifestVerifier(c VerifierConfig) (*ManifestVerifier, error) {
	if c.Span == 0 {
		c.Span = 1 << 14
	}
	if c.Draw == nil {
		c.Draw = func() time.Duration { return 0 }
	}
	switch {
	case c.Witness == nil:
		return nil, errors.New("crypto: manifests: a Witness is needed to check them")
	case c.Streams < 1 || c.Streams > 16:
		return nil, errors.New("crypto: manifests: a sender has 1 to 16 streams")
	case c.Span < firstCells || c.Span > 1<<20:
		return nil, errors.New("crypto: manifests: Span must be 64 to 1,048,576 symbols")
	}
	return &ManifestVerifier{witness: c.Witness, span: c.Span, draw: c.Draw, streams: make([]coverage, c.Streams)}, nil
}

// Start says from where on a stream is owed. Before, nothing of it is taken.
func (v *ManifestVerifier) Start(stream uint16, seq uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if int(stream) < len(v.streams) {
		v.streams[stream] = coverage{open: true, low: seq, next: seq, top: seq}
	}
}

// Symbol says what a symbol is that came: Taken, the sender's own; Held, not
// known yet, so keep it but deliver it only once [ManifestVerifier.Proven] or
// Covered says so; Forged, another member's; Unfit, not the one that is held under
// that number, and one of the two is forged; Old, below what was released; Beyond,
// too far ahead to be kept. Keep none of the latter four.
func (v *ManifestVerifier) Symbol(now time.Time, stream uint16, seq uint64, h SymbolHash) Outcome {
	v.mu.Lock()
	defer v.mu.Unlock()
	o := Beyond
	if int(stream) < len(v.streams) {
		c := &v.streams[stream]
		if o = c.come(seq, &h, v.span); o == Held && c.askAt.IsZero() {
			c.advance(now, v.draw)
		}
	}
	v.stats.Symbols[o]++
	return o
}

// Manifest takes the body of a manifest. It appends to rejected the symbols that
// were Held and now are known to be forged: ask for the originals, which will be
// checked as they come. On Taken look at Covered again. Held is a list that
// waits for its signature. pairwise is as in [Path.Rekey].
func (v *ManifestVerifier) Manifest(now time.Time, body []byte, pairwise bool, rejected []SymbolID) ([]SymbolID, Outcome) {
	var m manifest
	o := Malformed
	if m.parse(body) {
		rejected, o = v.manifest(now, &m, body, pairwise, rejected)
	}
	v.mu.Lock()
	v.stats.Manifests[o]++
	v.mu.Unlock()
	return rejected, o
}

func (v *ManifestVerifier) manifest(now time.Time, m *manifest, body []byte, pairwise bool, rejected []SymbolID) ([]SymbolID, Outcome) {
	if v.stale(m) {
		return rejected, Old
	}
	if m.signed == nil {
		digest := sha256.Sum256(body)
		v.mu.Lock()
		defer v.mu.Unlock()
		if !v.disapprove(&digest) {
			v.hold(&digest, body)
			return rejected, Held
		}
		rejected, _ = v.apply(now, m.runs, rejected)
		return rejected, Taken
	}
	if o := v.witness.check(now, signManifest, m.signed, m.signature, pairwise); o != Taken {
		return rejected, o
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	rejected, news := v.apply(now, m.runs, rejected)
	for d := m.digests; len(d) > 0; d = d[digestSize:] {
		digest := [digestSize]byte(d)
		w := v.waiting(&digest)
		if w == nil {
			v.approve(&digest)
			continue
		}
		var list manifest
		if list.parse(w.body) {
			var more bool
			rejected, more = v.apply(now, list.runs, rejected)
			news = news || more
		}
		w.body = w.body[:0]
	}
	if !news && !pairwise {
		v.witness.failed(now, signManifest) // a replay: true, and of no use
	}
	return rejected, Taken
}

// stale reports whether a manifest can tell nothing: all its symbols that could
// be taken up are covered, and if it is signed nothing waits for what else it
// proves.
func (v *ManifestVerifier) stale(m *manifest) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for rest := m.runs; len(rest) > 0; {
		var r run
		r, rest, _ = cutRun(rest, hashSize)
		if int(r.stream) >= len(v.streams) || !v.streams[r.stream].open {
			continue
		}
		c := &v.streams[r.stream]
		for seq := max(r.first, c.low); seq < min(r.end(), c.low+uint64(v.span)); seq++ {
			if !c.covered(seq) {
				return false
			}
		}
	}
	held := 0
	for i := range v.streams {
		held += v.streams[i].held
	}
	return len(m.digests) == 0 || held == 0
}

// apply takes up what proven runs say. Called with the lock held.
func (v *ManifestVerifier) apply(now time.Time, runs []byte, rejected []SymbolID) (_ []SymbolID, news bool) {
	for rest := runs; len(rest) > 0; {
		var r run
		r, rest, _ = cutRun(rest, hashSize)
		if int(r.stream) >= len(v.streams) || !v.streams[r.stream].open {
			continue
		}
		c := &v.streams[r.stream]
		for seq := max(r.first, c.low); seq < r.end() && c.reach(seq, v.span); seq++ {
			fresh, bad, conflict := c.cover(seq, r.hashes[hashSize*(seq-r.first):][:hashSize])
			news = news || fresh
			if bad {
				rejected = append(rejected, SymbolID{r.stream, seq})
				v.stats.Rejected++
			}
			if conflict {
				v.stats.Conflicts++
			}
		}
		c.advance(now, v.draw)
	}
	return rejected, news
}

// Covered returns the sequence up to which symbols of a stream may be
// delivered: all below are covered, or are done with.
func (v *ManifestVerifier) Covered(stream uint16) uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	if int(stream) >= len(v.streams) {
		return 0
	}
	return v.streams[stream].next
}

// Proven returns the first symbol in [from, to) that has not come, or is not known
// to be the sender's own; to if there is none. What lies before may be delivered.
func (v *ManifestVerifier) Proven(stream uint16, from, to uint64) uint64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	if int(stream) >= len(v.streams) {
		return from
	}
	return v.streams[stream].proven(from, to)
}

// Stats returns the counts so far.
func (v *ManifestVerifier) Stats() VerifierStats {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.stats
}
