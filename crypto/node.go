package crypto

import "math/bits"

// A node of the key tree, numbered as in RFC 9420, appendix C: leaf i is node
// 2i, the nodes between are odd, and a number does not change when the tree
// grows to the right. The level of a node is its height above the leaves: the
// number of ones that its number ends with.
type node uint32

const (
	// maxHeight bounds what is parsed: a million leaves.
	maxHeight = 20
	// commitNode stands above the top: the chain of path secrets ends there.
	commitNode node = 1<<32 - 1
)

// above returns the node at a level above a leaf.
func above(leaf uint32, level int) node {
	return node(leaf>>level<<(level+1) | (1<<level - 1))
}

// topOf returns the node over a whole tree.
func topOf(height int) node { return 1<<height - 1 }

func (n node) level() int { return bits.TrailingZeros32(^uint32(n)) }

// left and right are the children of a node that is not a leaf.
func (n node) left() node  { return n - 1<<(n.level()-1) }
func (n node) right() node { return n + 1<<(n.level()-1) }

// first is the first leaf below n.
func (n node) first() uint32 { return uint32(n) >> (n.level() + 1) << n.level() }

// joint is the lowest level at which two leaves have a node in common.
func joint(a, b uint32) int { return bits.Len32(a ^ b) }
