package crypto

import (
	"errors"
	"fmt"
)

// What Seal refuses with.
var (
	// ErrNoKey is matched when there is nothing to seal under: no epoch is
	// active, or the member has no pairwise keys.
	ErrNoKey = errors.New("no key to seal with")
	// ErrExhausted is matched when a secret has sealed 2^48 packets. It seals
	// no more: move to another epoch.
	ErrExhausted = errors.New("packet numbers used up; a new epoch is needed")
	// ErrKind is matched when a packet kind may not be sealed.
	ErrKind = errors.New("packet kind is never sealed")

	errNoEpoch = fmt.Errorf("%w: no epoch is active; call Activate", ErrNoKey)
	errNoPair  = fmt.Errorf("%w: the member has no pairwise keys; call Pair, or it left", ErrNoKey)
)

// outbound is our own sealing under one secret. Its packet number only rises,
// so that no nonce comes twice under a key. Guarded by the ring's sealing lock.
type outbound struct {
	secret *secret // nil once wiped
	keyID  uint32
	next   uint64
	key    *generation
}

// take returns the next packet number and its key.
func (o *outbound) take(build maker) (uint64, *generation, error) {
	if o.secret == nil {
		return 0, nil, errNoEpoch
	}
	number := o.next
	if number > lastNumber {
		return 0, nil, ErrExhausted
	}
	if g := generationOf(number); o.key == nil || o.key.number != g {
		o.key = newGeneration(o.secret, g, build)
	}
	o.next++
	return number, o.key, nil
}

func (o *outbound) wipe() {
	o.secret.wipe()
	o.secret, o.key = nil, nil
}
