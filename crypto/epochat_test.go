package crypto

import (
	"errors"
	"testing"
)

func TestEpochAt_IsFreshAndOfThatNumber(t *testing.T) {
	session, err := NewSessionID()
	if err != nil {
		t.Fatal(err)
	}
	a, err := EpochAt(session, [32]byte{1}, [32]byte{2}, 7<<32|1)
	if err != nil {
		t.Fatal(err)
	}
	b, err := EpochAt(session, [32]byte{1}, [32]byte{2}, 7<<32|1)
	if err != nil {
		t.Fatal(err)
	}
	if a.Number() != 7<<32|1 || a.KeyID() == b.KeyID() {
		t.Errorf("%v and %v", a, b)
	}
	again, err := ParseEpochState(session, [32]byte{1}, a.AppendState(nil))
	if err != nil || again.Confirm() != a.Confirm() {
		t.Errorf("%v, %v", again, err)
	}
	if _, err := EpochAt(session, [32]byte{}, [32]byte{}, 0); !errors.Is(err, ErrEpoch) {
		t.Errorf("number 0: %v", err)
	}
}
