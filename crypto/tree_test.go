package crypto

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"testing"
)

func TestTree_EveryMemberFollowsEveryChange(t *testing.T) {
	for _, suite := range suites {
		seeds := uint64(4)
		if testing.Short() {
			seeds = 2
		}
		for seed := range seeds {
			g := newGrove(t, seed, suite)
			for range 40 {
				if g.rng.IntN(3) > 0 {
					g.join(g.rng.IntN(1 << g.rng.IntN(6)))
				}
				if n := len(g.members); n > 0 && g.rng.IntN(2) == 0 {
					g.leave(g.some(min(n, g.rng.IntN(1<<g.rng.IntN(6))))...)
				}
				if g.rng.IntN(15) == 0 {
					g.leave(g.some(len(g.members))...)
				}
				if len(g.joining) > 0 && g.rng.IntN(8) == 0 { // gone before it was in
					g.tree.Remove(g.joining[0])
					g.joining = g.joining[1:]
				}
				g.commit(g.rng.IntN(10) == 0)
				g.check()
			}
		}
	}
}

// A rush of joiners and a mass departure take many parts, also both at once.
func TestTree_LargeChangesTakeManyParts(t *testing.T) {
	g := newGrove(t, 1, DefaultSuite())
	g.join(20)
	g.commit(false)
	g.join(300)
	if c := g.commit(false); len(c.Parts) < 2 || c.Wraps != 0 {
		t.Errorf("300 joiners: %d parts, %d wraps", len(c.Parts), c.Wraps)
	}
	g.check()
	g.leave(g.some(90)...)
	g.join(400)
	c := g.commit(false)
	g.check()
	for _, p := range c.Parts {
		if len(p) > MaxRekey {
			t.Errorf("a part of %d bytes", len(p))
		}
	}
	t.Logf("90 left and 400 joined 320: %d parts, %d wraps", len(c.Parts), c.Wraps)
	g.leave(g.some(len(g.members) - 1)...)
	g.commit(false)
	g.check()
	if h := g.tree.hidden.of.height; h > 10 {
		t.Errorf("height %d with one member", h)
	}
}

func TestTree_GetsLowerWhenItsRightHalfEmpties(t *testing.T) {
	g := newGrove(t, 2, DefaultSuite())
	g.join(9)
	g.commit(false)
	if h := g.tree.hidden.of.height; h != 4 {
		t.Fatalf("height %d of 9 members", h)
	}
	ninth := g.leave(10)
	h := newHoard(g.suite)
	h.take(ninth[0])
	c := g.commit(false)
	g.check()
	if got := g.tree.hidden.of.height; got != 3 || c.Wraps != 1 {
		t.Errorf("height %d, %d wraps after the ninth left", got, c.Wraps)
	}
	g.join(1) // the old leaf, and the old top's number, with keys that the ninth never had
	d := g.commit(false)
	g.check()
	f := g.commit(true)
	for _, c := range []*Commit{c, d, f} {
		if wraps, epoch := h.opens(t, c); wraps > 0 || epoch {
			t.Errorf("epoch %d opens for the one who left", c.Epoch.number)
		}
	}
}

// K6, but for the time, which BenchmarkTreeRemove10000 shows.
func TestK6_ARemovalIsOnePacketOfFewWraps(t *testing.T) {
	for _, n := range []int{2, 3, 5, 64, 1000, 10_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			g := newGrove(t, uint64(n), DefaultSuite())
			all := g.fill(n, 2)
			most := bits.Len(uint(n - 1)) // ⌈log₂ n⌉
			for range min(3, n-1) {
				i := g.rng.IntN(len(all))
				delete(g.members, all[i])
				g.tree.Remove(all[i])
				all = slices.Delete(all, i, i+1)
				c := g.commit(false)
				if c.Wraps > most || len(c.Parts) != 1 || len(c.Parts[0]) > MaxRekey {
					t.Errorf("one of %d left: %d wraps in %d parts; want at most %d in one", n, c.Wraps, len(c.Parts), most)
				}
				t.Logf("one of %d left: %d wraps, %d bytes", n, c.Wraps, len(c.Parts[0]))
			}
		})
	}
}

