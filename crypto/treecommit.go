package crypto

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
)

// Commit is what [Tree.Commit] made: the next epoch, and what the members of
// the one before need to follow.
type Commit struct {
	Epoch *Epoch
	Fresh bool // from new randomness: who was removed cannot follow
	// Parts are signed rekeys, each at most MaxRekey bytes. A member needs all
	// of them, in any order; see Path.Rekey. They hold no secret that is not
	// sealed.
	Parts [][]byte
	Wraps int // sealed secrets in all parts
}

// committing is a commit on its way.
type committing struct {
	*treeState
	suite  Suite
	number uint64
	rekey  rekey
}

// Commit makes the epoch that follows e, the newest, for those who are in after
// all that was added and removed since the last one. With somebody removed, or
// fresh set, its secret is new randomness: for a timer, told under the top's
// key; for a removal, such that nobody can compute it from what the removed
// knew. Else it is the one-way step from e that joiners need.
//
// Joiners, and members that missed something, get [Tree.AppendGrant]. e is left
// as it is. The only errors are of use: a number that was committed already,
// which would seal two secrets under one key.
func (t *Tree) Commit(e *Epoch, roster [32]byte, fresh bool) (*Commit, error) {
	s := t.hidden.of
	number := e.number + 1
	if number <= s.epoch || number == 0 {
		return nil, fmt.Errorf("%w: epoch %d comes after epoch %d was committed; numbers must rise", ErrEpoch, number, s.epoch)
	}
	e.live()
	s.epoch = number
	c := &committing{treeState: s, suite: t.suite, number: number}
	gone := s.vacate()
	s.fit(number)
	out := &Commit{Fresh: fresh || len(gone) > 0}
	if out.Fresh {
		commit := c.commitSecret(gone)
		out.Epoch = committedEpoch(e.session, e.params, roster, number, commit)
		commit.wipe()
	} else {
		out.Epoch = e.Next(roster)
	}
	added := make([]uint32, 0, len(s.joining))
	last := uint32(0)
	for i := range s.joining {
		last = s.seat(&s.joining[i], number, last, i == 0)
		added = append(added, last)
	}
	clear(s.joining)
	s.joining = s.joining[:0]
	c.rekey.number, c.rekey.roster, c.rekey.confirm = number, roster, out.Epoch.confirm
	c.rekey.fresh, c.rekey.height = out.Fresh, s.height
	out.Wraps = len(c.rekey.wraps) / (4 + t.suite.wrapSize())
	out.Parts = c.rekey.parts(s.author, t.suite, gone, added)
	return out, nil
}

// commitSecret puts new keys above the leaves that are gone, tells them to
// those who stay, and returns what the epoch's secret comes from.
func (c *committing) commitSecret(gone []uint32) *secret {
	top := topOf(c.height)
	inside := gone[:c.before(gone, 1<<c.height)]
	if len(inside) > 0 {
		if path := c.refresh(top, inside); path != nil {
			defer path.wipe()
			c.sortWraps()
			return upward(path, commitNode)
		}
	}
	commit := draw()
	if c.nodes[top].members > 0 { // nobody who left had the top's key: a timer, or the tree got lower
		c.wrap(top, commit)
	}
	return commit
}

// before counts the leaves below a limit.
func (c *committing) before(leaves []uint32, limit uint32) int {
	i, _ := slices.BinarySearch(leaves, limit)
	return i
}

// refresh gives n, which has the leaves of gone below it, a new key and returns
// the path secret that it comes from; nil: nobody is left below. The secret
// leads upwards from one child that got a new key, or is drawn where none did.
// Everybody below the other child gets it wrapped under that child's key.
func (c *committing) refresh(n node, gone []uint32) *secret {
	if n.level() == 0 {
		return nil
	}
	left, right := n.left(), n.right()
	k := c.before(gone, right.first())
	var from [2]*secret
	if k > 0 {
		from[0] = c.refresh(left, gone[:k])
		defer from[0].wipe()
	}
	if k < len(gone) {
		from[1] = c.refresh(right, gone[k:])
		defer from[1].wipe()
	}
	if c.nodes[n].members == 0 {
		return nil
	}
	var path *secret
	leads := slices.IndexFunc(from[:], func(s *secret) bool { return s != nil })
	if leads >= 0 {
		path = upward(from[leads], n)
	} else {
		path = draw()
	}
	for i, child := range [2]node{left, right} {
		if i != leads && c.nodes[child].members > 0 {
			c.wrap(child, path)
		}
	}
	setNodeKey(&c.nodes[n].key, path, n)
	return path
}

// wrap tells content to everybody below n.
func (c *committing) wrap(n node, content *secret) {
	b := binary.BigEndian.AppendUint32(c.rekey.wraps, uint32(n))
	c.rekey.wraps = appendWrap(b, c.suite, &c.nodes[n].key, c.number, n, content)
}

// sortWraps puts the wraps in rising order of nodes, so that what a subtree
// needs stands together and a rekey has one form only.
func (c *committing) sortWraps() {
	size := 4 + c.suite.wrapSize()
	sorted := slices.Collect(slices.Chunk(c.rekey.wraps, size))
	slices.SortFunc(sorted, bytes.Compare)
	c.rekey.wraps = slices.Concat(sorted...)
}
