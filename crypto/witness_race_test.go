package crypto

import (
	"sync"
	"testing"
)

// Several readers hash and check at once while another goroutine takes
// manifests, releases and asks.
func TestManifestVerifier_IsSafeForManyReaders(t *testing.T) {
	s, v := newManifests(t, 512, 0, 2)
	const total = 2000
	var bodies [][]byte
	for seq := range uint64(total) {
		for st := range uint16(2) {
			s.Symbol(epochZero, st, seq, content(st, seq))
		}
		bodies = append(bodies, poll(s, epochZero)...)
	}
	s.Cut()
	bodies = append(bodies, poll(s, epochZero)...)
	var wg sync.WaitGroup
	for w := range uint64(2) {
		wg.Go(func() {
			for seq := w; seq < total; seq += 2 {
				for st := range uint16(2) {
					if o := v.Symbol(epochZero, st, seq, HashSymbol(st, seq, content(st, seq))); o != Held && o != Taken {
						t.Error(o)
					}
				}
			}
		})
	}
	for w := range 2 {
		wg.Go(func() {
			for i := range bodies {
				if rejected, o := v.Manifest(epochZero, bodies[(i+w*len(bodies)/2)%len(bodies)], false, nil); len(rejected) > 0 || o == Forged {
					t.Error(o, rejected)
				}
				v.Ask(epochZero, nil)
				v.NextTimeout()
				v.Stats()
			}
		})
	}
	wg.Wait()
	for _, b := range bodies { // lists that came after their digest was forgotten
		v.Manifest(epochZero, b, true, nil)
	}
	for st := range uint16(2) {
		if v.Covered(st) != total {
			t.Errorf("stream %d is covered to %d of %d", st, v.Covered(st), total)
		}
	}
}

func TestWitness_IsSafeForManyReaders(t *testing.T) {
	a, w := newWitnessed(t)
	good := a.AppendSigned(nil, "evict", []byte("x"))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for range 50 {
				if _, o := w.Signed(epochZero, "evict", good, false); o != Taken {
					t.Error(o)
				}
				a.AppendSigned(nil, "evict", nil)
				w.Signed(epochZero, "evict", make([]byte, 64), true)
			}
		})
	}
	wg.Wait()
}
