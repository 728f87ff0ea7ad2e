package control

import (
	"slices"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// wants lists the EpochWanted since the last call, and forgets all events.
func (s *scene) wants() (list []Event) {
	s.settle()
	for _, e := range s.events {
		if e.Kind == EpochWanted {
			list = append(list, e)
		}
	}
	s.events = nil
	return list
}

// accepts admits n askers without letting their shells answer epochs.
func (s *scene) accepts(n int) (ids []uint32) {
	for range n {
		id := s.asks(Join{Room: -1})
		s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept}))
		ids = append(ids, id)
	}
	s.settle()
	return ids
}

func wantWant(t *testing.T, got []Event, fresh bool, joining ...uint32) {
	t.Helper()
	if len(got) != 1 || got[0].Fresh != fresh || !slices.Equal(got[0].Joining, joining) {
		t.Fatalf("epochs wanted %+v, want one, fresh %v, joining %v", got, fresh, joining)
	}
}

func TestJoinersAreServedOneBatchAtATime(t *testing.T) {
	s := newScene(t, RootConfig{})
	s.manual = true
	a := s.accepts(1)
	wantWant(t, s.wants(), false, a...)
	b := s.accepts(2)
	if w := s.wants(); len(w) != 0 {
		t.Fatalf("asked again while the first batch is pending: %v", w)
	}
	s.lazy[a[0]] = true
	s.setEpoch(Step, a...)
	if w := s.wants(); len(w) != 0 {
		t.Fatalf("asked again while the first batch settles: %v", w)
	}
	s.advance(settle - time.Millisecond)
	c := s.accepts(1)
	if w := s.wants(); len(w) != 0 {
		t.Fatalf("early: %v", w)
	}
	s.advance(time.Millisecond)
	wantWant(t, s.wants(), false, b[0], b[1], c[0])
}

func TestEpochIsReadyWhenAllHaveIt(t *testing.T) {
	s := newScene(t, RootConfig{})
	a, b := s.joins(), s.joins()
	s.manual = true
	c := s.accepts(1)[0]
	s.mute[a] = true
	s.events = nil
	s.setEpoch(Step, c)
	s.settle()
	s.none(EpochReady, 0)
	if i, _ := s.root.Leaf(b); i.Acked != 3 {
		t.Errorf("b holds epoch %d", i.Acked)
	}
	s.release(a) // REKEYED arrives: all have it, no need for the 500 ms
	if e := s.one(EpochReady, 0); e.Epoch != 3 || !slices.Equal(e.Joining, []uint32{c}) {
		t.Errorf("ready: %+v", e)
	}
	s.none(Joined, c)
	if i, _ := s.root.Leaf(c); !i.Ready || i.Member {
		t.Errorf("%+v", i)
	}
	s.must(s.root.Start(s.now, c, nil))
	wantCode(t, s.root.Start(s.now, c, nil), transport.WSAENOTCONN)
	s.settle()
	s.one(Joined, c)
	s.leafOne(c, Started)
}

func TestALateLeafHoldsNobodyUp(t *testing.T) {
	s := newScene(t, RootConfig{})
	slow := s.joins()
	s.mute[slow] = true
	quick, late := s.asks(Join{Room: -1}), s.asks(Join{Room: -1})
	s.lazy[late] = true
	s.must(s.root.Answer(s.now, quick, Answer{Verdict: Accept}))
	s.must(s.root.Answer(s.now, late, Answer{Verdict: Accept}))
	s.advance(rekeyGap) // one batch: quick alone or both
	s.advance(2 * settle)
	s.one(Joined, quick)
	s.none(Joined, late)
	s.advance(2 * time.Second)
	s.release(slow)
	s.must(s.leaves[late].Ready(s.now, Ready{Epoch: s.epoch, Addr: leafAddr(late)}))
	s.settle()
	if e := s.one(Joined, late); e.Addr != leafAddr(late) {
		t.Errorf("joined: %+v", e)
	}
	s.none(Left, slow)
}

func TestJoinersOfALargeSessionGather(t *testing.T) {
	s := newScene(t, RootConfig{Backlog: 1000})
	s.accepts(1)
	for range 200 {
		s.asks(Join{Room: -1})
	}
	for id := uint32(3); id <= 202; id++ {
		s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept}))
		s.settle()
	}
	s.advance(time.Second)
	if s.root.Stats().Leaves != 201 || s.epoch > 5 {
		t.Errorf("%d leaves after %d epochs", s.root.Stats().Leaves, s.epoch)
	}
}

func TestAnEpochMayComeUnasked(t *testing.T) {
	s := newScene(t, RootConfig{})
	s.setEpoch(Fresh) // the root alone
	s.settle()
	if e := s.one(EpochReady, 0); e.Epoch != 1 {
		t.Errorf("ready: %+v", e)
	}
	id := s.joins()
	s.setEpoch(Fresh) // a timer's
	s.settle()
	if i, _ := s.root.Leaf(id); i.Acked != 3 {
		t.Errorf("holds %d", i.Acked)
	}
}

func TestSetEpochRefusesWhatNoLeafWouldTake(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.joins()
	bad := sampleWelcome(id)
	bad.Params.Streams = nil
	for name, err := range map[string]error{
		"same number": s.root.SetEpoch(s.now, 1, Fresh, nil),
		"no kind":     s.root.SetEpoch(s.now, 2, 0, nil),
		"long state":  s.root.Grant(s.now, id, make([]byte, MaxState+1)),
		"bad welcome": s.root.SetEpoch(s.now, 2, Fresh, []Welcome{bad}),
	} {
		if transport.CodeOf(err) != transport.WSAEINVAL {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.settle()
	if i, _ := s.root.Leaf(id); i.Acked != 1 || s.root.rekey.epoch != 1 {
		t.Error("a refused call changed something")
	}
	s.must(s.root.SetEpoch(s.now, 2, Fresh, nil))
	s.must(s.root.Grant(s.now, id, make([]byte, MaxState)))
	s.settle()
	if e := s.leafOne(id, Rekeying); len(e.Rekey.State) != MaxState || e.Rekey.Epoch != 2 {
		t.Errorf("%+v", e)
	}
}
