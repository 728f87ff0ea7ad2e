package crypto

import (
	"crypto/subtle"
	"fmt"
	"log/slog"
	"time"
)

// Path is a member's own part of the key tree: its leaf's key and those of the
// nodes above, at one epoch. [Path.Rekey] follows the root's rekeys. A Path is
// not safe for concurrent use.
type Path struct {
	suite   Suite
	leaf    uint32
	epoch   uint64
	witness *Witness
	hidden  *veil[pathKeys]
	partial partial
}

// pathKeys holds the key of the node at each level above a leaf, the leaf's
// first and the tree's top last; wiped it holds none.
type pathKeys []secret

// partial is a rekey of which not all parts are here: of the wraps only those
// under keys of this path are kept, so its size is bounded by the tree's height.
type partial struct {
	head    rekey // of the first part; without lists
	missing int
	have    []uint64 // bits of the parts
	wraps   [maxHeight + 1][]byte
	removed bool
	step    int // lowest level whose node has a joiner below
}

// Epoch returns the number of the epoch that the path is good for.
func (p *Path) Epoch() uint64 { return p.epoch }

// Height returns how many nodes are above the leaf.
func (p *Path) Height() int { return len(*p.hidden.of) - 1 }

// Rekey takes one part of a rekey. e is the newest epoch that this member has,
// which is not changed. With the last missing part it returns the next epoch
// and the outcome Taken; add it to the Ring and wipe e. Parts may come in any
// order and more than once; what leads to no newer epoch is not checked.
//
// Behind and Unfit mean that the root must be asked for a new [Grant], over the
// channel; Removed that it would not give one. The path stays as it is then.
// pairwise says that the packet came under the root's pairwise key, or over the
// channel.
func (p *Path) Rekey(now time.Time, e *Epoch, body []byte, pairwise bool) (*Epoch, Outcome) {
	if len(body) < signatureSize {
		return nil, Malformed
	}
	signed, signature := cutSignature(body)
	var r rekey
	switch {
	case !r.parse(signed, p.suite):
		return nil, Malformed
	case r.number <= p.epoch || p.partial.has(&r):
		return nil, Old
	}
	if o := p.witness.check(now, signRekey, signed, signature, pairwise); o != Taken {
		return nil, o
	}
	return p.follow(e, &r)
}

// follow takes a part that the root has signed.
func (p *Path) follow(e *Epoch, r *rekey) (*Epoch, Outcome) {
	switch {
	case r.number != p.epoch+1:
		return nil, Behind
	case e.number != p.epoch || !p.partial.take(r, p):
		return nil, Unfit
	case p.partial.missing > 0:
		return nil, Held
	case p.partial.removed:
		return nil, Removed
	}
	next := p.apply(e)
	p.partial = partial{}
	if next == nil {
		return nil, Unfit
	}
	return next, Taken
}

// has reports whether the part is here.
func (h *partial) has(r *rekey) bool {
	return h.head.number == r.number && h.head.count == r.count && h.have[r.part/64]>>(r.part%64)&1 == 1
}

// take keeps what concerns p. A part whose head differs from the others' is
// refused: a root that says two things says neither.
func (h *partial) take(r *rekey, p *Path) bool {
	head := *r
	head.part, head.removed, head.added, head.wraps = 0, nil, nil, nil
	if h.missing == 0 {
		*h = partial{head: head, missing: int(r.count), have: make([]uint64, (int(r.count)+63)/64), step: maxHeight + 1}
	} else if !h.head.same(&head) {
		return false
	}
	h.have[r.part/64] |= 1 << (r.part % 64)
	h.missing--
	for leaf := range numbers(r.removed, 4) {
		h.removed = h.removed || leaf == p.leaf
	}
	for leaf := range numbers(r.added, 4) {
		h.step = min(h.step, max(1, joint(leaf, p.leaf)))
	}
	for n, wrap := range numbers(r.wraps, 4+p.suite.wrapSize()) {
		if l := node(n).level(); above(p.leaf, l) == node(n) {
			h.wraps[l] = append([]byte(nil), wrap...)
		}
	}
	return true
}

func (r *rekey) same(o *rekey) bool {
	return r.number == o.number && r.roster == o.roster && r.confirm == o.confirm &&
		r.fresh == o.fresh && r.height == o.height && r.count == o.count
}

// apply computes the next epoch and this path's keys for it; nil, and nothing
// has changed, when they are not those of the root.
func (p *Path) apply(e *Epoch) *Epoch {
	h := &p.partial
	keys, commit := p.climb(&h.head)
	defer commit.wipe()
	var next *Epoch
	switch {
	case keys == nil || (commit != nil) != h.head.fresh:
	case commit != nil:
		next = committedEpoch(e.session, e.params, h.head.roster, h.head.number, commit)
	default:
		next = e.Next(h.head.roster)
	}
	if next == nil || subtle.ConstantTimeCompare(next.confirm[:], h.head.confirm[:]) != 1 {
		if next != nil {
			next.Wipe()
		}
		clear(keys)
		return nil
	}
	for l := h.step; l < len(keys); l++ {
		stepNodeKey(&keys[l], h.head.number)
	}
	clear(*p.hidden.of)
	*p.hidden.of = keys
	p.epoch = h.head.number
	return next
}

// climb goes from the leaf to the top. At each node the secret of the one above
// comes from its wrap, or else from the secret below it; a node without either
// keeps its key. Above the top is what the epoch comes from, if anything.
func (p *Path) climb(r *rekey) (keys pathKeys, commit *secret) {
	old := *p.hidden.of
	if p.leaf>>r.height != 0 {
		return nil, nil
	}
	keys = make(pathKeys, r.height+1)
	for l := range keys {
		if l < len(old) {
			keys[l] = old[l]
		} else {
			setGrownKey(&keys[l], &keys[l-1], r.number)
		}
	}
	var path *secret // of the node at level l, where it got a new one
	for l := range keys {
		n, parent := above(p.leaf, l), commitNode
		if l < r.height {
			parent = above(p.leaf, l+1)
		}
		var up *secret
		switch wrap := p.partial.wraps[l]; {
		case wrap != nil:
			if up = unwrap(p.suite, &keys[l], r.number, n, wrap); up == nil {
				clear(keys)
				path.wipe()
				return nil, nil
			}
		case path != nil:
			up = upward(path, parent)
		}
		path.wipe()
		path = up
		if up != nil && l < r.height {
			setNodeKey(&keys[l+1], up, parent)
		}
	}
	return keys, path
}

// Wipe clears the keys. The path must not be used afterwards.
func (p *Path) Wipe() {
	clear(*p.hidden.of)
	*p.hidden.of = make(pathKeys, 1)
	p.partial = partial{}
	p.epoch = 1<<64 - 1 // nothing comes after it
}

// String names the leaf and hides the keys.
func (p *Path) String() string {
	return fmt.Sprintf("key path of leaf %d, height %d, epoch %d", p.leaf, p.Height(), p.epoch)
}

// GoString is String.
func (p *Path) GoString() string { return p.String() }

// Format is String for every verb.
func (p *Path) Format(f fmt.State, _ rune) { redact(f, p.String()) }

// LogValue is String.
func (p *Path) LogValue() slog.Value { return slog.StringValue(p.String()) }
