package crypto

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A receiver as a session has one: it keeps the first symbol that comes under a
// number, delivers in order and no further than manifests cover, and asks for
// what it lacks.
type receiver struct {
	t         testing.TB
	v         *ManifestVerifier
	level     Level
	kept      map[SymbolID][]byte
	at        [2]uint64 // delivered so far
	forgeries int       // delivered, though another's
	told      int       // of them told afterwards
	waiting   int       // most symbols kept at a time
}

func (r *receiver) symbol(now time.Time, st uint16, seq uint64, b []byte) {
	id := SymbolID{st, seq}
	switch o := r.v.Symbol(now, st, seq, HashSymbol(st, seq, b)); o {
	case Taken, Held:
		if r.kept[id] == nil && seq >= r.at[st] {
			r.kept[id] = b
		}
	case Forged, Unfit, Old, Beyond:
	default:
		r.t.Fatal(o)
	}
	r.deliver(now)
}

func (r *receiver) manifest(now time.Time, b []byte, pairwise bool) Outcome {
	rejected, o := r.v.Manifest(now, b, pairwise, nil)
	for _, id := range rejected {
		if r.v.Proven(id.Stream, id.Seq, id.Seq+1) > id.Seq {
			r.t.Errorf("%v is rejected and proven", id)
		}
		if r.kept[id] == nil {
			r.told++
		}
		delete(r.kept, id)
	}
	r.deliver(now)
	return o
}

func (r *receiver) deliver(now time.Time) {
	r.waiting = max(r.waiting, len(r.kept))
	for st := range uint16(2) {
		for r.level != LevelSigned || r.at[st] < r.v.Covered(st) {
			b := r.kept[SymbolID{st, r.at[st]}]
			if b == nil {
				break
			}
			if !bytes.Equal(b, content(st, r.at[st])) {
				r.forgeries++
			}
			delete(r.kept, SymbolID{st, r.at[st]})
			r.at[st]++
		}
		r.v.Release(st, r.at[st])
	}
}

