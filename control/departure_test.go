package control

import (
	"slices"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

func TestADepartureAsksForAFreshEpochAtOnceAndOvertakes(t *testing.T) {
	s := newScene(t, RootConfig{})
	a, b := s.joins(), s.joins()
	s.advance(time.Second)
	s.manual = true
	s.wants()
	c := s.accepts(1)[0]
	wantWant(t, s.wants(), false, c) // pending, and not answered
	s.must(s.leaves[a].Leave(s.now, 0, "", nil))
	wantWant(t, s.wants(), true, c)
	s.setEpoch(Step, c) // the shell works off the first
	s.settle()
	if k := s.root.rekey; !k.fresh || k.asked != Fresh {
		t.Fatalf("a step does not meet the need for a fresh one: %+v", k)
	}
	s.setEpoch(Fresh)
	if w := s.wants(); len(w) != 0 {
		t.Errorf("still wanted: %v", w)
	}
	if i, _ := s.root.Leaf(b); i.Acked != s.epoch {
		t.Errorf("b holds %d of %d", i.Acked, s.epoch)
	}
	wantTypes(t, "the leaver", s.toLeaf[a], TypeWelcome, TypeStart, TypeRekey)
}

func TestARekeyOvertakesOneThatSettles(t *testing.T) {
	s := newScene(t, RootConfig{})
	a, b := s.joins(), s.joins()
	s.advance(time.Second)
	s.manual = true
	c := s.accepts(1)[0]
	s.wants()
	s.mute[a] = true // holds up epoch 3
	s.setEpoch(Step, c)
	if w := s.wants(); len(w) != 0 {
		t.Fatal(w)
	}
	s.must(s.leaves[b].Leave(s.now, 0, "", nil))
	wantWant(t, s.wants(), true)
	s.setEpoch(Fresh)
	s.settle()
	s.none(EpochReady, 0) // neither 3, which nobody needs any more, nor 4 yet
	s.release(a)
	if e := s.one(EpochReady, 0); e.Epoch != 4 || !slices.Equal(e.Joining, []uint32{c}) {
		t.Errorf("ready: %v %+v", e, e.Joining)
	}
	for _, id := range []uint32{a, c} {
		if i, _ := s.root.Leaf(id); i.Acked != 4 {
			t.Errorf("%d holds epoch %d", id, i.Acked)
		}
	}
	wantTypes(t, "a acknowledges both in turn", s.toRoot[a], TypeJoin, TypeReady, TypeRekeyed, TypeRekeyed, TypeRekeyed)
}

func TestReadyMayNameALaterEpochThanWelcome(t *testing.T) {
	s := newScene(t, RootConfig{})
	s.manual = true
	id := s.accepts(1)[0]
	s.lazy[id] = true
	s.setEpoch(Step, id)
	s.settle()
	s.setEpoch(Fresh)
	s.settle()
	wantCode(t, s.leaves[id].Ready(s.now, Ready{Epoch: 3, Addr: leafAddr(id)}), transport.WSAEINVAL)
	wantCode(t, s.leaves[id].Ready(s.now, Ready{Epoch: 0, Addr: leafAddr(id)}), transport.WSAEINVAL)
	wantCode(t, s.leaves[id].Ready(s.now, Ready{Epoch: 2}), transport.WSAEINVAL)
	s.must(s.leaves[id].Ready(s.now, Ready{Epoch: 2, Addr: leafAddr(id)}))
	s.must(s.leaves[id].Rekeyed(s.now, 2)) // said already: nothing goes out
	s.settle()
	if e := s.one(EpochReady, 0); e.Epoch != 2 || !slices.Equal(e.Joining, []uint32{id}) {
		t.Errorf("ready: %+v", e)
	}
	wantTypes(t, "leaf", s.toRoot[id], TypeJoin, TypeReady)
}

func TestJoinerThatLeavesWhileItsEpochIsPending(t *testing.T) {
	t.Run("before WELCOME it knew nothing", func(t *testing.T) {
		s := newScene(t, RootConfig{})
		s.manual = true
		ids := s.accepts(2)
		wantWant(t, s.wants(), false, ids[0]) // the second waits for the next
		s.must(s.leaves[ids[0]].Leave(s.now, 0, "", nil))
		if w := s.wants(); len(w) != 0 {
			t.Fatalf("asked for %v", w)
		}
		s.setEpoch(Step, ids[0]) // is passed over
		s.advance(rekeyGap)
		s.none(EpochReady, ids[0])
		wantWant(t, s.wants(), false, ids[1])
		wantTypes(t, "the leaver", s.toLeaf[ids[0]])
	})
	t.Run("after WELCOME the key changes", func(t *testing.T) {
		s := newScene(t, RootConfig{})
		s.manual = true
		id := s.accepts(1)[0]
		s.lazy[id] = true
		s.setEpoch(Step, id)
		s.wants()
		s.must(s.leaves[id].Leave(s.now, transport.WSAENOBUFS, "no socket", nil))
		s.settle()
		if e := s.one(Failed, id); e.Code != transport.WSAENOBUFS || e.Text != "no socket" {
			t.Errorf("failed: %+v", e)
		}
		s.none(Left, id)
		wantWant(t, s.wants(), true)
	})
}

func TestTheLastLeafTakesItsKnowledgeAway(t *testing.T) {
	s := newScene(t, RootConfig{})
	a, b := s.joins(), s.joins()
	s.advance(time.Second)
	s.manual = true
	s.wants()
	s.root.Lost(s.now, a, 0)
	s.root.Lost(s.now, b, 0)
	wantWant(t, s.wants(), true) // one for both, and one though nobody is left
	c := s.accepts(1)[0]
	if w := s.wants(); len(w) != 0 {
		t.Fatalf("a step on top of what the leavers know: %v", w)
	}
	s.setEpoch(Fresh)
	s.settle()
	if e := s.one(EpochReady, 0); e.Epoch != 3 || e.Joining != nil {
		t.Errorf("ready: %+v", e)
	}
	s.advance(tellCost)
	wantWant(t, s.wants(), false, c)
}

func TestADepartureEndsTheWaitForIt(t *testing.T) {
	s := newScene(t, RootConfig{})
	a := s.joins()
	s.joins()
	s.advance(time.Second)
	s.manual = true
	s.setEpoch(Step)
	s.settle()
	s.mute[a] = true
	s.setEpoch(Step)
	s.settle()
	s.events = nil
	s.root.Lost(s.now, a, 0)
	s.settle()
	if e := s.one(EpochReady, 0); e.Epoch != s.epoch { // all that are left hold it
		t.Errorf("ready: %+v", e)
	}
}

func TestALeafThatNeverCatchesUpIsGivenUp(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.joins()
	s.deaf[id] = true // its beats come, so it is not silent; it acknowledges nothing
	for i := range 10 {
		s.none(Left, id)
		if i%3 == 0 { // a newer epoch does not start the clock again
			s.setEpoch(Fresh)
		}
		s.leaves[id].heard = s.now
		s.advance(time.Second)
	}
	if e := s.one(Left, id); e.Code != transport.WSAECONNABORTED || e.Own {
		t.Errorf("left: %+v", e)
	}
}

func TestALeafGivesUpOnAnEpochItCannotTakeUp(t *testing.T) {
	l := leafAt(t, member)
	start := epochZero.Add(300 * time.Millisecond)
	l.Handle(start, RootID, Rekey{Epoch: 4}.Append(nil))
	for l.phase != over {
		now := l.NextTimeout()
		l.heard = now
		l.Advance(now)
		if now.After(start.Add(ackWait)) {
			t.Fatalf("still there %v after", now.Sub(start))
		}
	}
	if l.last != start.Add(ackWait) {
		t.Errorf("gave up after %v", l.last.Sub(start))
	}
}

func TestReadyDoesNotGoBackOnRekeyed(t *testing.T) {
	l := leafAt(t, entering)
	l.Handle(epochZero, RootID, Rekey{Epoch: 4}.Append(nil))
	if err := l.Rekeyed(epochZero, 4); err != nil {
		t.Fatal(err)
	}
	wantCode(t, l.Ready(epochZero, Ready{3, leafAddr(7)}), transport.WSAEINVAL)
	if err := l.Ready(epochZero, Ready{4, leafAddr(7)}); err != nil {
		t.Error(err)
	}
}

func TestDeparturesInARowShareEpochs(t *testing.T) {
	s := newScene(t, RootConfig{})
	var ids []uint32
	for range 40 {
		ids = append(ids, s.joins())
	}
	s.advance(time.Second)
	start, from := s.now, s.epoch
	for _, id := range ids[:20] {
		s.root.Lost(s.now, id, 0)
		s.settle()
		s.advance(5 * time.Millisecond)
	}
	s.advance(time.Second)
	took := s.now.Sub(start) - time.Second
	if n := s.epoch - from; n < 2 || n > 1+uint64(took/rekeyGap)+1 {
		t.Errorf("%d epochs for 20 departures within %v", n, took)
	}
	if s.root.rekey.fresh {
		t.Error("a leaver knows the newest epoch")
	}
	for _, id := range ids[20:] {
		if i, _ := s.root.Leaf(id); i.Acked != s.epoch {
			t.Errorf("%d holds %d of %d", id, i.Acked, s.epoch)
		}
	}
}