func TestK6_BatchesShareTheirWraps(t *testing.T) {
	most := map[int]int{1: 14, 10: 120, 100: 800}
	for batch, most := range most {
		g := newGrove(t, 4, DefaultSuite())
		all := g.fill(10_000, 3)[3:]
		g.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, id := range all[:batch] {
			g.tree.Remove(id)
		}
		c := g.commit(false)
		size := 0
		for _, p := range c.Parts {
			size += len(p)
		}
		if c.Wraps > most {
			t.Errorf("%d of 10,000 left at once: %d wraps, want at most %d", batch, c.Wraps, most)
		}
		t.Logf("%d of 10,000 left at once: %d wraps, %d bytes in %d parts", batch, c.Wraps, size, len(c.Parts))
	}
}

// K1, the keys: somebody who was removed kept everything and sees every rekey.
func TestK1_WhoWasRemovedFollowsNoRekey(t *testing.T) {
	for seed := range uint64(3) {
		g := newGrove(t, seed, DefaultSuite())
		g.join(20)
		g.commit(false)
		h, stays := newHoard(g.suite), newHoard(g.suite)
		eve := g.some(1)[0]
		for range 10 { // she has been here for a while
			g.join(g.rng.IntN(4))
			if other := g.some(1)[0]; other != eve {
				g.leave(other)
			}
			g.commit(false)
			h.take(g.members[eve])
		}
		gone := g.leave(eve)[0]
		opened := 0
		for round := range 15 {
			if round > 0 { // and whatever happens after, in her old leaf too
				g.join(g.rng.IntN(3))
				g.leave(g.some(g.rng.IntN(3))...)
			}
			stays.take(g.members[g.some(1)[0]])
			c := g.commit(g.rng.IntN(4) == 0)
			if wraps, epoch := h.opens(t, c); wraps > 0 || epoch {
				t.Fatalf("seed %d: epoch %d opens for who was removed: %d wraps, by a step %v", seed, c.Epoch.number, wraps, epoch)
			}
			w, _ := stays.opens(t, c)
			opened += w
			for _, p := range c.Parts {
				next, o := gone.Path.Rekey(g.now, gone.Epoch, p, false)
				want := Behind
				if round == 0 {
					want = Removed
				}
				if next != nil || o != want {
					t.Fatalf("seed %d: the removed member's own path says %v, want %v", seed, o, want)
				}
			}
		}
		if opened == 0 {
			t.Error("nothing opens for members either: the test would not notice")
		}
	}
}

func TestK3_AJoinersKeysOpenNoEarlierRekey(t *testing.T) {
	for seed := range uint64(8) {
		g := newGrove(t, seed, DefaultSuite())
		g.join(13)
		g.commit(false)
		var before []*Commit
		for range 15 {
			g.join(g.rng.IntN(3))
			g.leave(g.some(g.rng.IntN(3))...)
			before = append(before, g.commit(g.rng.IntN(4) == 0))
		}
		stays := newHoard(g.suite)
		for _, id := range g.some(2) {
			stays.take(g.members[id])
		}
		g.join(2) // one may take a free leaf, one may make the tree grow
		first := g.last - 1
		before = append(before, g.commit(seed%2 == 0))
		h := newHoard(g.suite)
		h.take(g.members[first])
		h.take(g.members[g.last])
		for _, c := range before {
			if wraps, _ := h.opens(t, c); wraps > 0 {
				t.Errorf("seed %d: %d wraps of epoch %d open for who joined at epoch %d", seed, wraps, c.Epoch.number, g.epoch.number)
			}
		}
		g.leave(g.some(1)...)
		c := g.commit(false)
		if wraps, _ := h.opens(t, c); wraps == 0 && g.members[first] != nil && g.members[g.last] != nil {
			t.Error("nothing opens for members either: the test would not notice")
		}
	}
}

