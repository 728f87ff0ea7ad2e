package crypto

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
)

// Epoch is one secret that all members share and the number it goes by. Keys
// move on by making another: [Epoch.Next] when somebody joined, [Epoch.Fresh]
// when somebody left or time passed. An Epoch does not change until it is
// wiped; nothing may use it during or after [Epoch.Wipe].
type Epoch struct {
	session SessionID
	params  [32]byte
	roster  [32]byte
	number  uint64
	hidden  *hidden // holds nil once wiped
	keyID   uint32
	confirm [16]byte
}

// FirstEpoch begins a session: number 1 and a fresh secret. params is the hash
// of the session's parameters and roster that of its senders (see [Roster]);
// both go into every key.
func FirstEpoch(session SessionID, params, roster [32]byte) (*Epoch, error) {
	return freshEpoch(session, params, roster, 1)
}

// Fresh returns the next epoch with a secret from new randomness, which nobody
// can compute who is not told: for when a member left, and for timers.
func (e *Epoch) Fresh(roster [32]byte) (*Epoch, error) {
	return freshEpoch(e.session, e.params, roster, e.number+1)
}

// Next returns the next epoch by the one-way join step: whoever has e can
// compute it, and whoever starts with the result cannot go back to e.
// It panics when e was wiped.
func (e *Epoch) Next(roster [32]byte) *Epoch {
	ctx := groupContext(e.session, e.params, e.number+1, roster)
	s := new(secret)
	expand(s[:], e.live()[:], labelJoin, ctx)
	return newEpoch(e.session, e.params, roster, e.number+1, s)
}

func freshEpoch(session SessionID, params, roster [32]byte, number uint64) (*Epoch, error) {
	commit := new(secret)
	defer commit.wipe()
	if _, err := rand.Read(commit[:]); err != nil {
		return nil, fmt.Errorf("crypto: no randomness for epoch %d: %w", number, err)
	}
	return committedEpoch(session, params, roster, number, commit), nil
}

// committedEpoch is freshEpoch with the randomness given.
func committedEpoch(session SessionID, params, roster [32]byte, number uint64, commit *secret) *Epoch {
	top, s := new(secret), new(secret)
	defer top.wipe()
	extract(top, session, commit)
	expand(s[:], top[:], labelEpoch, groupContext(session, params, number, roster))
	return newEpoch(session, params, roster, number, s)
}

func newEpoch(session SessionID, params, roster [32]byte, number uint64, s *secret) *Epoch {
	e := &Epoch{session: session, params: params, roster: roster, number: number, hidden: &hidden{s}}
	e.keyID = keyID(s)
	expand(e.confirm[:], s[:], labelConfirm, groupContext(session, params, number, roster))
	return e
}

// groupContext is gctx of the key schedule.
func groupContext(session SessionID, params [32]byte, number uint64, roster [32]byte) []byte {
	b := append(make([]byte, 0, 88), session[:]...)
	b = append(b, params[:]...)
	b = binary.BigEndian.AppendUint64(b, number)
	return append(b, roster[:]...)
}

// live returns the secret. A wiped one reads as zeros, a key that everybody
// knows, so using it is not an error to carry on from.
func (e *Epoch) live() *secret {
	if e.wiped() {
		panic(fmt.Sprintf("crypto: epoch %d was wiped and is still used", e.number))
	}
	return e.hidden.secret
}

// Number returns the epoch's number: 1 is the first.
func (e *Epoch) Number() uint64 { return e.number }

// KeyID returns what packets of this epoch carry in their header.
func (e *Epoch) KeyID() uint32 { return e.keyID }

// RosterHash returns the hash of the senders that the epoch was made for.
func (e *Epoch) RosterHash() [32]byte { return e.roster }

// Confirm returns what two members compare to know that they have the same
// secret, parameters and roster. It is no secret.
func (e *Epoch) Confirm() [16]byte { return e.confirm }

// Wipe clears the secret. Rings that the epoch was added to keep their own.
func (e *Epoch) Wipe() {
	e.hidden.secret.wipe()
	e.hidden.secret = nil
}

func (e *Epoch) wiped() bool { return e.hidden.secret == nil }

// String names the epoch and hides its secret.
func (e *Epoch) String() string { return fmt.Sprintf("epoch %d, key %08x", e.number, e.keyID) }

// GoString is String: %#v shows no more.
func (e *Epoch) GoString() string { return e.String() }

// Format is String for every verb.
func (e *Epoch) Format(f fmt.State, _ rune) { redact(f, e.String()) }

// LogValue is String.
func (e *Epoch) LogValue() slog.Value { return slog.StringValue(e.String()) }
