package crypto

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A grove is a root's tree and all its members, each with what it was granted.
type grove struct {
	tb      testing.TB
	rng     *rand.Rand
	suite   Suite
	author  *Author
	tree    *Tree
	epoch   *Epoch
	members map[uint32]*Grant
	joining []uint32
	leaving []uint32
	last    uint32
	now     time.Time
	wrapped map[[2]uint64]bool // epoch and node of every wrap
}

var (
	groveSession = SessionID{7, 7}
	groveParams  = [32]byte{8}
	groveRoster  = Roster([]uint32{1})
)

func newGrove(tb testing.TB, seed uint64, suite Suite) *grove {
	tb.Helper()
	tb.Logf("seed %d, %v", seed, suite)
	a, err := NewAuthor(groveSession, 1)
	must(tb, err)
	tree, err := NewTree(suite, a)
	must(tb, err)
	e, err := FirstEpoch(groveSession, BindParams(groveParams, a.Public()), groveRoster)
	must(tb, err)
	return &grove{tb: tb, rng: rand.New(rand.NewPCG(seed, 1)), suite: suite, author: a, tree: tree, epoch: e,
		members: map[uint32]*Grant{}, last: 1, now: time.Unix(1000, 0), wrapped: map[[2]uint64]bool{}}
}

// leafKey stands for the exporter of a member's channel.
func leafKey(member uint32) (kek [32]byte) {
	expand(kek[:], []byte("the exporter of a channel"), "test", []byte{byte(member >> 16), byte(member >> 8), byte(member)})
	return kek
}

func (g *grove) join(n int) {
	g.tb.Helper()
	for range n {
		g.last++
		must(g.tb, g.tree.Add(g.last, leafKey(g.last)))
		g.joining = append(g.joining, g.last)
	}
}

// fill lets many in, and follows only the first few, which it returns: a tree of
// ten thousand members is quick, ten thousand members are not.
func (g *grove) fill(n, few int) []uint32 {
	g.tb.Helper()
	first := g.last + 1
	g.join(n)
	all := g.joining
	g.joining = all[:min(n, few)]
	g.commit(false)
	if g.joining != nil || len(g.members) < min(n, few) || g.tree.Members() < n || all[0] != first {
		g.tb.Fatal("the tree is not full")
	}
	return all
}

// leave removes members and returns what they had.
func (g *grove) leave(ids ...uint32) (gone []*Grant) {
	for _, id := range ids {
		g.tree.Remove(id)
		g.leaving = append(g.leaving, id)
		gone = append(gone, g.members[id])
		delete(g.members, id)
	}
	return gone
}