func TestK4_ThoseWhoWereRemovedPoolTheirKeysInVain(t *testing.T) {
	sizes := []int{2, 3, 7, 20, 50}
	if testing.Short() || underRace {
		sizes = []int{2, 20}
	}
	for _, n := range sizes {
		g := newGrove(t, uint64(n), DefaultSuite())
		g.join(64)
		g.commit(false)
		pool := newHoard(g.suite)
		for left := n; left > 0; {
			k := min(left, 1+g.rng.IntN(4)) // a few at a time, and others come in their place
			left -= k
			gone := g.some(k)
			for _, id := range gone {
				pool.take(g.members[id])
			}
			g.leave(gone...)
			g.join(g.rng.IntN(3))
			c := g.commit(false)
			if wraps, epoch := pool.opens(t, c); wraps > 0 || epoch {
				t.Fatalf("%d pooled: %d wraps of epoch %d open, by a step %v", n, wraps, c.Epoch.number, epoch)
			}
		}
		for i := range 16 {
			if g.join(i % 2); i%4 > 0 {
				g.leave(g.some(i % 4)...)
			}
			c := g.commit(i%4 == 0)
			if wraps, epoch := pool.opens(t, c); wraps > 0 || epoch {
				t.Fatalf("%d pooled: %d wraps of epoch %d open, by a step %v", n, wraps, c.Epoch.number, epoch)
			}
		}
	}
}

func TestTree_SaysWhatIsWrong(t *testing.T) {
	g := newGrove(t, 3, DefaultSuite())
	g.join(1)
	first := g.epoch
	for name, err := range map[string]error{
		"member 0":      g.tree.Add(0, leafKey(0)),
		"one who waits": g.tree.Add(2, leafKey(2)),
	} {
		if err == nil {
			t.Errorf("adding %s is allowed", name)
		}
	}
	if _, err := g.tree.AppendGrant(nil, 2, g.epoch); err == nil {
		t.Error("a grant before the commit")
	}
	g.commit(false)
	if err := g.tree.Add(2, leafKey(2)); err == nil {
		t.Error("a member can be added twice")
	}
	if _, err := g.tree.Commit(first, groveRoster, true); !errors.Is(err, ErrEpoch) {
		t.Errorf("an epoch committed twice: %v", err)
	}
	if _, err := g.tree.AppendGrant(nil, 2, first); !errors.Is(err, ErrEpoch) {
		t.Errorf("a grant of an old epoch: %v", err)
	}
	if _, err := NewTree(0, nil); err == nil {
		t.Error("a tree without an author")
	}
	if _, err := NewTree(9, g.author); err == nil {
		t.Error("a tree of an unknown suite")
	}
	g.tree.Remove(77)
	if g.tree.Removing() {
		t.Error("a stranger was removed")
	}
	g.tree.Wipe()
	if g.tree.Members() != 0 {
		t.Error("members after Wipe")
	}
}

func TestTree_LeafAndNodeNumbers(t *testing.T) {
	// RFC 9420, appendix C: a tree of eight leaves.
	for leaf, want := range [][]node{{0, 1, 3, 7}, {2, 1, 3, 7}, {4, 5, 3, 7}, {6, 5, 3, 7}, {8, 9, 11, 7}, {10, 9, 11, 7}, {12, 13, 11, 7}, {14, 13, 11, 7}} {
		for l, n := range want {
			got := above(uint32(leaf), l)
			if got != n || got.level() != l {
				t.Errorf("leaf %d, level %d: node %d of level %d, want %d", leaf, l, got, got.level(), n)
			}
			if l > 0 && got.left() != above(uint32(leaf)>>l<<l, l-1) || l > 0 && got.right().first() != got.first()+1<<(l-1) {
				t.Errorf("node %d: children %d and %d", got, got.left(), got.right())
			}
		}
	}
	if topOf(3) != 7 || joint(0, 7) != 3 || joint(4, 5) != 1 || joint(6, 6) != 0 {
		t.Error("tops and joints")
	}
}
