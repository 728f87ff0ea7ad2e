package crypto

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"time"
)

// epochZero is when the stories of manifests begin.
var epochZero = time.Unix(1000, 0)

func newManifests(tb testing.TB, size, keep, streams int) (*ManifestSigner, *ManifestVerifier) {
	tb.Helper()
	a, w := newWitnessed(tb)
	s, err := NewManifestSigner(a, size, keep)
	must(tb, err)
	v, err := NewManifestVerifier(VerifierConfig{Witness: w, Streams: streams})
	must(tb, err)
	for st := range streams {
		v.Start(uint16(st), 0)
	}
	return s, v
}

// content is a symbol as its sender made it.
func content(stream uint16, seq uint64) []byte {
	return fmt.Appendf(nil, "symbol %d of stream %d", seq, stream)
}

// poll takes every manifest that is due.
func poll(s *ManifestSigner, now time.Time) (bodies [][]byte) {
	for {
		b, ok := s.Poll(now, nil)
		if !ok {
			b, _, ok = s.Again(now, nil)
		}
		if !ok {
			return bodies
		}
		bodies = append(bodies, b)
	}
}

func TestManifest_CoversEverySymbolWhateverItsLength(t *testing.T) {
	for _, size := range []int{512, 0, 1408, MaxManifest} {
		for _, streams := range []int{1, 2, 16} {
			s, v := newManifests(t, size, 0, streams)
			now, most := epochZero, s.size
			var next [16]uint64
			signed, total := 0, 0
			for i := range 3000 {
				st := uint16(i / 7 % streams)
				if i > 1500 {
					st = uint16(i % streams) // every symbol begins a run
				}
				now = now.Add(time.Microsecond)
				s.Symbol(now, st, next[st], content(st, next[st]))
				if o := v.Symbol(now, st, next[st], HashSymbol(st, next[st], content(st, next[st]))); o != Held {
					t.Fatal(o)
				}
				next[st]++
				if i == 2999 {
					s.Cut()
				}
				for _, b := range poll(s, now) {
					if len(b) > most {
						t.Fatalf("size %d: a manifest of %d bytes", size, len(b))
					}
					rejected, o := v.Manifest(now, b, false, nil)
					if o != Taken && o != Held || len(rejected) > 0 {
						t.Fatalf("size %d: %v, %d rejected", size, o, len(rejected))
					}
					if total++; b[0] == formSigned {
						signed++
					}
				}
			}
			for st := range streams {
				if got := v.Covered(uint16(st)); got != next[st] {
					t.Errorf("size %d, stream %d of %d: covered to %d of %d", size, st, streams, got, next[st])
				}
			}
			t.Logf("size %d, %d streams: 3000 symbols, %d manifests, %d signatures", size, streams, total, signed)
		}
	}
}

// One signature for each symbol of a slow sender, at once; for 32 at 10,000 a
// second; for up to 512, or 2.5 ms, above. Where each is waited for, at once for up
// to 4,000 a second.
func TestManifestSigner_GathersMoreTheFasterTheSender(t *testing.T) {
	for _, c := range []struct {
		every    time.Duration
		hurry    bool
		least    float64
		most     float64
		waitMost time.Duration
	}{
		{20 * time.Millisecond, false, 1, 1, 0},
		{time.Millisecond, false, 3, 6, 5 * time.Millisecond},
		{100 * time.Microsecond, false, 30, 40, 5 * time.Millisecond},
		{12 * time.Microsecond, false, 200, 220, 3 * time.Millisecond},
		{time.Microsecond, false, 500, 512, time.Millisecond},
		{time.Millisecond, true, 1, 1, 0},
		{100 * time.Microsecond, true, 2, 3, signGap},
		{12 * time.Microsecond, true, 15, 25, signGap},
	} {
		s, _ := newManifests(t, 0, 0, 1)
		now, signatures, symbols := epochZero, 0, 0
		var waited time.Duration
		var since []time.Time
		take := func(now time.Time) {
			for _, b := range poll(s, now) {
				if b[0] == formSigned {
					signatures++
					waited = max(waited, now.Sub(since[0]))
					since = nil
				}
			}
		}
		for end := now.Add(time.Second); now.Before(end) && symbols < 40_000; now = now.Add(c.every) {
			if at := s.NextTimeout(); !at.IsZero() && at.Before(now) {
				take(at)
			}
			s.Symbol(now, 0, uint64(symbols), nil)
			since = append(since, now)
			symbols++
			if c.hurry {
				s.Hurry()
			}
			take(now)
		}
		each := float64(symbols) / float64(signatures)
		if each < c.least || each > c.most || waited > c.waitMost {
			t.Errorf("a symbol every %v (waited for: %v): %.1f a signature, waited %v", c.every, c.hurry, each, waited)
		}
	}
}

