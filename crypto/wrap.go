package crypto

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
)

// The key tree's part of the key schedule, after LKH (RFC 2627) with secrets
// that lead upwards as in RFC 9420. epoch is the number of the epoch that a
// change makes, so nothing is ever derived twice.
//
//	leaf's key       = exporter("EXPORTER-joinleaf1-leaf-kek", session id 16 ‖ leaf's member id u32, 32)
//	path secret(up)  = expand(path secret, "path", node above u32, 32)
//	node key         = expand(path secret, "node", node u32, 32)
//	commit secret    = expand(path secret of the top, "path", 0xffffffff, 32)
//	wrap key         = expand(node key, "wrap", epoch u64 ‖ node u32, 32)
//	after a join     : node key = expand(node key, "node join", epoch u64, 32)
//	a higher tree    : key of the new top = expand(key of the old top, "node grow", epoch u64, 32)
//
// A wrap is a secret sealed under a wrap key, which is used once: so the nonce
// of suites 1 and 3 is zero. 32 bytes and the tag; suite 2 puts its nonce first.
const (
	labelPath     = "path"
	labelNode     = "node"
	labelWrap     = "wrap"
	labelNodeJoin = "node join"
	labelNodeGrow = "node grow"
)

func sum256(b []byte) [32]byte { return sha256.Sum256(b) }

// wrapSize is how long a wrapped secret is.
func (s Suite) wrapSize() int { return len(secret{}) + s.Overhead() - headerSize }

func nodeContext(n node) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }

// upward returns the path secret of the node above.
func upward(from *secret, to node) *secret {
	out := new(secret)
	expand(out[:], from[:], labelPath, nodeContext(to))
	return out
}

// setNodeKey puts the key that follows from a path secret.
func setNodeKey(out, path *secret, n node) { expand(out[:], path[:], labelNode, nodeContext(n)) }

// stepNodeKey moves a key on when somebody joined below: one way, so that the
// joiner opens no wrap from before.
func stepNodeKey(key *secret, epoch uint64) {
	next := new(secret)
	expand(next[:], key[:], labelNodeJoin, be64(epoch))
	*key = *next
	next.wipe()
}

// setGrownKey puts the key of a top that is put over an old one.
func setGrownKey(out, old *secret, epoch uint64) { expand(out[:], old[:], labelNodeGrow, be64(epoch)) }

// draw returns a fresh secret. crypto/rand does not fail: the process ends
// first.
func draw() *secret {
	s := new(secret)
	_, _ = rand.Read(s[:])
	return s
}

func wrapKey(key *secret, epoch uint64, n node) *secret {
	out := new(secret)
	expand(out[:], key[:], labelWrap, append(be64(epoch), nodeContext(n)...))
	return out
}

// appendWrap appends content sealed for all who have the key of node n.
func appendWrap(b []byte, s Suite, key *secret, epoch uint64, n node, content *secret) []byte {
	k := wrapKey(key, epoch, n)
	defer k.wipe()
	a := newAEAD(s, k)
	return a.Seal(b, make([]byte, a.NonceSize()), content[:], nil)
}

// unwrap returns the content, or nil when it does not open.
func unwrap(s Suite, key *secret, epoch uint64, n node, wrap []byte) *secret {
	k := wrapKey(key, epoch, n)
	defer k.wipe()
	a := newAEAD(s, k)
	b, err := a.Open(make([]byte, 0, 64), make([]byte, a.NonceSize()), wrap, nil)
	if err != nil || len(b) != len(secret{}) {
		return nil
	}
	defer clear(b)
	out := secret(b)
	return &out
}

// LeafKey returns the key of a leaf in the key tree, which both ends of its
// channel derive and which is never sent:
//
//	exporter("EXPORTER-joinleaf1-leaf-kek", session id 16 ‖ leaf u32, 32)
//
// Clear it once it is in a [Tree] or a [Grant] was parsed.
func LeafKey(ch *Channel, session SessionID, leaf uint32) (key [32]byte, err error) {
	b, err := ch.Export("EXPORTER-joinleaf1-leaf-kek", leafContext(session, leaf), len(key))
	if err != nil {
		return key, err
	}
	copy(key[:], b)
	clear(b)
	return key, nil
}

func leafContext(session SessionID, leaf uint32) []byte {
	return binary.BigEndian.AppendUint32(append(make([]byte, 0, 20), session[:]...), leaf)
}
