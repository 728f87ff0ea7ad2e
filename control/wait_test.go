package control

import (
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// admit accepts a request.
func (s *scene) admit(id uint32) {
	s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept}))
	s.settle()
}

// waits are all the waits that there are, how to come to each, and its end.
var waits = []struct {
	name string
	do   func(s *scene) uint32
	wait time.Duration
	kind EventKind // what the root raises, 0: Hangup alone
	root transport.Code
	leaf transport.Code
	text string
}{
	{"JOIN", func(s *scene) uint32 { return s.connect() }, joinWait, 0, 0, transport.WSAETIMEDOUT, "JOIN"},
	{"the answer to a request", func(s *scene) uint32 { return s.asks(Join{}) },
		time.Minute, Withdrawn, transport.WSAECONNRESET, transport.WSAETIMEDOUT, "1m0s"},
	{"the answer to a deferred request", func(s *scene) uint32 {
		id := s.asks(Join{})
		s.advance(20 * time.Second) // it counts from the call
		s.must(s.root.Answer(s.now, id, Answer{Verdict: Defer}))
		return id
	}, 40 * time.Second, Withdrawn, transport.WSAEACCES, transport.WSAETIMEDOUT, "1m0s"},
	{"the answer to an invitation", func(s *scene) uint32 {
		id := s.connect()
		s.must(s.root.Invite(s.now, id, Invite{}))
		s.settle()
		return id
	}, time.Minute, Failed, transport.WSAETIMEDOUT, transport.WSAETIMEDOUT, "1m0s"},
	{"the root's word on an accepted invitation", func(s *scene) uint32 {
		id := s.connect()
		s.must(s.root.Invite(s.now, id, Invite{Room: -1}))
		s.settle()
		s.must(s.leaves[id].Answer(s.now, Answer{Verdict: Accept}, Join{}))
		s.settle()
		return id
	}, readyWait, Failed, transport.WSAETIMEDOUT, transport.WSAETIMEDOUT, "10s"},
	{"the epoch", func(s *scene) uint32 {
		s.manual = true
		id := s.asks(Join{})
		s.admit(id)
		return id
	}, readyWait, Failed, transport.WSAETIMEDOUT, transport.WSAETIMEDOUT, "10s"},
	{"READY", func(s *scene) uint32 {
		id := s.asks(Join{})
		s.lazy[id] = true
		s.admit(id)
		return id
	}, readyWait, Failed, transport.WSAETIMEDOUT, transport.WSAETIMEDOUT, "READY"},
	{"START", func(s *scene) uint32 {
		s.manual = true
		id := s.asks(Join{})
		s.admit(id)
		s.setEpoch(Step, id)
		s.settle()
		return id
	}, readyWait, Failed, transport.WSAETIMEDOUT, transport.WSAETIMEDOUT, "10s"},
	{"REKEYED", func(s *scene) uint32 {
		id := s.joins()
		s.lazy[id] = true
		s.setEpoch(Fresh)
		s.settle()
		return id
	}, ackWait, Left, transport.WSAECONNABORTED, transport.WSAECONNABORTED, "epoch 2"},
}

func TestR259_EveryWaitEnds(t *testing.T) {
	for _, c := range waits {
		t.Run(c.name, func(t *testing.T) {
			s := newScene(t, RootConfig{})
			id := c.do(s)
			start := s.now
			s.advance(c.wait - time.Millisecond)
			s.none(Hangup, id)
			s.advance(time.Millisecond)
			if s.now != start.Add(c.wait) {
				t.Fatal("scene lost its time")
			}
			s.one(Hangup, id)
			if c.kind != 0 {
				if e := s.one(c.kind, id); e.Code != c.root || e.Own {
					t.Errorf("root: %v own %v, want %v", e.Code.Name(), e.Own, c.root.Name())
				}
			}
			if e := s.leafOne(id, Closed); e.Code != c.leaf {
				t.Errorf("leaf: %v %q", e.Code.Name(), e.Text)
			}
			if code, text := farewell(t, s.lastFrame[id]); code != c.leaf || !strings.Contains(text, c.text) {
				t.Errorf("told the leaf %v %q", code.Name(), text)
			}
		})
	}
}

