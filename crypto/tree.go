package crypto

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
)

// Tree is the root's key tree: a key for every member, its leaf, and one for
// every node above, which all members below that node have. When a member
// leaves, the nodes above it get new keys, told under the keys of the subtrees
// beside its path: one small packet for any size. When one joins, the nodes
// above it take a one-way step, which the others compute.
//
// [Tree.Add] and [Tree.Remove] gather what the next [Tree.Commit] does at once.
// A Tree is not safe for concurrent use. It needs 36 bytes a node, two nodes a
// leaf.
type Tree struct {
	suite  Suite
	hidden *veil[treeState]
}

type treeState struct {
	author  *Author
	nodes   []treeNode // 2^(height+1) - 1, by node number
	height  int
	leaves  map[uint32]uint32 // leaf of each member that is in; noLeaf of one that joins
	joining []joiner          // for the next commit, in the order of Add
	leaving []uint32          // leaves, likewise
	epoch   uint64            // of the last commit: no number is committed twice
}

// treeNode is a node's key and how many members it has below. One without
// members has no key: the next to come gets one that nobody knew.
type treeNode struct {
	key     secret
	members uint32
}

type joiner struct {
	member uint32
	kek    *secret
}

// MaxLeaves bounds a Tree.
const MaxLeaves = 1 << maxHeight

const noLeaf = 1<<32 - 1

// NewTree makes a tree without members for the session whose rekeys author
// signs. suite seals the wraps; zero means DefaultSuite.
func NewTree(suite Suite, author *Author) (*Tree, error) {
	if suite == 0 {
		suite = DefaultSuite()
	}
	if err := suite.Check(); err != nil {
		return nil, fmt.Errorf("crypto: key tree: %w", err)
	}
	if author == nil {
		return nil, errors.New("crypto: key tree: an Author is needed: rekeys are signed")
	}
	return &Tree{suite, &veil[treeState]{&treeState{author: author, nodes: make([]treeNode, 1), leaves: make(map[uint32]uint32)}}}, nil
}

// Add lets a member in with the next commit. kek is its [LeafKey].
func (t *Tree) Add(member uint32, kek [32]byte) error {
	s := t.hidden.of
	switch _, in := s.leaves[member]; {
	case member == 0:
		return errors.New("crypto: key tree: member 0 stands for the group and cannot be added")
	case in:
		return fmt.Errorf("crypto: key tree: member %d is in already; ids are used once", member)
	case len(s.leaves) >= MaxLeaves:
		return fmt.Errorf("crypto: key tree: %w for another member: %d are in", ErrFull, MaxLeaves)
	}
	own := secret(kek)
	s.leaves[member] = noLeaf
	s.joining = append(s.joining, joiner{member, &own})
	return nil
}

// Remove shuts a member out with the next commit. Who is not in is passed over;
// who was to be added is not.
func (t *Tree) Remove(member uint32) {
	s := t.hidden.of
	leaf, in := s.leaves[member]
	switch {
	case !in:
		return
	case leaf != noLeaf:
		s.leaving = append(s.leaving, leaf)
	default:
		i := slices.IndexFunc(s.joining, func(j joiner) bool { return j.member == member })
		s.joining[i].kek.wipe()
		s.joining = slices.Delete(s.joining, i, i+1)
	}
	delete(s.leaves, member)
}

// Members is how many members are in, those that wait for a commit included.
func (t *Tree) Members() int { return len(t.hidden.of.leaves) }

// Removing reports whether a member waits to be shut out: the next commit is
// fresh, whatever it was asked for.
func (t *Tree) Removing() bool { return len(t.hidden.of.leaving) > 0 }

// Wipe clears every key. The tree is empty afterwards and must not be used.
func (t *Tree) Wipe() {
	s := t.hidden.of
	clear(s.nodes)
	for _, j := range s.joining {
		j.kek.wipe()
	}
	*s = treeState{author: s.author, nodes: make([]treeNode, 1), leaves: make(map[uint32]uint32), epoch: s.epoch}
}

// String says how large the tree is and hides its keys.
func (t *Tree) String() string {
	return fmt.Sprintf("key tree of %d members, height %d", len(t.hidden.of.leaves), t.hidden.of.height)
}

// GoString is String.
func (t *Tree) GoString() string { return t.String() }

// Format is String for every verb.
func (t *Tree) Format(f fmt.State, _ rune) { redact(f, t.String()) }

// LogValue is String.
func (t *Tree) LogValue() slog.Value { return slog.StringValue(t.String()) }

// vacate takes the leaving members off the counts and forgets the keys of nodes
// that nobody is left below. It returns the leaves, rising.
func (s *treeState) vacate() []uint32 {
	gone := s.leaving
	s.leaving = nil
	slices.Sort(gone)
	for _, leaf := range gone {
		for l := range s.height + 1 {
			n := &s.nodes[above(leaf, l)]
			if n.members--; n.members == 0 {
				n.key.wipe()
			}
		}
	}
	return gone
}

// fit makes the tree high enough for those who join, and no higher than it must
// be: the right half of a tree goes when nobody is in it.
func (s *treeState) fit(epoch uint64) {
	need := uint32(len(s.joining))
	for top := topOf(s.height); s.nodes[top].members+need > 1<<s.height; top = topOf(s.height) {
		s.height++
		nodes := make([]treeNode, 2<<s.height-1)
		copy(nodes, s.nodes)
		clear(s.nodes)
		s.nodes = nodes
		grown, old := &nodes[topOf(s.height)], &nodes[top]
		if grown.members = old.members; old.members > 0 {
			setGrownKey(&grown.key, &old.key, epoch)
		}
	}
	for s.height > 0 {
		top := topOf(s.height)
		if s.nodes[top.right()].members > 0 || s.nodes[top].members+need > 1<<(s.height-1) {
			return
		}
		s.height--
		size := 2<<s.height - 1
		clear(s.nodes[size:])
		s.nodes = s.nodes[:size:size]
	}
}

// seat puts a joiner into the lowest free leaf and moves the keys above it on,
// those below level done only: the others have taken this commit's step. A node
// that had no members gets a key that nobody knows.
func (s *treeState) seat(j *joiner, epoch uint64, last uint32, first bool) uint32 {
	leaf := s.free()
	done := s.height + 1
	if !first {
		done = joint(leaf, last)
	}
	for l := range s.height + 1 {
		n := &s.nodes[above(leaf, l)]
		switch {
		case l == 0:
			n.key = *j.kek
		case n.members == 0:
			fresh := draw()
			n.key = *fresh
			fresh.wipe()
		case l < done:
			stepNodeKey(&n.key, epoch)
		}
		n.members++
	}
	s.leaves[j.member] = leaf
	j.kek.wipe()
	return leaf
}

// free finds the lowest leaf without a member; fit has seen to it that there is
// one.
func (s *treeState) free() uint32 {
	n := topOf(s.height)
	for l := s.height; l > 0; l-- {
		if s.nodes[n.left()].members < 1<<(l-1) {
			n = n.left()
		} else {
			n = n.right()
		}
	}
	return n.first()
}
