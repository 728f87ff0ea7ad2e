package control

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

// noticed lists what leaf id was told of its standing.
func (s *scene) noticed(id uint32) (ns []Notice) {
	for _, e := range s.atLeaf[id] {
		if e.Kind == Noticed {
			ns = append(ns, *e.Notice)
		}
	}
	return ns
}

func TestU24_ASlowMemberIsToldThatNobodyWaitsForItAndWhenTheyDoAgain(t *testing.T) {
	s := newScene(t, RootConfig{})
	slow, other := s.joins(), s.joins()
	story := []Notice{{Quarantined, 1, "holds everybody back"}, {InStep, 0, ""}, {Quarantined, 2, "loses far more than the others"}}
	for i, n := range story {
		s.must(s.root.Notice(s.now, slow, n))
		s.settle()
		if got := s.noticed(slow); !slices.Equal(got, story[:i+1]) {
			t.Fatalf("told %+v, want %+v", got, story[:i+1])
		}
	}
	if got := s.noticed(other); got != nil {
		t.Errorf("another leaf was told %+v", got)
	}
	if l := s.leaves[slow]; l.phase != member || l.Stats().Faults.Total() != 0 {
		t.Errorf("phase %d, faults %v: it is a member still", l.phase, l.Stats().Faults)
	}
	s.none(Left, slow)
}

// Only a member is waited for, and only a member takes the frame: to anybody
// earlier it would be one out of turn, and end the connection.
func TestANoticeGoesToMembersAlone(t *testing.T) {
	for st := proven; st < joined; st++ {
		s, id, other := rootAt(t, st)
		wantCode(t, s.root.Notice(s.now, id, Notice{Standing: Quarantined}), transport.WSAENOTCONN)
		s.settle()
		wantTypes(t, "root", s.toLeaf[id])
		if c := s.root.find(id); c == nil || c.state != st {
			t.Errorf("state %d was left", st)
		}
		s.none(Left, other)
	}
	s := newScene(t, RootConfig{})
	id := s.joins()
	wantCode(t, s.root.Notice(s.now, id, Notice{Standing: 2}), transport.WSAEINVAL)
	wantCode(t, s.root.Notice(s.now, 77, Notice{}), transport.WSAENOTCONN)
	s.must(s.root.Evict(s.now, id, 0, "gone"))
	wantCode(t, s.root.Notice(s.now, id, Notice{Standing: Quarantined}), transport.WSAENOTCONN)
	s.settle()
	if slices.Contains(s.toLeaf[id], TypeNotice) {
		t.Errorf("sent %v", s.toLeaf[id])
	}
}

func TestANoticeRightBehindStartFindsAMember(t *testing.T) {
	s, id, _ := rootAt(t, ready)
	s.must(s.root.Start(s.now, id, nil))
	s.must(s.root.Notice(s.now, id, Notice{Quarantined, 1, "already"}))
	s.settle()
	wantTypes(t, "root", s.toLeaf[id], TypeStart, TypeNotice)
	s.release(id)
	s.leafOne(id, Started)
	if e := s.leafOne(id, Noticed); e.Notice.Text != "already" || e.ID != RootID {
		t.Errorf("noticed %+v", e)
	}
}

func TestANoticeThatCrossesTheEndIsLate(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.joins()
	s.mute[id] = true
	s.must(s.leaves[id].Leave(s.now, 0, "done", nil))
	s.settle()
	s.must(s.root.Notice(s.now, id, Notice{Standing: Quarantined})) // BYE is still on its way
	s.settle()
	s.leafNone(id, Noticed)
	if st := s.leaves[id].Stats(); st.Late != 1 || st.Faults.Total() != 0 {
		t.Errorf("stats %+v", st)
	}
}

func TestLongWordsOfANoticeAreClipped(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.joins()
	s.must(s.root.Notice(s.now, id, Notice{Quarantined, 255, strings.Repeat("é", MaxText)}))
	s.settle()
	if n := s.leafOne(id, Noticed).Notice; n.Text != strings.Repeat("é", MaxText/2) || n.Reason != 255 {
		t.Errorf("%d bytes, reason %d", len(n.Text), n.Reason)
	}
}

func TestAMalformedNoticeEndsTheLeafsConnection(t *testing.T) {
	whole := sampleOf(TypeNotice)
	for n := headSize; n < len(whole); n++ {
		cut := bytes.Clone(whole[:n])
		binary.BigEndian.PutUint32(cut, uint32(n-4))
		l := leafAt(t, member)
		l.Handle(epochZero, RootID, cut)
		if l.Stats().Faults[FaultShort] != 1 || l.phase != over {
			t.Errorf("cut to %d: faults %v, phase %d", n, l.Stats().Faults, l.phase)
		}
		o, _ := l.Poll()
		if code, text := farewell(t, o.Frame); code != transport.WSAECONNABORTED || !strings.Contains(text, "NOTICE") {
			t.Errorf("cut to %d: told %v %q", n, code, text)
		}
	}
}

func TestASeedOfTheLeafsFuzzerIsToldOfItsStanding(t *testing.T) {
	s, now := &script{bytes.Clone(leafSeed)}, epochZero
	l := NewLeaf(now, LeafConfig{})
	var kinds []EventKind
	for len(s.b) > 0 {
		leafInput(l, s, &now)
		for o, ok := l.Poll(); ok; o, ok = l.Poll() {
			if o.Event.Kind != 0 {
				kinds = append(kinds, o.Event.Kind)
			}
		}
	}
	if !slices.Equal(kinds, []EventKind{Welcomed, Started, Noticed, Rekeying, Chatted, Closed}) {
		t.Errorf("events %v: the fuzzer begins short of a membership", kinds)
	}
}
