package crypto

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"
)

func TestEpochs_ThreeAreLiveAndTheOldestGoes(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	e, err := FirstEpoch(root.session, [32]byte{}, [32]byte{})
	must(t, err)
	packets := [][]byte{mustSeal(t, root, 0, "epoch 1")}
	for n := uint64(2); n <= 4; n++ {
		e, err = e.Fresh([32]byte{})
		must(t, err)
		must(t, root.Add(e))
		must(t, leaf.Add(e))
		must(t, root.Activate(n))
		packets = append(packets, mustSeal(t, root, 0, "x"))
	}
	for i, want := range []Drop{DropClosed, 0, 0, 0} {
		o, drop := leaf.Open(packets[i])
		if Drop(drop) != want || drop == 0 && o.Epoch != uint64(i+1) {
			t.Errorf("packet of epoch %d: epoch %d, %v; want %v", i+1, o.Epoch, Drop(drop), want)
		}
	}
}

func TestEpochs_TheActiveOneSealsUntilAnotherIsActivated(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	e, err := FirstEpoch(root.session, [32]byte{}, [32]byte{})
	must(t, err)
	for range 3 {
		e = e.Next([32]byte{})
		must(t, root.Add(e)) // epoch 1 ends for opening, but nothing else is active
	}
	if _, drop := leaf.Open(mustSeal(t, root, 0, "x")); drop != 0 {
		t.Errorf("sealed under the active epoch: %v", Drop(drop))
	}
	root.Retire(1, 0)
	if _, err := root.Seal(nil, 0, KindData, 0, nil); !errors.Is(err, ErrNoKey) {
		t.Errorf("sealing after the active epoch was retired: %v", err)
	}
	must(t, root.Activate(4))
	mustSeal(t, root, 0, "x")
}

func TestEpochs_AfterALeaveOnlyTheRootsOwnPacketsOpen(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	third := newMember(t, DefaultSuite(), root.session, 3)
	e, err := FirstEpoch(root.session, [32]byte{}, [32]byte{})
	must(t, err)
	e, err = e.Fresh([32]byte{})
	must(t, err)
	for _, r := range []*Ring{root, leaf, third} {
		must(t, r.Add(e))
		must(t, r.Activate(2))
	}
	must(t, leaf.Admit(3))
	open := func(from *Ring, want Drop) {
		t.Helper()
		if _, drop := leaf.Open(mustSeal(t, from, 0, "x")); Drop(drop) != want {
			t.Errorf("from member %d: %v, want %v", from.self, Drop(drop), want)
		}
	}
	open(root, 0)
	open(third, 0)
	leaf.Retire(2, 1)
	open(root, 0)
	open(third, DropClosed)
	leaf.Retire(2, 3) // never widened: it ends
	open(root, DropClosed)
	open(third, DropClosed)
	leaf.Retire(2, 0)
	leaf.Retire(77, 0)
	open(root, DropClosed)
}

func TestEpochs_AddTellsWhatIsWrong(t *testing.T) {
	root, _ := newPeers(t, DefaultSuite())
	elsewhere, err := FirstEpoch(SessionID{9}, [32]byte{}, [32]byte{})
	must(t, err)
	wiped, err := FirstEpoch(root.session, [32]byte{}, [32]byte{})
	must(t, err)
	wiped, err = wiped.Fresh([32]byte{})
	must(t, err)
	wiped.Wipe()
	for _, e := range []*Epoch{elsewhere, wiped} {
		if err := root.Add(e); !errors.Is(err, ErrEpoch) {
			t.Errorf("adding %v: %v", e, err)
		}
	}
}

func TestMembers_AdmittedSendersOpenInEveryLiveEpoch(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	leaf.Expel(1)
	if _, drop := leaf.Open(mustSeal(t, root, 0, "x")); Drop(drop) != DropSender {
		t.Errorf("an expelled sender: %v", Drop(drop))
	}
	old := mustSeal(t, root, 0, "old")
	must(t, leaf.Admit(1))
	if _, drop := leaf.Open(bytes.Clone(old)); drop != 0 {
		t.Errorf("admitted again: %v", Drop(drop))
	}
	leaf.Expel(1)
	must(t, leaf.Admit(1))
	if _, drop := leaf.Open(old); Drop(drop) != DropReplay {
		t.Errorf("a replay after expelling and admitting: %v", Drop(drop))
	}
	leaf.Expel(1)
	e, err := FirstEpoch(root.session, [32]byte{}, [32]byte{})
	must(t, err)
	e = e.Next([32]byte{})
	must(t, root.Add(e))
	must(t, leaf.Add(e))
	must(t, root.Activate(2))
	if _, drop := leaf.Open(mustSeal(t, root, 0, "x")); Drop(drop) != DropSender {
		t.Errorf("an expelled sender in the next epoch: %v", Drop(drop))
	}
	must(t, leaf.Admit(1))
	if _, drop := leaf.Open(mustSeal(t, root, 0, "x")); drop != 0 {
		t.Errorf("admitted in the next epoch: %v", Drop(drop))
	}
}

