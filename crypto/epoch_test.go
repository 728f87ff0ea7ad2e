package crypto

import (
	"bytes"
	"errors"
	"testing"
)

func firstEpoch(t testing.TB) *Epoch {
	t.Helper()
	e, err := FirstEpoch(SessionID{1}, [32]byte{2}, Roster([]uint32{1}))
	must(t, err)
	return e
}

func TestEpoch_EveryMemberWhoTakesTheStepHasTheSameKeys(t *testing.T) {
	root := firstEpoch(t)
	leaf, err := ParseEpochState(SessionID{1}, [32]byte{2}, root.AppendState(nil))
	must(t, err)
	for range 3 {
		root = root.Next(Roster([]uint32{1, uint32(root.Number())}))
		leaf, err = leaf.ParseStep(root.AppendStep(nil))
		must(t, err)
		if leaf.Confirm() != root.Confirm() || leaf.KeyID() != root.KeyID() || leaf.Number() != root.Number() || leaf.RosterHash() != root.RosterHash() {
			t.Fatalf("%v and %v differ", root, leaf)
		}
	}
}

func TestEpoch_FirstSecretsAndSessionsNeverRepeat(t *testing.T) {
	seen := map[any]bool{}
	for range 1000 {
		id, err := NewSessionID()
		must(t, err)
		e := firstEpoch(t)
		f, err := e.Fresh([32]byte{})
		must(t, err)
		for _, v := range []any{id, *e.hidden.secret, *f.hidden.secret} {
			if seen[v] {
				t.Fatal("a random value came twice")
			}
			seen[v] = true
		}
		if f.Number() != 2 {
			t.Fatalf("fresh epoch %d", f.Number())
		}
	}
}

// K1, crypto's part: who left holds everything up to his last epoch.
func TestK1_WhoLeftCannotOpenWhatFollows(t *testing.T) {
	root, leaver := newPeers(t, DefaultSuite())
	e := firstEpoch(t)
	e.session = root.session
	fresh, err := e.Fresh([32]byte{})
	must(t, err)
	must(t, root.Add(fresh))
	must(t, root.Activate(2))
	p := mustSeal(t, root, 0, "after the leave")
	if _, drop := leaver.Open(bytes.Clone(p)); Drop(drop) != DropKey {
		t.Errorf("with his old keys: %v", Drop(drop))
	}
	guess := e.Next([32]byte{}) // all he can compute
	must(t, leaver.Add(guess))
	leaver.view.Load().live[1].keyID = fresh.KeyID()
	if _, drop := leaver.Open(p); Drop(drop) != DropForged {
		t.Errorf("with the join step of his epoch: %v", Drop(drop))
	}
}

// K3, crypto's part: a joiner has a capture of everything before.
func TestK3_AJoinerCannotOpenWhatCameBefore(t *testing.T) {
	root, _ := newPeers(t, DefaultSuite())
	e := firstEpoch(t)
	e.session = root.session
	before := mustSeal(t, root, 0, "before the join")
	state := e.Next([32]byte{}).AppendState(nil)
	told, err := ParseEpochState(root.session, [32]byte{2}, state)
	must(t, err)
	joiner := newMember(t, DefaultSuite(), root.session, 3)
	must(t, joiner.Add(told))
	must(t, joiner.Admit(1))
	if _, drop := joiner.Open(bytes.Clone(before)); Drop(drop) != DropKey {
		t.Errorf("with the keys told: %v", Drop(drop))
	}
	joiner.view.Load().live[0].keyID = root.view.Load().live[0].keyID
	if _, drop := joiner.Open(before); Drop(drop) != DropForged {
		t.Errorf("with the keys told under the old key id: %v", Drop(drop))
	}
}

// K7, crypto's part: a step to a far number asks for work and gets none.
func TestK7_OnlyTheNextStepIsTaken(t *testing.T) {
	e := firstEpoch(t)
	step := e.Next([32]byte{7}).AppendStep(nil)
	for _, number := range []uint64{0, 1, 3, 1001, 1<<64 - 1} {
		far := bytes.Clone(step)
		for i := range 8 {
			far[i] = byte(number >> (56 - 8*i))
		}
		if n, err := e.ParseStep(far); !errors.Is(err, ErrEpoch) || n != nil {
			t.Errorf("a step from 1 to %d: %v, %v", number, n, err)
		}
		if n := testing.AllocsPerRun(10, func() { _, _ = e.ParseStep(far) }); n != 0 {
			t.Errorf("a step from 1 to %d costs %v allocations", number, n)
		}
	}
	for i := range step {
		bad := bytes.Clone(step)
		bad[i] ^= 0x80
		if _, err := e.ParseStep(bad); !errors.Is(err, ErrEpoch) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
}

func TestEpochState_ChangedAnywhereIsRefused(t *testing.T) {
	e := firstEpoch(t)
	state := e.AppendState(nil)
	for i := range state {
		bad := bytes.Clone(state)
		bad[i] ^= 1
		if _, err := ParseEpochState(SessionID{1}, [32]byte{2}, bad); !errors.Is(err, ErrEpoch) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for n := range state {
		if _, err := ParseEpochState(SessionID{1}, [32]byte{2}, state[:n]); !errors.Is(err, ErrEpoch) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}

// C9, crypto's part: parameters that were changed on the way, or for another
// session, do not confirm.
func TestC9_OtherParametersOrSessionsDoNotConfirm(t *testing.T) {
	e := firstEpoch(t)
	state, step := e.AppendState(nil), e.Next([32]byte{3}).AppendStep(nil)
	if _, err := ParseEpochState(SessionID{1}, [32]byte{9}, state); !errors.Is(err, ErrEpoch) {
		t.Errorf("other parameters: %v", err)
	}
	if _, err := ParseEpochState(SessionID{9}, [32]byte{2}, state); !errors.Is(err, ErrEpoch) {
		t.Errorf("another session: %v", err)
	}
	other := newEpoch(SessionID{1}, [32]byte{9}, e.roster, 1, &secret{})
	*other.hidden.secret = *e.hidden.secret
	if _, err := other.ParseStep(step); !errors.Is(err, ErrEpoch) {
		t.Errorf("a step with other parameters: %v", err)
	}
}

func TestEpoch_AWipedOneIsOfNoUse(t *testing.T) {
	e := firstEpoch(t)
	s := e.hidden.secret
	e.Wipe()
	e.Wipe()
	if *s != (secret{}) {
		t.Error("the secret is still there")
	}
	for name, use := range map[string]func(){
		"Next":        func() { e.Next([32]byte{}) },
		"AppendState": func() { e.AppendState(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of a wiped epoch works with zeros", name)
				}
			}()
			use()
		}()
	}
}
