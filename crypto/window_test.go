package crypto

import (
	"errors"
	"math/rand/v2"
	"testing"
)

func TestP2_TheWindowEndsExactlyWhereItSays(t *testing.T) {
	for words, span := range map[int]uint64{groupWords: 8128, pairWords: 960} {
		const top = 1 << 30
		for age, want := range map[uint64]bool{0: false, 1: true, span - 1: true, span: false, span + 1: false} {
			w := newWindow(words)
			w.mark(top)
			if got := w.fresh(top - age); got != want {
				t.Errorf("%d words: a number %d below the highest: fresh %v, want %v", words, age, got, want)
			}
			if got := w.mark(top - age); got != want {
				t.Errorf("%d words: marking %d below the highest: %v, want %v", words, age, got, want)
			}
			if w.fresh(top - age) {
				t.Errorf("%d words: %d below the highest is fresh after it was marked", words, age)
			}
		}
	}
}

func TestP2_JumpsForgetEverythingAndCostLittle(t *testing.T) {
	w := newWindow(groupWords)
	// A jump that did work in proportion would not end: 2^40 / 64 words each.
	for i := range uint64(100) {
		n := i << 40
		if !w.mark(n) || w.mark(n) {
			t.Fatalf("number %d after a jump of 2^40 is not marked exactly once", n)
		}
		if i > 0 && w.fresh(n-1<<40) {
			t.Fatalf("number %d is fresh again after the jump", n-1<<40)
		}
		if i > 0 && !w.mark(n-1) {
			t.Fatalf("number %d before the jump's landing was never marked and is refused", n-1)
		}
	}
	if !w.mark(lastNumber) || w.mark(lastNumber) || !w.mark(lastNumber-8127) || w.mark(lastNumber-8128) {
		t.Error("the window is wrong at the last number")
	}
}

func TestP2_TheWindowAgreesWithAPlainMemory(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	w := newWindow(pairWords)
	seen, top := map[uint64]bool{}, uint64(0)
	for range 200_000 {
		n := top + rng.Uint64N(80)
		switch rng.IntN(20) {
		case 0:
			n = top + rng.Uint64N(5000)
		default:
			n -= min(n, rng.Uint64N(1200))
		}
		want := !seen[n] && (n > top || top-n < 960)
		if got := w.mark(n); got != want {
			t.Fatalf("mark(%d) with highest %d: %v, want %v", n, top, got, want)
		}
		seen[n], top = true, max(top, n)
	}
}

func TestP2_ASenderStopsAtTheLastNumber(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	for _, to := range []uint32{0, 2} {
		root.sealing.active.out.next = lastNumber
		root.pairs.get(2).out.next = lastNumber
		o, drop := leaf.Open(mustSeal(t, root, to, "last"))
		if drop != 0 || o.Number != 1<<48-1 {
			t.Fatalf("to %d: the last packet: number %d, %v", to, o.Number, Drop(drop))
		}
		for range 3 {
			if p, err := root.Seal(nil, to, KindData, 0, nil); !errors.Is(err, ErrExhausted) || len(p) != 0 {
				t.Fatalf("to %d: after the last number: %x, %v", to, p, err)
			}
		}
	}
}

func TestP2_NumbersBeyondTheLastAreNotTried(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	for _, top := range []byte{0, 0xff} {
		p := mustSeal(t, root, 0, "x")
		p[16], p[17] = top, 1
		if _, drop := leaf.Open(p); Drop(drop) != DropGeneration {
			t.Errorf("number %x: %v, want generation", p[16:24], Drop(drop))
		}
	}
}
