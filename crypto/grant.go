package crypto

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// A grant is what the root gives a joiner, and a member that missed a rekey. It
// holds secrets, and travels inside the proven channel only.
//
//	  0  32  the root's public key
//	 32  88  the epoch's state
//	120   4  the member's leaf in the key tree
//	124   1  height of the tree, at most 20
//	125   n  keys of the nodes above the leaf, 32 bytes each, the lowest first
const grantHead = 32 + stateSize + 5

// MaxGrant is the longest grant, in bytes.
const MaxGrant = grantHead + 32*maxHeight

// Grant is what a member holds at one epoch.
type Grant struct {
	Root  *Witness // checks what the root signs
	Epoch *Epoch
	Path  *Path
}

// ErrGrant is matched when a grant is not usable.
var ErrGrant = errors.New("grant refused")

var (
	errGrantSize = fmt.Errorf("%w: its length is not that of any; the other side speaks another version", ErrGrant)
	errGrantLeaf = fmt.Errorf("%w: its leaf does not lie in its tree; the other side speaks another version", ErrGrant)
	errGrantKey  = fmt.Errorf("%w: it names no key of the root", ErrGrant)
)

// AppendGrant appends what makes the holder of a leaf a member at e, the epoch
// of the last commit. Clear it once sent.
func (t *Tree) AppendGrant(b []byte, member uint32, e *Epoch) ([]byte, error) {
	s := t.hidden.of
	leaf, ok := s.leaves[member]
	switch {
	case !ok || leaf == noLeaf:
		return b, fmt.Errorf("crypto: key tree: member %d is not in; add it and commit first", member)
	case e.number != s.epoch:
		return b, fmt.Errorf("%w: the tree stands at epoch %d, not %d", ErrEpoch, s.epoch, e.number)
	}
	b = append(b, s.author.public[:]...)
	b = e.AppendState(b)
	b = binary.BigEndian.AppendUint32(b, leaf)
	b = append(b, byte(s.height))
	for l := 1; l <= s.height; l++ {
		b = append(b, s.nodes[above(leaf, l)].key[:]...)
	}
	return b, nil
}

// ParseGrant reads what AppendGrant wrote. session, params and suite are known
// from elsewhere, suite 0 being DefaultSuite; params is the hash of the parameters alone, which the root's
// key is bound to here (see [BindParams]). root is the root's member id and kek
// this member's [LeafKey].
func ParseGrant(session SessionID, params [32]byte, suite Suite, root uint32, kek [32]byte, b []byte) (*Grant, error) {
	if len(b) < grantHead || len(b) != grantHead+32*int(b[grantHead-1]) || b[grantHead-1] > maxHeight {
		return nil, errGrantSize
	}
	if suite == 0 {
		suite = DefaultSuite()
	}
	if err := suite.Check(); err != nil {
		return nil, err
	}
	public := PublicKey(b[:32])
	if public.IsZero() {
		return nil, errGrantKey
	}
	b = b[32:]
	leaf, height := binary.BigEndian.Uint32(b[stateSize:]), int(b[stateSize+4])
	if leaf>>height != 0 {
		return nil, errGrantLeaf
	}
	e, err := ParseEpochState(session, BindParams(params, public), b[:stateSize])
	if err != nil {
		return nil, err
	}
	keys := make(pathKeys, height+1)
	keys[0] = kek
	for l := range height {
		copy(keys[l+1][:], b[stateSize+5+32*l:])
	}
	w := NewWitness(session, root, public)
	return &Grant{Root: w, Epoch: e, Path: &Path{suite: suite, leaf: leaf, epoch: e.number, witness: w, hidden: &veil[pathKeys]{&keys}}}, nil
}