// farewell reads a REFUSE or a BYE.
func farewell(t *testing.T, frame []byte) (transport.Code, string) {
	t.Helper()
	if f, err := ParseRefuse(frame); err == nil {
		return f.Code, f.Text
	}
	b, err := ParseBye(frame)
	if err != nil {
		t.Fatalf("%v is no farewell", TypeOf(frame))
	}
	return b.Code, b.Text
}

func TestR259_TheLeafItselfWaitsNoLongerThanItsTime(t *testing.T) {
	s := newScene(t, RootConfig{RequestTimeout: time.Hour})
	id := s.connect()
	s.leaves[id] = NewLeaf(s.now, LeafConfig{JoinTimeout: 7 * time.Second})
	s.must(s.leaves[id].Join(s.now, Join{}))
	s.advance(7*time.Second - 1)
	s.leafNone(id, Closed)
	s.advance(1)
	if e := s.leafOne(id, Closed); e.Code != transport.WSAETIMEDOUT || e.Own {
		t.Errorf("leaf: %+v", e)
	}
	s.one(Withdrawn, id) // R163: the request went with it
	wantTypes(t, "leaf", s.toRoot[id], TypeJoin, TypeBye)
}

func TestR259_AnInvitedLeafWaitsForItsOwnAnswerNoLonger(t *testing.T) {
	s := newScene(t, RootConfig{RequestTimeout: time.Hour})
	id := s.connect()
	s.must(s.root.Invite(s.now, id, Invite{Room: -1}))
	s.settle()
	s.advance(time.Minute)
	s.ended(Failed, id, transport.WSAETIMEDOUT, transport.WSAETIMEDOUT)
	wantTypes(t, "leaf", s.toRoot[id], TypeRefuse)
}

func TestAnIdleListenerWaitsForItsInvitation(t *testing.T) {
	l := NewLeaf(epochZero, LeafConfig{})
	for now := l.NextTimeout(); !now.IsZero(); now = l.NextTimeout() {
		l.Advance(now)
	}
	var last Output
	for o, ok := l.Poll(); ok; o, ok = l.Poll() {
		last = o
	}
	if e := last.Event; e.Kind != Closed || e.Code != transport.WSAETIMEDOUT {
		t.Errorf("ended with %+v", e)
	}
}

func TestUnaskedConnectionsAreBoundedOldestFirst(t *testing.T) {
	s := newScene(t, RootConfig{Unasked: 3})
	asking := s.asks(Join{})
	oldest := s.connect()
	for range 2 {
		s.connect()
	}
	s.none(Hangup, oldest)
	s.connect()
	if e := s.leafOne(oldest, Closed); e.Code != transport.WSAECONNREFUSED {
		t.Errorf("closed: %v", e.Code)
	}
	s.one(Hangup, oldest)
	s.none(Hangup, asking)
}

func TestLeavesAreBounded(t *testing.T) {
	s := newScene(t, RootConfig{Leaves: 2})
	s.joins()
	early := s.asks(Join{Room: -1})
	s.joins()
	wantCode(t, s.root.Answer(s.now, early, Answer{Verdict: Accept}), transport.WSAENOBUFS)
	s.settle()
	asks, invited := s.asks(Join{Room: -1}), s.connect()
	wantCode(t, s.root.Invite(s.now, invited, Invite{}), transport.WSAENOBUFS)
	s.settle()
	for _, id := range []uint32{early, asks, invited} {
		if e := s.leafOne(id, Closed); e.Code != transport.WSAECONNREFUSED || !strings.Contains(e.Text, "full") {
			t.Errorf("%d: %v %q", id, e.Code.Name(), e.Text)
		}
	}
	s.none(Requested, asks)
}