// P5 as a whole: symbols and manifests are lost, late, doubled and replayed, and
// a member with the group's key seals symbols and manifests of its own in the
// sender's name. Everything arrives, nothing forged is delivered.
func TestP5_NothingUnprovenIsDeliveredAndEverythingArrives(t *testing.T) {
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 5))
		size := []int{0, 512, 1408}[seed%3]
		s, v := newManifests(t, size, 0, 2)
		mallory, err := NewAuthor(SessionID{3}, 1)
		must(t, err)
		r := &receiver{t: t, v: v, kept: map[SymbolID][]byte{}}
		if seed%4 == 3 {
			r.level = LevelSignedEager
		}
		now, next := epochZero, [2]uint64{}
		var late []func()
		var seen [][]byte // manifests that Mallory may change or replay
		via := func(f func()) {
			switch rng.IntN(10) {
			case 0, 1: // lost
			case 2, 3, 4:
				late = append(late, f)
			case 5:
				f()
				f()
			default:
				f()
			}
		}
		total := uint64(1500)
		step := func() {
			now = now.Add(time.Duration(rng.IntN(200)) * time.Microsecond)
			for _, b := range poll(s, now) {
				seen = append(seen, b)
				via(func() { r.manifest(now, b, false) })
			}
			if len(late) > 0 && rng.IntN(2) == 0 {
				i := rng.IntN(len(late))
				late[i]()
				late = append(late[:i], late[i+1:]...)
			}
			if q, ok := v.Ask(now, nil); ok && rng.IntN(4) > 0 {
				s.Ask(now, 2, q, nil)
			}
		}
		for next[0]+next[1] < 2*total {
			st := uint16(rng.IntN(2))
			if next[st] == total {
				st = 1 - st
			}
			for range min(1+uint64(rng.IntN(40)), total-next[st]) {
				seq := next[st]
				next[st]++
				if rng.IntN(4) == 0 { // Mallory first
					r.symbol(now, st, seq+uint64(rng.IntN(3)), fmt.Appendf(nil, "forged %d", rng.IntN(3)))
				}
				s.Symbol(now, st, seq, content(st, seq))
				via(func() { r.symbol(now, st, seq, content(st, seq)) })
			}
			for range rng.IntN(3) {
				r.manifest(now, forgedManifest(rng, mallory, seen, next), false)
			}
			step()
		}
		s.Cut()
		for round := 0; min(r.at[0], r.at[1], v.Covered(0), v.Covered(1)) < total; round++ {
			if round > 20_000 {
				t.Fatalf("seed %d: delivered %v of %d, covered %d and %d", seed, r.at, total, v.Covered(0), v.Covered(1))
			}
			step()
			for st := range uint16(2) { // the oldest that lacks is repaired
				if seq := r.at[st]; seq < total && r.kept[SymbolID{st, seq}] == nil {
					if rng.IntN(3) == 0 {
						r.symbol(now, st, seq, []byte("a forged repair"))
					}
					via(func() { r.symbol(now, st, seq, content(st, seq)) })
				}
			}
		}
		if r.level == LevelSigned && r.forgeries > 0 {
			t.Errorf("seed %d: %d forgeries were delivered", seed, r.forgeries)
		}
		x := v.Stats()
		if x.Rejected == 0 || x.Symbols[Forged] == 0 || x.Manifests[Forged] == 0 || x.Conflicts > 0 {
			t.Errorf("seed %d: %+v", seed, x)
		}
		if r.level == LevelSignedEager && r.forgeries != r.told {
			t.Errorf("seed %d: %d forgeries were delivered and %d told", seed, r.forgeries, r.told)
		}
		t.Logf("seed %d: %d forged symbols refused, %d taken back, %d forged manifests, %d questions", seed, x.Symbols[Forged], x.Rejected, x.Manifests[Forged], x.Questions)
	}
}

// forgedManifest is what a member may make of what it heard.
func forgedManifest(rng *rand.Rand, mallory *Author, seen [][]byte, next [2]uint64) []byte {
	st := uint16(rng.IntN(2))
	own := appendRun([]byte{formList, 1}, st, next[st], 2)
	for i := range uint64(2) {
		h := HashSymbol(st, next[st]+i, []byte("forged 1"))
		own = append(own, h[:]...)
	}
	switch kind := rng.IntN(5); {
	case kind == 0:
		return own // a list that nothing proves
	case kind == 1 || len(seen) == 0: // signed with another key
		own[0] = formSigned
		return mallory.sign(append(own, 0), signManifest, 0)
	case kind == 2: // a replay
		return seen[rng.IntN(len(seen))]
	default: // hashes of one, place of another; or any bit
		b := bytes.Clone(seen[rng.IntN(len(seen))])
		if at := rng.IntN(len(b)); kind == 3 {
			b[at] ^= 1 << rng.IntN(8)
		} else {
			copy(b[manifestHead+runHead:], own[manifestHead+runHead:][:hashSize])
		}
		return b
	}
}

