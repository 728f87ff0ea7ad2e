package crypto

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// The key schedule, HKDF-SHA-256 (RFC 5869). Every step is
//
//	expand(secret, label, ctx, n): info = "joinleaf1 " ‖ label ‖ 0x00 ‖ len16(ctx) ‖ ctx
//
// and the steps are
//
//	gctx(e)         = session id 16 ‖ params hash 32 ‖ epoch u64 ‖ roster hash 32
//	fresh           : secret(e+1) = expand(Extract(salt = session id, 32 random bytes), "epoch", gctx(e+1), 32)
//	join            : secret(e+1) = expand(secret(e), "epoch join", gctx(e+1), 32)
//	key id          = expand(secret, "key id", "", 4)
//	confirm(e)      = expand(secret(e), "confirm", gctx(e), 16)
//	sender secret   = expand(secret, "sender", sender u32 ‖ incarnation u16, 32)
//	data key, iv    = expand(sender secret, "data key" / "data iv", generation u32, 32 / 12)
//
// A pairwise key takes the sender secret's place and has a key id of its own.
// confirm covers gctx, so a member that was told other parameters or another
// roster sees it at once, not by packets that never open.
const (
	labelPrefix  = "joinleaf1 "
	labelEpoch   = "epoch"
	labelJoin    = "epoch join"
	labelKeyID   = "key id"
	labelConfirm = "confirm"
	labelSender  = "sender"
	labelDataKey = "data key"
	labelDataIV  = "data iv"
)

// incarnation is part of the sender's derivation and always zero: a process
// that comes back gets a new sender id instead.
const incarnation = 0

// SessionID names one run of a session: 16 random bytes, new at every start of
// the root and never read from disk. It is no secret.
type SessionID [16]byte

// NewSessionID draws a session id.
func NewSessionID() (SessionID, error) {
	var id SessionID
	_, err := rand.Read(id[:])
	return id, err
}

// String returns the id in hexadecimal.
func (id SessionID) String() string { return hex.EncodeToString(id[:]) }

// tag is what packets carry of a session id: it finds, it does not prove.
func (id SessionID) tag() uint32 {
	sum := sha256.Sum256(id[:])
	return binary.BigEndian.Uint32(sum[:])
}

// Roster returns the hash of a set of sender ids: SHA-256 of
// "joinleaf1 roster" ‖ 0x00 ‖ the ids, each a u32, in rising order and without
// repeats. Order and repeats in ids do not matter and ids is left as it is.
func Roster(ids []uint32) [32]byte {
	sorted := slices.Clone(ids)
	slices.Sort(sorted)
	b := append(make([]byte, 0, 17+4*len(sorted)), labelPrefix+"roster\x00"...)
	for _, id := range slices.Compact(sorted) {
		b = binary.BigEndian.AppendUint32(b, id)
	}
	return sha256.Sum256(b)
}

// expand fills out from key. The lengths are ours and fixed, so HKDF has no
// reason to refuse; if it ever does, going on with an empty key would be worse
// than stopping.
func expand(out, key []byte, label string, ctx []byte) {
	info := make([]byte, 0, len(labelPrefix)+len(label)+3+len(ctx))
	info = append(append(info, labelPrefix...), label...)
	info = append(info, 0)
	info = binary.BigEndian.AppendUint16(info, uint16(len(ctx)))
	info = append(info, ctx...)
	guard(func() {
		derived, err := hkdf.Expand(sha256.New, key, string(info), len(out))
		if err != nil {
			panic("crypto: HKDF-Expand refused " + label + ": " + err.Error())
		}
		copy(out, derived)
		clear(derived)
	})
}

// extract turns fresh randomness into a key to expand from.
func extract(out *secret, salt SessionID, commit *secret) {
	guard(func() {
		key, err := hkdf.Extract(sha256.New, commit[:], salt[:])
		if err != nil {
			panic("crypto: HKDF-Extract refused: " + err.Error())
		}
		copy(out[:], key)
		clear(key)
	})
}

// keyID names a secret on packets without telling anything about it, so that
// epochs of two halves of a parted session cannot be confused.
func keyID(s *secret) uint32 {
	var b [4]byte
	expand(b[:], s[:], labelKeyID, nil)
	return binary.BigEndian.Uint32(b[:])
}

// senderSecret is what one sender's data keys come from.
func senderSecret(epoch *secret, sender uint32) *secret {
	ctx := binary.BigEndian.AppendUint32(make([]byte, 0, 6), sender)
	ctx = binary.BigEndian.AppendUint16(ctx, incarnation)
	out := new(secret)
	expand(out[:], epoch[:], labelSender, ctx)
	return out
}

// dataKey is the key and the nonce base of one generation.
func dataKey(from *secret, generation uint32) (key *secret, iv [12]byte) {
	ctx := binary.BigEndian.AppendUint32(make([]byte, 0, 4), generation)
	key = new(secret)
	expand(key[:], from[:], labelDataKey, ctx)
	expand(iv[:], from[:], labelDataIV, ctx)
	return key, iv
}
