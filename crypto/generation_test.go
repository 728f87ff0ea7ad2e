package crypto

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// at makes the root's next group packet carry this number.
func at(r *Ring, number uint64) { r.sealing.active.out.next = number }

func TestGenerations_ReorderingAcrossTheBoundaryLosesNothing(t *testing.T) {
	for _, s := range suites {
		root, leaf := newPeers(t, s)
		at(root, 1<<22-3)
		var packets [][]byte
		for range 6 {
			packets = append(packets, mustSeal(t, root, 0, "x"))
		}
		for _, i := range []int{5, 0, 3, 2, 4, 1} {
			if _, drop := leaf.Open(packets[i]); drop != 0 {
				t.Errorf("%v: packet %d of 6 across the boundary: %v", s, i, Drop(drop))
			}
		}
	}
}

func TestGenerations_EachHasItsOwnKey(t *testing.T) {
	root, _ := newPeers(t, DefaultSuite())
	out := &root.sealing.active.out
	seen := map[secret]bool{}
	for g := range uint32(5) {
		key, iv := dataKey(out.secret, g)
		if seen[*key] || iv == [12]byte{} {
			t.Errorf("generation %d shares its key", g)
		}
		seen[*key] = true
		at(root, uint64(g)<<22)
		mustSeal(t, root, 0, "x")
		if out.key.number != g {
			t.Errorf("packet %d sealed under generation %d", uint64(g)<<22, out.key.number)
		}
	}
}

func TestGenerations_OldKeysAreDropped(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	in := leaf.view.Load().live[0].senders.get(1)
	for g := range uint64(6) {
		at(root, g<<22)
		if _, drop := leaf.Open(mustSeal(t, root, 0, "x")); drop != 0 {
			t.Fatal(Drop(drop))
		}
		for _, k := range in.keys {
			if k != nil && uint64(k.number)+1 < g {
				t.Errorf("generation %d is kept in generation %d", k.number, g)
			}
		}
	}
}

func TestGenerations_AFarOneIsTriedTenTimesASecond(t *testing.T) {
	needsFakeTime(t)
	synctest.Test(t, func(t *testing.T) {
		root, leaf := newPeers(t, DefaultSuite())
		at(root, 5<<22)
		genuine := mustSeal(t, root, 0, "after an outage")
		forged := bytes.Clone(genuine)
		forged[30] ^= 1
		for second := range 3 {
			tried := 0
			for range 100 {
				switch _, drop := leaf.Open(bytes.Clone(forged)); Drop(drop) {
				case DropForged:
					tried++
				case DropGeneration:
				default:
					t.Fatalf("a forged far packet: %v", Drop(drop))
				}
			}
			if tried != farTries {
				t.Errorf("second %d: %d were tried, want %d", second, tried, farTries)
			}
			if _, drop := leaf.Open(bytes.Clone(genuine)); Drop(drop) != DropGeneration {
				t.Errorf("the eleventh in a second: %v", Drop(drop))
			}
			time.Sleep(time.Second)
		}
		if o, drop := leaf.Open(genuine); drop != 0 || o.Number != 5<<22 {
			t.Fatalf("a genuine packet far ahead: %v", Drop(drop))
		}
		for range 100 { // the generation has moved: no more counting
			if _, drop := leaf.Open(mustSeal(t, root, 0, "x")); drop != 0 {
				t.Fatal(Drop(drop))
			}
		}
	})
}

func TestGenerations_ForgeriesDoNotMoveThem(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	first := mustSeal(t, root, 0, "first")
	for _, g := range []uint64{1, 2, 1000} {
		at(root, g<<22)
		forged := mustSeal(t, root, 0, "x")
		forged[40] ^= 1
		if _, drop := leaf.Open(forged); Drop(drop) != DropForged {
			t.Fatalf("generation %d: %v", g, Drop(drop))
		}
	}
	if _, drop := leaf.Open(first); drop != 0 {
		t.Errorf("generation 0 after forgeries of later ones: %v", Drop(drop))
	}
	at(root, 1<<22)
	next := mustSeal(t, root, 0, "the next generation's first")
	for range 100 { // the next generation needs no tries, so forgers cannot use them up
		forged := bytes.Clone(next)
		forged[40] ^= 1
		if _, drop := leaf.Open(forged); Drop(drop) != DropForged {
			t.Fatal(Drop(drop))
		}
	}
	if _, drop := leaf.Open(next); drop != 0 {
		t.Errorf("the next generation after forgeries of it: %v", Drop(drop))
	}
}