func TestP5_OddManifestsAreRefused(t *testing.T) {
	s, v := newManifests(t, 0, 0, 1)
	leaf, err := NewAuthor(SessionID{3}, 1)
	must(t, err)
	for seq := range uint64(3) {
		s.Symbol(epochZero, 0, seq, content(0, seq))
		v.Symbol(epochZero, 0, seq, HashSymbol(0, seq, content(0, seq)))
	}
	good := poll(s, epochZero)[0]
	body, _ := cutSignature(good)
	signed := func(a *Author, b []byte) []byte { return a.sign(bytes.Clone(b), signManifest, 0) }
	with := func(at int, to byte) []byte {
		b := bytes.Clone(body)
		b[at] = to
		return signed(s.author, b)
	}
	huge := appendRun([]byte{formSigned, 1}, 0, 0, 1<<16-1)
	huge = append(append(huge, make([]byte, hashSize*(1<<16-1))...), 0)
	for name, c := range map[string]struct {
		b    []byte
		want Outcome
	}{
		"no runs":              {signed(s.author, []byte{formSigned, 0, 0}), Malformed},
		"a run of none":        {with(11, 0), Malformed},
		"more than there are":  {with(11, 4), Malformed},
		"65,535 of nothing":    {signed(s.author, append(appendRun([]byte{formSigned, 1}, 0, 0, 1<<16-1), 0)), Malformed},
		"65,535 hashes":        {signed(s.author, huge), Malformed},
		"sixteen digests":      {with(len(body)-1, 16), Malformed},
		"past the last number": {signed(s.author, append(append(appendRun([]byte{formSigned, 1}, 0, seqLimit-1, 2), make([]byte, 2*hashSize)...), 0)), Malformed},
		"unsigned":             {body, Malformed},
		"another leaf's":       {signed(leaf, body), Forged},
		"mixed hashes":         {append(with(20, good[20]^1)[:len(body)], good[len(body):]...), Forged},
		"a rekey's signature":  {s.author.sign(bytes.Clone(body), signRekey, 0), Forged},
		"a question":           {appendRun([]byte{formAsk, 1}, 0, 0, 5), Malformed},
		"nothing":              {nil, Malformed},
		"of a stream too many": {with(3, 9), Old},
	} {
		if rejected, o := v.Manifest(epochZero, c.b, false, nil); o != c.want || len(rejected) > 0 {
			t.Errorf("%s: %v, want %v", name, o, c.want)
		}
		if v.Covered(0) != 0 {
			t.Fatalf("%s covers something", name)
		}
	}
	if _, o := v.Manifest(epochZero, good, false, nil); o != Taken || v.Covered(0) != 3 {
		t.Errorf("the good one after all of them: %v, covered to %d", o, v.Covered(0))
	}
	if _, o := v.Manifest(epochZero, good, false, nil); o != Old {
		t.Errorf("the good one again: %v", o)
	}
}

// A flood of lists, symbols and manifests fills what is held and no more, and
// the sender's own get through when it is over.
func TestP5_AFloodIsHeldWithinBounds(t *testing.T) {
	a, w := newWitnessed(t)
	s, err := NewManifestSigner(a, 0, 0)
	must(t, err)
	v, err := NewManifestVerifier(VerifierConfig{Witness: w, Streams: 1, Span: 4096})
	must(t, err)
	v.Start(0, 100)
	now := epochZero
	for i := range uint64(20_000) {
		list := appendRun([]byte{formList, 1}, 0, 100+i%4000, 60)
		for range 60 {
			list = append(binary.BigEndian.AppendUint64(list, i), "anything"...)
		}
		v.Manifest(now, list, false, nil)
		v.Symbol(now, 0, i*13, HashSymbol(0, i*13, []byte("forged")))
	}
	held := 0
	for i := range v.lists {
		held += cap(v.lists[i].body)
	}
	if n := len(v.streams[0].cells); n > 4096 || held > 64*2*MaxRekey {
		t.Errorf("%d symbols remembered, %d bytes of lists", n, held)
	}
	x := v.Stats()
	if x.Symbols[Beyond] == 0 || x.Symbols[Old] == 0 || x.Manifests[Held] != 20_000 || v.Covered(0) != 100 {
		t.Errorf("%+v, covered to %d", x, v.Covered(0))
	}
	for seq := uint64(100); seq < 400; seq++ {
		s.Symbol(now, 0, seq, content(0, seq))
	}
	s.Cut()
	rejected := 0
	for _, b := range poll(s, now) {
		ids, _ := v.Manifest(now, b, false, nil)
		rejected += len(ids)
	}
	if v.Covered(0) != 400 || rejected != 300/13 {
		t.Errorf("covered to %d, %d rejected", v.Covered(0), rejected)
	}
	for seq := uint64(100); seq < 400; seq++ {
		if o := v.Symbol(now, 0, seq, HashSymbol(0, seq, content(0, seq))); o != Taken {
			t.Fatalf("symbol %d: %v", seq, o)
		}
		if o := v.Symbol(now, 0, seq, HashSymbol(0, seq, []byte("forged"))); o != Forged {
			t.Fatalf("a forgery of symbol %d: %v", seq, o)
		}
	}
}

