package control

import (
	"slices"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// hears gives leaf id the keys of an epoch, as its shell does that heard the
// group.
func (s *scene) hears(id uint32, epoch uint64) {
	s.t.Helper()
	s.must(s.leaves[id].Rekeyed(s.now, epoch))
	s.settle()
}

func TestAnEpochOnTheGroupTakesNoFrameOfTheRoots(t *testing.T) {
	s := newScene(t, RootConfig{})
	a, b := s.joins(), s.joins()
	s.advance(time.Second)
	s.group, s.manual = true, true
	s.toLeaf, s.events = map[uint32][]Type{}, nil
	s.setEpoch(Fresh)
	s.hears(a, s.epoch)
	s.none(EpochReady, 0)
	s.hears(b, s.epoch)
	if e := s.one(EpochReady, 0); e.Epoch != s.epoch {
		t.Errorf("ready: %+v", e)
	}
	if len(s.toLeaf) != 0 {
		t.Errorf("frames %v", s.toLeaf)
	}
}

func TestWhoMissedAnEpochAsksOnceASecond(t *testing.T) {
	s := newScene(t, RootConfig{})
	a, b := s.joins(), s.joins()
	s.advance(time.Second)
	s.group, s.manual = true, true
	s.toRoot, s.events = map[uint32][]Type{}, nil
	s.setEpoch(Fresh)
	s.hears(a, s.epoch)
	s.advance(settle - time.Millisecond)
	wantTypes(t, "the late one", s.toRoot[b])
	s.advance(time.Millisecond + askAfter + askSpread)
	wantTypes(t, "the late one", s.toRoot[b], TypeResync)
	if e := s.one(Lagging, b); e.Epoch != s.epoch-1 {
		t.Errorf("lagging: %+v", e)
	}
	s.advance(3 * time.Second) // nobody answers
	if n := len(slices.DeleteFunc(s.toRoot[b], func(t Type) bool { return t != TypeResync })); n < 3 || n > 4 {
		t.Errorf("%d RESYNCs within 3.5 s", n)
	}
	s.must(s.root.Grant(s.now, b, []byte("state")))
	s.settle()
	if e := s.leafOne(b, Rekeying); e.Rekey.Epoch != s.epoch || !e.Rekey.Used || string(e.Rekey.State) != "state" {
		t.Errorf("rekeying: %+v", e.Rekey)
	}
	n := s.leaves[b].Stats().Asked
	s.advance(5 * time.Second)
	if i, _ := s.root.Leaf(b); i.Acked != s.epoch || s.leaves[b].Stats().Asked != n {
		t.Errorf("holds %d of %d, has asked %d times more", i.Acked, s.epoch, s.leaves[b].Stats().Asked-n)
	}
	if st := s.root.Stats(); st.Reminded != 1 || st.Granted != 2 { // one as the other joined
		t.Errorf("%+v", st)
	}
}

// A beat may be faster than the group's message: nobody asks for what is on its
// way.
func TestABeatThatOvertakesTheGroupAsksForNothing(t *testing.T) {
	l := leafAt(t, member)
	l.Handle(epochZero, RootID, Beat{Epoch: 4}.Append(nil))
	l.Advance(epochZero.Add(askAfter - time.Millisecond))
	if err := l.Rekeyed(epochZero.Add(askAfter-time.Millisecond), 4); err != nil {
		t.Fatal(err)
	}
	for now := epochZero; now.Before(epochZero.Add(3 * time.Second)); now = now.Add(10 * time.Millisecond) {
		l.Advance(now)
	}
	if n := l.Stats().Asked; n != 0 {
		t.Errorf("asked %d times", n)
	}
}

func TestLeavesSpreadTheirQuestions(t *testing.T) {
	var at []time.Duration
	for seed := range uint64(50) {
		l := NewLeaf(epochZero, LeafConfig{Seed: seed})
		if err := l.Join(epochZero, Join{}); err != nil {
			t.Fatal(err)
		}
		w := sampleWelcome(7)
		w.Epoch = 3
		l.Handle(epochZero, RootID, w.Append(nil))
		if err := l.Behind(epochZero); err != nil {
			t.Fatal(err)
		}
		at = append(at, l.askAt.Sub(epochZero))
	}
	if least, most := slices.Min(at), slices.Max(at); least < askAfter || most >= askAfter+askSpread || most-least < askSpread/2 {
		t.Errorf("between %v and %v", least, most)
	}
}

func TestALeafThatAsksTooOftenIsNotAnswered(t *testing.T) {
	s, id, _ := rootAt(t, joined)
	s.manual, s.group = true, true
	s.setEpoch(Fresh)
	s.settle()
	s.events = nil
	for range 1000 {
		s.root.Handle(s.now, id, Resync{Epoch: s.epoch - 1}.Append(nil))
		s.settle()
		s.now = s.now.Add(time.Millisecond)
	}
	if n := s.count(Lagging, id); n != 2 {
		t.Errorf("%d answers within a second", n)
	}
	s.now = s.now.Add(time.Second)
	s.root.Handle(s.now, id, Resync{Epoch: s.epoch}.Append(nil)) // it needs nothing
	s.settle()
	if n := s.count(Lagging, id); n != 2 || s.root.Stats().Resyncs != 1001 {
		t.Errorf("%d answers; %+v", n, s.root.Stats())
	}
}

func TestGrantNeedsALeafThatIsIn(t *testing.T) {
	s, id, other := rootAt(t, queued)
	wantCode(t, s.root.Grant(s.now, id, nil), transport.WSAENOTCONN)
	wantCode(t, s.root.Grant(s.now, 99, nil), transport.WSAENOTCONN)
	s.must(s.root.Grant(s.now, other, nil))
	s.settle() // it has that epoch: no news, and no fault
	if f := s.leaves[other].Stats().Faults; f.Total() != 0 {
		t.Errorf("faults %v", f)
	}
}

func TestDeafAreThoseThatOnlySend(t *testing.T) {
	s := newScene(t, RootConfig{})
	s.joins()
	id := s.asks(Join{Role: SendOnly, Room: -1})
	s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept}))
	s.advance(time.Second)
	if got := s.root.Deaf(s.epoch, false); !slices.Equal(got, []uint32{id}) {
		t.Errorf("deaf: %v, want %d", got, id)
	}
	if got := s.root.Deaf(s.epoch, true); len(got) != 0 {
		t.Errorf("deaf: %v where who sends listens", got)
	}
	if got := s.root.Deaf(s.epoch-1, true); !slices.Equal(got, []uint32{id}) {
		t.Errorf("deaf to the epoch before: %v, want the last to come, %d", got, id)
	}
}