func TestMembers_SendersAreBounded(t *testing.T) {
	r := newMember(t, DefaultSuite(), SessionID{1}, 1)
	e, err := FirstEpoch(r.session, [32]byte{}, [32]byte{})
	must(t, err)
	must(t, r.Add(e))
	for id := uint32(1); id <= MaxSenders; id++ {
		must(t, r.Admit(id))
	}
	must(t, r.Admit(5))
	if err := r.Admit(MaxSenders + 1); !errors.Is(err, ErrFull) {
		t.Errorf("one sender too many: %v", err)
	}
	if err := r.Admit(0); err == nil {
		t.Error("member 0 was admitted")
	}
	for id := uint32(1); ; id++ { // senders that come and go in one epoch
		r.Expel(id)
		if err := r.Admit(id + MaxSenders); err != nil {
			if !errors.Is(err, ErrFull) || id+MaxSenders <= maxRows {
				t.Errorf("after %d: %v", id, err)
			}
			break
		}
	}
	must(t, r.Add(e.Next([32]byte{})))
	if n := r.view.Load().live[1].senders.live; n > MaxSenders {
		t.Errorf("a new epoch begins with %d senders", n)
	}
}

func TestMembers_PairsComeAndGo(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	p := mustSeal(t, root, 2, "x")
	if _, drop := leaf.Open(bytes.Clone(p)); drop != 0 {
		t.Fatal(Drop(drop))
	}
	leaf.Pair(1, [32]byte{6}, [32]byte{5}) // the same keys again
	if _, drop := leaf.Open(bytes.Clone(p)); Drop(drop) != DropReplay {
		t.Errorf("a replay after pairing again: %v", Drop(drop))
	}
	leaf.Pair(1, [32]byte{16}, [32]byte{15})
	if _, drop := leaf.Open(mustSeal(t, root, 2, "x")); Drop(drop) != DropKey {
		t.Errorf("under keys that were replaced: %v", Drop(drop))
	}
	root.Pair(2, [32]byte{15}, [32]byte{16})
	if _, drop := leaf.Open(mustSeal(t, root, 2, "x")); drop != 0 {
		t.Errorf("under the new keys: %v", Drop(drop))
	}
	late := mustSeal(t, root, 2, "late")
	leaf.Unpair(1)
	leaf.Unpair(1)
	if _, drop := leaf.Open(late); Drop(drop) != DropKey {
		t.Errorf("after unpairing: %v", Drop(drop))
	}
	if _, err := leaf.Seal(nil, 1, KindData, 0, nil); !errors.Is(err, ErrNoKey) {
		t.Errorf("sealing after unpairing: %v", err)
	}
	if p, err := root.Seal([]byte("kept"), 99, KindData, 0, nil); !errors.Is(err, ErrNoKey) || string(p) != "kept" {
		t.Errorf("sealing for a stranger: %q, %v", p, err)
	}
}

func TestRing_CloseEndsEverything(t *testing.T) {
	root, leaf := newPeers(t, DefaultSuite())
	group, pair := mustSeal(t, root, 0, "x"), mustSeal(t, root, 2, "x")
	in := leaf.view.Load().live[0].senders.get(1)
	epoch := leaf.view.Load().live[0].secret
	out := leaf.sealing.active.out.secret
	between := leaf.pairs.get(1)
	leaf.Close()
	if *epoch != (secret{}) || *out != (secret{}) || in.secret != nil ||
		between.in.secret != nil || between.out.secret != nil {
		t.Error("secrets survive Close")
	}
	leaf.Close()
	for _, p := range [][]byte{group, pair} {
		if _, drop := leaf.Open(p); Drop(drop) != DropClosed {
			t.Errorf("opening after Close: %v", Drop(drop))
		}
	}
	for _, to := range []uint32{0, 1} {
		if _, err := leaf.Seal(nil, to, KindData, 0, nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("sealing after Close: %v", err)
		}
	}
	e, err := FirstEpoch(leaf.session, [32]byte{}, [32]byte{})
	must(t, err)
	for _, err := range []error{leaf.Add(e), leaf.Activate(1), leaf.Admit(1)} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	leaf.Pair(1, [32]byte{1}, [32]byte{2})
	leaf.Retire(1, 0)
	leaf.Expel(1)
	leaf.Unpair(1)
}

func TestRing_SaysWhatIsMissing(t *testing.T) {
	good := RingConfig{Session: SessionID{1}, Self: 1, Group: testGroup}
	for want, change := range map[string]func(*RingConfig){
		"Session": func(c *RingConfig) { c.Session = SessionID{} },
		"Self":    func(c *RingConfig) { c.Self = 0 },
		"Group":   func(c *RingConfig) { c.Group = addrPortOf("239.1.1.1:0") },
		"suite 9": func(c *RingConfig) { c.Suite = 9 },
	} {
		c := good
		change(&c)
		if _, err := NewRing(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: %v", want, err)
		}
	}
	r, err := NewRing(good)
	must(t, err)
	if r.Suite() != DefaultSuite() {
		t.Errorf("suite %v", r.Suite())
	}
	if _, err := r.Seal(nil, 0, KindData, 0, nil); !errors.Is(err, ErrNoKey) {
		t.Errorf("sealing without an epoch: %v", err)
	}
}