func TestManifestSigner_SendsAgainWhatIsAskedFor(t *testing.T) {
	s, v := newManifests(t, 0, 64, 2)
	now := epochZero
	var bodies [][]byte
	for seq := range uint64(400) {
		s.Symbol(now, 1, seq, content(1, seq))
	}
	s.Cut()
	bodies = poll(s, now)
	if len(bodies) < 5 {
		t.Fatalf("only %d manifests", len(bodies))
	}
	for seq := range uint64(400) {
		v.Symbol(now, 1, seq, HashSymbol(1, seq, content(1, seq)))
	}
	if _, ok := v.Ask(now, nil); ok {
		t.Error("a question before the manifests can be there")
	}
	now = v.NextTimeout()
	question, ok := v.Ask(now, []byte("kept"))
	if !ok || !IsQuestion(question[4:]) || string(question[:4]) != "kept" {
		t.Fatalf("no question at %v: %x", now, question)
	}
	question = question[4:]
	if _, ok := v.Ask(now, nil); ok {
		t.Error("the same question twice at once")
	}
	for range 2 { // the second time is one too many, and harmless
		if _, ok := s.Ask(now, 7, question, nil); !ok {
			t.Fatal("the question is not understood")
		}
	}
	for i := range bodies {
		b, to, ok := s.Again(now, nil)
		if !ok || to != 7 || !slices.ContainsFunc(bodies, func(x []byte) bool { return bytes.Equal(x, b) }) {
			t.Fatalf("answer %d of %d: to %d, %v", i, len(bodies), to, ok)
		}
		v.Manifest(now, b, true, nil)
	}
	if _, _, ok := s.Again(now, nil); ok || v.Covered(1) != 400 {
		t.Errorf("covered to %d; more to come: %v", v.Covered(1), ok)
	}
	if s.Ask(now, 7, question, nil); len(s.asked) != 0 {
		t.Error("the same again within 2 ms")
	}
	s.Ask(now, 8, question, nil)
	s.Ask(now, 9, question, nil)
	if _, to, ok := s.Again(now, nil); !ok || to != 0 {
		t.Errorf("what two ask for goes to %d, %v", to, ok)
	}
	for _, bad := range [][]byte{nil, {3}, {3, 0}, {1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, {3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}} {
		if _, ok := s.Ask(now, 7, bad, nil); ok {
			t.Errorf("a question of % x", bad)
		}
	}
	if unknown, ok := s.Ask(now, 7, appendRun([]byte{formAsk, 1}, 1, 1<<40, 5), nil); !ok || len(unknown) > 0 || len(poll(s, now)) > 20 {
		t.Error("asked for what there is not")
	}
}

func TestManifestSigner_WhatIsNotPolledIsLostAndCounted(t *testing.T) {
	s, v := newManifests(t, 0, 32, 1)
	for seq := range uint64(10_000) {
		s.Symbol(epochZero, 0, seq, nil)
	}
	bodies := poll(s, epochZero)
	if s.Lost() == 0 || len(bodies) > 32 || uint64(len(bodies))+s.Lost() != s.next {
		t.Errorf("%d handed out, %d lost of %d", len(bodies), s.Lost(), s.next)
	}
	for _, b := range bodies {
		if _, o := v.Manifest(epochZero, b, false, nil); o != Taken && o != Held {
			t.Error(o)
		}
	}
}

// Manifests are not kept for ever: what they proved can be signed anew.
func TestManifestSigner_TellsWhatItDoesNotKeep(t *testing.T) {
	s, v := newManifests(t, 512, 32, 2)
	now := epochZero
	for seq := range uint64(2000) {
		s.Symbol(now, 1, seq, content(1, seq))
		poll(s, now)
	}
	v.Symbol(now, 1, 10, HashSymbol(1, 10, content(1, 10)))
	v.Symbol(now, 1, 11, HashSymbol(1, 11, content(1, 11)))
	question, _ := v.Ask(v.NextTimeout(), nil)
	unknown, ok := s.Ask(now, 7, question, nil)
	if want := (SymbolRange{1, 0, 12}); !ok || len(unknown) != 1 || unknown[0] != want {
		t.Fatalf("of %x it says that %v is not kept", question, unknown)
	}
	for _, u := range unknown {
		for seq := u.First; seq < u.End; seq++ {
			s.Symbol(now, u.Stream, seq, content(u.Stream, seq))
		}
	}
	s.Cut()
	for _, b := range poll(s, now) {
		v.Manifest(now, b, false, nil)
	}
	if got := v.Proven(1, 10, 12); got != 12 || v.Covered(1) != 12 {
		t.Errorf("proven to %d, covered to %d", got, v.Covered(1))
	}
}

// A repair has the hash of the original; another place, length or stream has not.
func TestHashSymbol_IsOfPlaceAndContent(t *testing.T) {
	seen := map[SymbolHash]string{}
	for name, h := range map[string]SymbolHash{
		"it":             HashSymbol(1, 2, []byte("abc")),
		"another stream": HashSymbol(2, 2, []byte("abc")),
		"the next":       HashSymbol(1, 3, []byte("abc")),
		"far off":        HashSymbol(1, 2+1<<40, []byte("abc")),
		"a zero more":    HashSymbol(1, 2, []byte("abc\x00")),
		"nothing":        HashSymbol(1, 2, nil),
	} {
		if other, ok := seen[h]; ok {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[h] = name
	}
	b := append(binary.BigEndian.AppendUint64([]byte{0, 1}, 2), "abc"...)
	if sum := sum256(b); HashSymbol(1, 2, []byte("abc")) != SymbolHash(sum[:16]) {
		t.Error("the hash differs from its formula")
	}
}

func TestManifests_HotPathAllocatesNothing(t *testing.T) {
	s, v := newManifests(t, 0, 64, 1)
	symbol, now, seq := make([]byte, 1392), epochZero, uint64(0)
	buf := make([]byte, 0, MaxManifest)
	round := func() { // a symbol, as both ends see it; signatures apart
		h := HashSymbol(0, seq, symbol)
		s.Add(now, 0, seq, h)
		v.Symbol(now, 0, seq, h)
		seq++
	}
	settle := func() {
		s.Cut()
		for {
			b, ok := s.Poll(now, buf[:0])
			if !ok {
				break
			}
			v.Manifest(now, b, false, nil)
		}
		v.Release(0, v.Covered(0))
	}
	for range 100 { // the ring of manifests fills once
		for range 256 {
			round()
		}
		settle()
	}
	if n := testing.AllocsPerRun(200, round); n != 0 {
		t.Errorf("%v allocations a symbol", n)
	}
	settle()
	if v.Covered(0) != seq {
		t.Fatalf("covered to %d of %d", v.Covered(0), seq)
	}
}

func TestManifests_SayWhatIsMissing(t *testing.T) {
	a, w := newWitnessed(t)
	for name, err := range map[string]error{
		"no author":      second(NewManifestSigner(nil, 0, 0)),
		"a size of 511":  second(NewManifestSigner(a, 511, 0)),
		"a size of 9001": second(NewManifestSigner(a, MaxManifest+1, 0)),
		"keeping a few":  second(NewManifestSigner(a, 0, 31)),
		"no witness":     second(NewManifestVerifier(VerifierConfig{Streams: 1})),
		"no streams":     second(NewManifestVerifier(VerifierConfig{Witness: w})),
		"17 streams":     second(NewManifestVerifier(VerifierConfig{Witness: w, Streams: 17})),
		"a span of 63":   second(NewManifestVerifier(VerifierConfig{Witness: w, Streams: 1, Span: 63})),
		"a session of 0": second(NewAuthor(SessionID{}, 1)),
		"an author of 0": second(NewAuthor(SessionID{1}, 0)),
	} {
		if err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// What a sender keeps no longer is skipped; it is lost, never delivered.
func TestManifestVerifier_SkipsWhatIsNeverCovered(t *testing.T) {
	s, v := newManifests(t, 0, 0, 1)
	now := epochZero
	for seq := range uint64(20) {
		v.Symbol(now, 0, seq, HashSymbol(0, seq, nil))
		if seq >= 10 {
			s.Symbol(now, 0, seq, nil)
		}
	}
	s.Cut()
	v.Manifest(now, poll(s, now)[0], false, nil)
	if v.Covered(0) != 0 {
		t.Fatal("a hole is covered")
	}
	v.Release(0, 20) // for a level that delivers first: what is not covered stays
	if q, ok := v.Ask(now.Add(askHole), nil); !ok || !bytes.Equal(q, appendRun([]byte{formAsk, 1}, 0, 0, 10)) {
		t.Errorf("a hole behind which more is covered: %x, %v", q, ok)
	}
	if rejected := v.Skip(now, 0, 10, nil); len(rejected) != 10 || v.Covered(0) != 20 {
		t.Errorf("%d given up, covered to %d", len(rejected), v.Covered(0))
	}
	if !v.NextTimeout().IsZero() {
		t.Error("still asking")
	}
	if o := v.Symbol(now, 0, 9, HashSymbol(0, 9, nil)); o != Old {
		t.Errorf("what was given up: %v", o)
	}
}

// Whoever keeps a symbol for every Held keeps one that is judged by its own hash:
// the second of two that differ is refused, even where the first was lost again.
func TestManifestVerifier_HoldsOneSymbolUnderANumber(t *testing.T) {
	s, v := newManifests(t, 0, 0, 1)
	now, own, other := epochZero, HashSymbol(0, 0, content(0, 0)), HashSymbol(0, 0, []byte("another"))
	for i, c := range []struct {
		h    SymbolHash
		want Outcome
	}{{own, Held}, {other, Unfit}, {own, Held}} {
		if o := v.Symbol(now, 0, 0, c.h); o != c.want {
			t.Errorf("symbol %d: %v", i, o)
		}
	}
	if got := v.Proven(0, 0, 1); got != 0 {
		t.Error("proven without a manifest")
	}
	s.Add(now, 0, 0, own)
	s.Cut()
	if rejected, o := v.Manifest(now, poll(s, now)[0], false, nil); o != Taken || len(rejected) != 0 || v.Proven(0, 0, 5) != 1 {
		t.Errorf("%v, %d rejected, proven to %d", o, len(rejected), v.Proven(0, 0, 5))
	}
	if o := v.Symbol(now, 0, 0, other); o != Forged {
		t.Errorf("another, once it is proven: %v", o)
	}
}
