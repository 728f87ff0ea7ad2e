package crypto

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"
)

func TestEpochNotice_SaysWhereTheEpochBeforeEnded(t *testing.T) {
	a, w := newWitnessed(t)
	now := time.Unix(5, 0)
	for _, n := range []EpochNotice{
		{Epoch: 9, KeyID: 77, Finals: []Final{}},
		{Epoch: 9, KeyID: 77, Closed: 7, Finals: []Final{{1, 500}, {7, 0}, {1 << 31, 1 << 48}}},
	} {
		b := a.AppendEpochNotice([]byte("x"), n)[1:]
		got, o := w.ParseEpochNotice(now, b, false)
		if o != Taken || !reflect.DeepEqual(got, n) {
			t.Errorf("%+v became %+v, %v", n, got, o)
		}
		for cut := range b {
			if _, o := w.ParseEpochNotice(now, b[:cut], true); o == Taken {
				t.Errorf("cut to %d bytes: %v", cut, o)
			}
		}
	}
}

// K7, the notice: only the root's own is believed.
func TestK7_OnlyTheRootsNoticeIsTaken(t *testing.T) {
	a, w := newWitnessed(t)
	leaf, err := NewAuthor(SessionID{3}, 1)
	must(t, err)
	now := time.Unix(5, 0)
	n := EpochNotice{Epoch: 9, KeyID: 77, Closed: 8, Finals: []Final{{1, 500}, {7, 3}}}
	body := n.append(nil)
	change := func(at int, to byte) []byte {
		b := bytes.Clone(body)
		b[at] = to
		return a.sign(b, signEpoch, 0)
	}
	for name, c := range map[string]struct {
		b    []byte
		want Outcome
	}{
		"unsigned":                {body, Malformed},
		"signed by a leaf":        {leaf.AppendEpochNotice(nil, n), Forged},
		"a rekey's signature":     {a.sign(bytes.Clone(body), signRekey, 0), Forged},
		"epoch 0":                 {change(7, 0), Malformed},
		"an epoch closed by none": {change(19, 9), Malformed},
		"finals of no epoch":      {change(19, 0), Malformed},
		"three finals for two":    {change(20, 3), Malformed},
		"a final of nobody":       {change(24, 0), Malformed},
		"finals that fall":        {change(24, 8), Malformed},
		"an end beyond all":       {change(26, 7), Malformed},
	} {
		if got, o := w.ParseEpochNotice(now, c.b, false); o != c.want || got.Finals != nil || got.Epoch != 0 {
			t.Errorf("%s: %+v, %v; want %v", name, got, o, c.want)
		}
	}
}

// K2, the ring: somebody who left has the keys of the epoch that closed. In
// another's name it can seal nothing above where that one ended, nor again what
// opened below.
func TestK2_NothingOpensBeyondWhereASenderEnded(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	for range 10 {
		if _, drop := leaf.Open(mustSeal(t, root, 0, "data")); drop != 0 {
			t.Fatal(Drop(drop))
		}
	}
	late := [][]byte{mustSeal(t, root, 0, "on its way"), mustSeal(t, root, 0, "lost")}
	e, err := FirstEpoch(root.session, [32]byte{}, [32]byte{})
	must(t, err)
	e, err = e.Fresh([32]byte{})
	must(t, err)
	must(t, root.Add(e))
	must(t, leaf.Add(e))
	must(t, root.Activate(2))
	finals := root.Finals(1)
	if len(finals) != 1 || finals[0] != (Final{1, 12}) {
		t.Fatalf("the root ended at %v", finals)
	}
	eve := newMember(t, DefaultSuite(), root.session, 1) // seals as the root, under the root's old keys
	old := newEpoch(root.session, [32]byte{4}, Roster([]uint32{1}), 1, new(*root.view.Load().live[0].secret))
	must(t, eve.Add(old))
	must(t, eve.Activate(1))
	forge := func(number uint64) []byte {
		at(eve, number)
		return mustSeal(t, eve, 0, "forged")
	}
	if _, drop := leaf.Open(forge(20)); drop != 0 {
		t.Fatalf("before the limit a forgery does not open (%v): the test would not notice", Drop(drop))
	}
	leaf.Limit(1, finals)
	leaf.Limit(1, []Final{{1, 1 << 48}}) // a limit never comes up again
	leaf.Limit(77, finals)
	if _, drop := leaf.Open(late[0]); drop != 0 {
		t.Errorf("what was on its way: %v", Drop(drop))
	}
	for _, c := range []struct {
		number uint64
		want   Drop
	}{{12, DropClosed}, {13, DropClosed}, {1 << 40, DropClosed}, {lastNumber, DropClosed}, {3, DropReplay}, {10, DropReplay}} {
		if _, drop := leaf.Open(forge(c.number)); Drop(drop) != c.want {
			t.Errorf("a forgery with number %d: %v, want %v", c.number, Drop(drop), c.want)
		}
	}
	if _, drop := leaf.Open(mustSeal(t, root, 0, "new epoch")); drop != 0 {
		t.Errorf("the new epoch: %v", Drop(drop))
	}
	leaf.Retire(1, 0)
	if _, drop := leaf.Open(late[1]); Drop(drop) != DropClosed {
		t.Errorf("after the overlap: %v", Drop(drop))
	}
}

func TestRing_CountsWhatTheGroupHasSealed(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	third := newMember(t, DefaultSuite(), root.session, 3)
	if third.Packets() != 0 || third.Finals(1) != nil {
		t.Error("a ring without epochs counts")
	}
	must(t, root.Admit(2))
	n := 5 + rand.IntN(20)
	for range n {
		mustSeal(t, root, 0, "x")
		root.Open(mustSeal(t, leaf, 0, "y"))
	}
	if got := root.Packets(); got != uint64(2*n) {
		t.Errorf("%d packets counted, want %d", got, 2*n)
	}
	if f := root.Finals(1); !reflect.DeepEqual(f, []Final{{1, uint64(n)}, {2, uint64(n)}}) {
		t.Errorf("%v", f)
	}
	root.Expel(2)
	if f := root.Finals(1); len(f) != 1 {
		t.Errorf("with a sender that was expelled: %v", f)
	}
}