// A replay of true manifests makes nobody check signatures for ever.
func TestP5_ReplaysAreNotChecked(t *testing.T) {
	s, v := newManifests(t, 0, 0, 1)
	now := epochZero
	for seq := range uint64(300) {
		s.Symbol(now, 0, seq, nil)
	}
	s.Cut()
	bodies := poll(s, now)
	for _, b := range bodies {
		v.Manifest(now, b, false, nil)
	}
	before := v.Stats().Manifests
	for i := range 10_000 {
		if _, o := v.Manifest(now, bodies[i%len(bodies)], false, nil); o != Old {
			t.Fatal(o)
		}
	}
	// With something that waits, what a signature proves besides could matter.
	v.Symbol(now, 0, 300, HashSymbol(0, 300, nil))
	for i := range 10_000 {
		v.Manifest(now, bodies[i%len(bodies)], false, nil)
	}
	after := v.Stats().Manifests
	if n := after[Taken] - before[Taken]; n > failuresAllowed {
		t.Errorf("%d replays were checked", n)
	}
}

// Two manifests of the sender that contradict each other: the first holds, and
// it is told.
func TestP5_AManifestIsNotTakenBack(t *testing.T) {
	s, v := newManifests(t, 0, 0, 1)
	other, err := NewManifestSigner(s.author, 0, 0)
	must(t, err)
	s.Symbol(epochZero, 0, 0, []byte("one"))
	other.Symbol(epochZero, 0, 0, []byte("two"))
	other.Symbol(epochZero, 0, 1, []byte("three"))
	v.Manifest(epochZero, poll(s, epochZero)[0], false, nil)
	v.Manifest(epochZero, poll(other, epochZero)[0], false, nil)
	if o := v.Symbol(epochZero, 0, 0, HashSymbol(0, 0, []byte("two"))); o != Forged {
		t.Errorf("by the second manifest: %v", o)
	}
	if o := v.Symbol(epochZero, 0, 0, HashSymbol(0, 0, []byte("one"))); o != Taken || v.Stats().Conflicts != 1 {
		t.Errorf("by the first: %v, %d conflicts", o, v.Stats().Conflicts)
	}
}

// An unproven list does not become proven by a digest that it has not.
func TestP5_OnlyTheListThatWasSignedCounts(t *testing.T) {
	s, v := newManifests(t, 512, 0, 1)
	for seq := range uint64(40) {
		s.Symbol(epochZero, 0, seq, content(0, seq))
	}
	s.Cut()
	bodies := poll(s, epochZero)
	if len(bodies) < 2 {
		t.Fatal("one manifest only")
	}
	for _, b := range bodies[:len(bodies)-1] {
		bad := bytes.Clone(b)
		bad[len(bad)-1] ^= 1
		if sha256.Sum256(bad) == sha256.Sum256(b) {
			t.Fatal("no change")
		}
		v.Manifest(epochZero, bad, false, nil)
	}
	v.Manifest(epochZero, bodies[len(bodies)-1], false, nil)
	if v.Covered(0) != 0 {
		t.Errorf("changed lists cover up to %d", v.Covered(0))
	}
	for _, b := range bodies {
		v.Manifest(epochZero, b, false, nil)
	}
	if v.Covered(0) != 40 {
		t.Errorf("the true lists cover up to %d", v.Covered(0))
	}
}
