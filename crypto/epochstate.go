package crypto

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
)

// Two bodies tell a member of an epoch; both travel only inside a proven
// channel or a sealed packet.
//
// State, 88 bytes, holds the secret: for a joiner, and for everybody when
// somebody left.
//
//	0       8         40        72         88
//	| number | roster  | secret  | confirm  |
//
// Step, 56 bytes, holds none: a member computes the join step itself.
//
//	0       8         40         56
//	| number | roster  | confirm  |
const (
	stateSize = 8 + 32 + 32 + 16
	stepSize  = 8 + 32 + 16
)

// ErrEpoch is matched by every error that refuses an epoch.
var ErrEpoch = errors.New("epoch refused")

var (
	errStateSize   = fmt.Errorf("%w: the state is not %d bytes long; the other side speaks another version", ErrEpoch, stateSize)
	errStepSize    = fmt.Errorf("%w: the join step is not %d bytes long; the other side speaks another version", ErrEpoch, stepSize)
	errStateNumber = fmt.Errorf("%w: number 0 is no epoch", ErrEpoch)
	errConfirm     = fmt.Errorf("%w: its confirmation does not fit: session, parameters or senders differ from the root's; join again", ErrEpoch)
	errStepNumber  = fmt.Errorf("%w: a join step leads to the very next number only; ask the root for the state", ErrEpoch)
)

// AppendState appends the 88 bytes that hand the epoch to a member. They hold
// the secret: clear them once sent. It panics when e was wiped.
func (e *Epoch) AppendState(b []byte) []byte {
	s := e.live()
	b = binary.BigEndian.AppendUint64(b, e.number)
	b = append(b, e.roster[:]...)
	b = append(b, s[:]...)
	return append(b, e.confirm[:]...)
}

// ParseEpochState reads what AppendState wrote, for a session and parameters
// known from elsewhere, and refuses what does not confirm for them.
func ParseEpochState(session SessionID, params [32]byte, b []byte) (*Epoch, error) {
	if len(b) != stateSize {
		return nil, errStateSize
	}
	number := binary.BigEndian.Uint64(b)
	if number == 0 {
		return nil, errStateNumber
	}
	s := new(secret)
	copy(s[:], b[40:72])
	e := newEpoch(session, params, [32]byte(b[8:40]), number, s)
	if subtle.ConstantTimeCompare(e.confirm[:], b[72:]) != 1 {
		e.Wipe()
		return nil, errConfirm
	}
	return e, nil
}

// AppendStep appends the 56 bytes that tell members of the epoch before e to
// take the join step to e.
func (e *Epoch) AppendStep(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, e.number)
	b = append(b, e.roster[:]...)
	return append(b, e.confirm[:]...)
}

// ParseStep takes the join step that b tells of. Only the next number will do:
// a far number would ask for a chain of derivations, and nobody honest sends it.
func (e *Epoch) ParseStep(b []byte) (*Epoch, error) {
	if len(b) != stepSize {
		return nil, errStepSize
	}
	if number := binary.BigEndian.Uint64(b); number != e.number+1 || number == 0 {
		return nil, errStepNumber
	}
	next := e.Next([32]byte(b[8:40]))
	if subtle.ConstantTimeCompare(next.confirm[:], b[40:]) != 1 {
		next.Wipe()
		return nil, errConfirm
	}
	return next, nil
}
