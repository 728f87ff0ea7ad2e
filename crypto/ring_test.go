package crypto

import (
	"bytes"
	"crypto/fips140"
	"net/netip"
	"sync"
	"testing"
)

// newPeers returns the root's ring and a leaf's, in epoch 1, paired.
func newPeers(tb testing.TB, s Suite) (root, leaf *Ring) {
	tb.Helper()
	session := SessionID{1, 2, 3}
	e, err := FirstEpoch(session, [32]byte{4}, Roster([]uint32{1}))
	if err != nil {
		tb.Fatal(err)
	}
	root, leaf = newMember(tb, s, session, 1), newMember(tb, s, session, 2)
	for _, r := range []*Ring{root, leaf} {
		must(tb, r.Add(e))
		must(tb, r.Activate(1))
	}
	must(tb, leaf.Admit(1))
	toLeaf, toRoot := [32]byte{5}, [32]byte{6}
	root.Pair(2, toLeaf, toRoot)
	leaf.Pair(1, toRoot, toLeaf)
	return root, leaf
}

func newMember(tb testing.TB, s Suite, session SessionID, self uint32) *Ring {
	tb.Helper()
	r, err := NewRing(RingConfig{Suite: s, Session: session, Self: self, Group: testGroup})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(r.Close)
	return r
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func mustSeal(tb testing.TB, r *Ring, to uint32, payload string) []byte {
	tb.Helper()
	p, err := r.Seal(nil, to, KindData, 0, []byte(payload))
	must(tb, err)
	return p
}

// openAll opens every packet once, shared among workers.
func openAll(tb testing.TB, r *Ring, packets [][]byte, workers int) {
	if workers == 1 {
		for _, p := range packets {
			if _, drop := r.Open(p); drop != 0 {
				tb.Fatalf("dropped: %v", Drop(drop))
			}
		}
		return
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < len(packets); i += workers {
				if _, drop := r.Open(packets[i]); drop != 0 {
					tb.Errorf("dropped: %v", Drop(drop))
				}
			}
		})
	}
	wg.Wait()
}

func TestHotPath_AllocatesNothing(t *testing.T) {
	for _, s := range suites {
		root, leaf := newPeers(t, s)
		bare := bareAllocations(s)
		if bare != 0 && !fips140.Enabled() {
			t.Errorf("%v: the cipher alone makes %v allocations", s, bare)
		}
		for _, to := range []uint32{0, 2} {
			payload, buf := bytes.Repeat([]byte("x"), 1408), make([]byte, 0, 1408+s.Overhead())
			round := func() {
				p, err := root.Seal(buf, to, KindData, 0, payload)
				if err != nil {
					t.Fatal(err)
				}
				if _, drop := leaf.Open(p); drop != 0 {
					t.Fatal(Drop(drop))
				}
			}
			if n := testing.AllocsPerRun(1000, round); n > bare {
				t.Errorf("%v to %d: %v allocations, %v of them the cipher's", s, to, n, bare)
			}
		}
	}
}

// bareAllocations is what sealing with the cipher alone allocates: nothing, but
// in FIPS mode under the race detector, where Go's random numbers do.
func bareAllocations(s Suite) float64 {
	a := newAEAD(s, new(secret))
	nonce, aad, buf := make([]byte, a.NonceSize()), make([]byte, aadSize), make([]byte, 0, 2048)
	return testing.AllocsPerRun(1000, func() { a.Seal(buf, nonce, aad, aad) })
}

func addrPortOf(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }
