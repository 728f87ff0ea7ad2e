package crypto

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
)

// masked keeps a copy of a secret that a search of the heap does not find.
type masked [32]byte

func mask(s *[32]byte) (m masked) {
	for i, b := range s {
		m[i] = b ^ 0x55
	}
	return m
}

func (m masked) in(dump []byte) int {
	var s [32]byte
	for i, b := range m {
		s[i] = b ^ 0x55
	}
	defer clear(s[:])
	return bytes.Count(dump, s[:])
}

// heapOf is the heap as a core dump would have it.
func heapOf(t *testing.T) []byte {
	t.Helper()
	runtime.GC()
	runtime.GC()
	name := filepath.Join(t.TempDir(), "heap")
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	debug.WriteHeapDump(f.Fd())
	dump, err := os.ReadFile(name)
	must(t, err)
	return dump
}

// A member's life, and then a dump of the heap: what this package holds itself is
// not in it once it was wiped or closed. Best effort: key schedules inside ciphers
// are not searched for, Go has no way to clear them.
func TestZ1_AHeapDumpAfterCloseHoldsNoKeys(t *testing.T) {
	if underRace {
		t.Skip("the race detector keeps copies of its own")
	}
	const signing = "the signing key"
	var seek []struct {
		what string
		m    masked
	}
	keep := func(what string, s *[32]byte) {
		seek = append(seek, struct {
			what string
			m    masked
		}{what, mask(s)})
	}
	var held []any // memory that was given back is not in a dump: this is not
	func() {
		a, err := NewAuthor(groveSession, 1)
		must(t, err)
		tree, err := NewTree(DefaultSuite(), a)
		must(t, err)
		e, err := FirstEpoch(groveSession, BindParams(groveParams, a.Public()), groveRoster)
		must(t, err)
		for id := uint32(2); id < 20; id++ {
			must(t, tree.Add(id, leafKey(id)))
		}
		c, err := tree.Commit(e, groveRoster, false)
		must(t, err)
		ring := newMember(t, DefaultSuite(), groveSession, 1)
		must(t, ring.Add(c.Epoch))
		must(t, ring.Activate(c.Epoch.Number()))
		_, err = ring.Seal(nil, 0, KindData, 0, []byte("text"))
		must(t, err)
		keep("the first epoch's secret", (*[32]byte)(e.hidden.secret))
		keep("the epoch's secret", (*[32]byte)(c.Epoch.hidden.secret))
		seed := [32]byte((*a.hidden.of)[:32])
		keep(signing, &seed)
		clear(seed[:])
		for _, s := range seek { // or the search would find nothing wherever it is
			if s.m.in(heapOf(t)) == 0 {
				t.Errorf("%s is not found while it is in use: the test looks in the wrong place", s.what)
			}
		}
		held = append(held, a, tree, e, c.Epoch, ring, e.hidden.secret, c.Epoch.hidden.secret)
		ring.Close()
		e.Wipe()
		c.Epoch.Wipe()
		tree.Wipe()
		a.Wipe()
	}()
	dump := heapOf(t)
	runtime.KeepAlive(held)
	for _, s := range seek {
		n := s.m.in(dump)
		t.Logf("%s: %d copies in a heap of %d bytes", s.what, n, len(dump))
		if n != 0 && s.what != signing { // crypto/ed25519 keeps a copy, as Author.Wipe says
			t.Errorf("%s is in the heap after everything was closed, %d times", s.what, n)
		}
	}
}