// some returns n members' ids, at random.
func (g *grove) some(n int) []uint32 {
	ids := make([]uint32, 0, len(g.members))
	for id := range g.members {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	g.rng.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	return ids[:n]
}

func (g *grove) grant(id uint32) *Grant {
	g.tb.Helper()
	b, err := g.tree.AppendGrant(nil, id, g.epoch)
	must(g.tb, err)
	gr, err := ParseGrant(groveSession, groveParams, g.suite, 1, leafKey(id), b)
	must(g.tb, err)
	return gr
}

// commit lets everybody follow: members by the parts, in any order and some
// twice, joiners by their grants.
func (g *grove) commit(fresh bool) *Commit {
	g.tb.Helper()
	c, err := g.tree.Commit(g.epoch, groveRoster, fresh)
	must(g.tb, err)
	g.epoch = c.Epoch
	g.noteWraps(c)
	for id, gr := range g.members {
		g.follow(id, gr, c)
	}
	for _, id := range g.joining {
		g.members[id] = g.grant(id)
	}
	g.joining, g.leaving = nil, nil
	return c
}

// noteWraps holds a commit to P7: a wrap's key comes of the epoch and the node,
// so no two wraps may have both in common.
func (g *grove) noteWraps(c *Commit) {
	g.tb.Helper()
	for _, part := range c.Parts {
		var r rekey
		body, _ := cutSignature(part)
		if !r.parse(body, g.suite) || r.number != c.Epoch.number {
			g.tb.Fatal("a rekey does not parse")
		}
		for n := range numbers(r.wraps, 4+g.suite.wrapSize()) {
			if id := [2]uint64{r.number, uint64(n)}; g.wrapped[id] {
				g.tb.Fatalf("two wraps of epoch %d under the key of node %d", r.number, n)
			} else {
				g.wrapped[id] = true
			}
		}
	}
}

func (g *grove) follow(id uint32, gr *Grant, c *Commit) {
	g.tb.Helper()
	order := g.rng.Perm(len(c.Parts))
	for i, part := range order {
		next, o := gr.Path.Rekey(g.now, gr.Epoch, c.Parts[part], false)
		if i < len(order)-1 {
			if o != Held {
				g.tb.Fatalf("member %d: part %d of %d: %v", id, i, len(order), o)
			}
			if _, o = gr.Path.Rekey(g.now, gr.Epoch, c.Parts[part], false); o != Old {
				g.tb.Fatalf("member %d: part %d again: %v", id, i, o)
			}
			continue
		}
		if o != Taken || next.keyID != c.Epoch.keyID || next.confirm != c.Epoch.confirm {
			g.tb.Fatalf("member %d, epoch %d: %v", id, c.Epoch.number, o)
		}
		gr.Epoch.Wipe()
		gr.Epoch = next
	}
}

// check holds every member's path to the tree.
func (g *grove) check() {
	g.tb.Helper()
	s := g.tree.hidden.of
	if len(s.leaves) != len(g.members) || g.tree.Members() != len(g.members) || int(s.nodes[topOf(s.height)].members) != len(g.members) {
		g.tb.Fatalf("the tree has %d members of %d", len(s.leaves), len(g.members))
	}
	for id, gr := range g.members {
		keys := *gr.Path.hidden.of
		if len(keys) != s.height+1 || gr.Path.Epoch() != g.epoch.number {
			g.tb.Fatalf("member %d has height %d, epoch %d; the tree %d, %d", id, len(keys)-1, gr.Path.Epoch(), s.height, g.epoch.number)
		}
		for l, key := range keys {
			if n := above(gr.Path.leaf, l); key != s.nodes[n].key || key == (secret{}) {
				g.tb.Fatalf("member %d has another key of node %d, level %d", id, n, l)
			}
		}
	}
	for n := range s.nodes {
		if x := &s.nodes[n]; (x.members == 0) != (x.key == secret{}) {
			g.tb.Fatalf("node %d of %d members: its key is wrong", n, x.members)
		}
	}
}

// A hoard is what somebody kept who is, or was, a member: every key of every
// node that it ever had, and every epoch. It goes on from there by whatever
// anybody can compute.
type hoard struct {
	suite  Suite
	keys   map[secret]bool          // all that there ever were
	newest map[node]map[secret]bool // as they are after the last step
	epochs []*Epoch
	height int
}

func newHoard(s Suite) *hoard {
	return &hoard{suite: s, keys: map[secret]bool{}, newest: map[node]map[secret]bool{}}
}

func (h *hoard) keep(n node, key secret) {
	if h.newest[n] == nil {
		h.newest[n] = map[secret]bool{}
	}
	h.newest[n][key], h.keys[key] = true, true
}

// take adds what a member holds.
func (h *hoard) take(gr *Grant) {
	for l, key := range *gr.Path.hidden.of {
		h.keep(above(gr.Path.leaf, l), key)
	}
	h.height = max(h.height, gr.Path.Height())
	h.epochs = append(h.epochs, newEpoch(gr.Epoch.session, gr.Epoch.params, gr.Epoch.roster, gr.Epoch.number, new(*gr.Epoch.live())))
}

// opens tries everything on a commit: how many of its wraps open under a key
// that was kept, and whether its epoch follows from one that was.
func (h *hoard) opens(tb testing.TB, c *Commit) (wraps int, epoch bool) {
	tb.Helper()
	for _, part := range c.Parts {
		var r rekey
		body, _ := cutSignature(part)
		if !r.parse(body, h.suite) {
			tb.Fatal("a rekey does not parse")
		}
		for n, wrap := range numbers(r.wraps, 4+h.suite.wrapSize()) {
			for key := range h.keys { // a key may have become another node's
				if unwrap(h.suite, &key, r.number, node(n), wrap) != nil {
					wraps++
				}
			}
		}
		h.goOn(&r)
	}
	for _, e := range h.epochs {
		if e.number+1 == c.Epoch.number {
			next := e.Next(c.Epoch.roster)
			epoch = epoch || next.confirm == c.Epoch.confirm
			h.epochs = append(h.epochs, next)
		}
	}
	return wraps, epoch
}

// goOn takes the steps that a rekey tells of, with every key.
func (h *hoard) goOn(r *rekey) {
	for l := h.height; l < r.height; l++ {
		for key := range h.newest[topOf(l)] {
			var grown secret
			setGrownKey(&grown, &key, r.number)
			h.keep(topOf(l+1), grown)
		}
	}
	h.height = max(h.height, r.height)
	for n, keys := range h.newest {
		for leaf := range numbers(r.added, 4) {
			if l := n.level(); l == 0 || above(leaf, l) != n {
				continue
			}
			h.newest[n] = nil
			for key := range keys {
				stepNodeKey(&key, r.number)
				h.keep(n, key)
			}
			break
		}
	}
}
