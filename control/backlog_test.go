package control

import (
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

func TestR78_R262_FullBacklogRefusesTheNewcomer(t *testing.T) {
	for _, c := range []struct{ backlog, fit int }{{0, 128}, {2, 2}, {-1, 0}, {5000, 1024}} {
		s := newScene(t, RootConfig{Backlog: c.backlog})
		for range c.fit {
			s.one(Requested, s.asks(Join{Room: -1}))
		}
		id := s.asks(Join{Room: -1})
		s.none(Requested, id)
		if e := s.leafOne(id, Closed); e.Code != transport.WSAECONNREFUSED {
			t.Errorf("backlog %d: newcomer got %v", c.backlog, e.Code)
		}
		s.one(Hangup, id)
		if n, _ := s.root.Waiting(); n != c.fit {
			t.Errorf("backlog %d: %d wait, want %d", c.backlog, n, c.fit)
		}
	}
}

func TestSetBacklogAppliesToNewcomers(t *testing.T) {
	s := newScene(t, RootConfig{Backlog: -1})
	refused := s.asks(Join{})
	s.none(Requested, refused)
	s.root.SetBacklog(1)
	first := s.asks(Join{})
	s.one(Requested, first)
	s.none(Requested, s.asks(Join{}))
	s.root.SetBacklog(-1) // who waits already stays
	if req, ok := s.root.Next(); !ok || req.ID != first {
		t.Errorf("next: %+v %v", req, ok)
	}
}

func TestR93_R94_R95_DeferredRequestStaysAtTheHead(t *testing.T) {
	s := newScene(t, RootConfig{})
	first, second := s.asks(Join{Data: []byte("first")}), s.asks(Join{Data: []byte("second")})
	if n, deferred := s.root.Waiting(); n != 2 || deferred {
		t.Fatalf("waiting %d deferred %v", n, deferred)
	}
	for round := range 3 {
		req, ok := s.root.Next()
		if !ok || req.ID != first || string(req.Join.Data) != "first" || req.Deferred != (round > 0) {
			t.Fatalf("round %d: %+v", round, req)
		}
		req.Join.Data[0] = 'X' // what a condition does to its copy is its own
		s.must(s.root.Answer(s.now, first, Answer{Verdict: Defer}))
		s.settle()
		if n, deferred := s.root.Waiting(); n != 2 || !deferred { // R94: no accept event, though others wait
			t.Fatalf("round %d: waiting %d deferred %v", round, n, deferred)
		}
	}
	wantTypes(t, "root", s.toLeaf[first]) // the joiner is told nothing
	s.must(s.root.Answer(s.now, first, Answer{Verdict: Accept}))
	if req, _ := s.root.Next(); req.ID != second {
		t.Errorf("then %d, want %d", req.ID, second)
	}
}

func TestR97_AcceptWithoutConditionAdmitsADeferredRequest(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.asks(Join{Room: -1})
	s.must(s.root.Answer(s.now, id, Answer{Verdict: Defer}))
	s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept}))
	s.settle()
	s.one(Joined, id)
}

func TestR98_AVerdictThatIsNoneLeavesTheRequestWhereItIs(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.asks(Join{Room: -1})
	s.asks(Join{Room: -1})
	for _, a := range []Answer{{}, {Verdict: 9}, {Verdict: Accept, Role: 7}} {
		if req, _ := s.root.Next(); req.ID != id {
			t.Fatalf("head is %d", req.ID)
		}
		wantCode(t, s.root.Answer(s.now, id, a), transport.WSAEINVAL)
	}
	if req, ok := s.root.Next(); !ok || req.ID != id {
		t.Errorf("head is %d, want %d", req.ID, id)
	}
	s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept}))
	s.settle()
	s.one(Joined, id)
}

func TestTwoAcceptCallsAreShownTwoRequests(t *testing.T) {
	s := newScene(t, RootConfig{})
	first, second := s.asks(Join{}), s.asks(Join{})
	a, _ := s.root.Next()
	b, _ := s.root.Next()
	_, third := s.root.Next()
	if a.ID != first || b.ID != second || third {
		t.Fatalf("shown %d, %d and a third: %v", a.ID, b.ID, third)
	}
	s.must(s.root.Answer(s.now, second, Answer{Verdict: Defer}))
	s.must(s.root.Answer(s.now, first, Answer{Verdict: Defer}))
	if a, _ := s.root.Next(); a.ID != first { // each is back at its old place
		t.Errorf("head is %d, want %d", a.ID, first)
	}
}

func TestR100_R101_R163_RequestThatWentAway(t *testing.T) {
	leave := func(s *scene, id uint32) { s.must(s.leaves[id].Leave(s.now, 0, "changed my mind", nil)); s.settle() }
	reset := func(s *scene, id uint32) { s.root.Lost(s.now, id, 0); s.settle() }
	late := func(s *scene, id uint32) { s.advance(time.Minute) }
	for _, how := range []struct {
		name string
		do   func(*scene, uint32)
	}{{"withdrawn", leave}, {"reset", reset}, {"timed out", late}} {
		for _, shown := range []bool{false, true} {
			s := newScene(t, RootConfig{})
			id, next := s.asks(Join{}), s.asks(Join{})
			want := transport.WSAECONNRESET
			if shown {
				want = transport.WSAEACCES
				s.root.Next()
				s.must(s.root.Answer(s.now, id, Answer{Verdict: Defer}))
			}
			s.advance(time.Second)
			how.do(s, id)
			if e := s.one(Withdrawn, id); e.Shown != shown || e.Code != want {
				t.Errorf("%s, shown %v: %v shown %v", how.name, shown, e.Code.Name(), e.Shown)
			}
			s.one(Hangup, id)
			s.toldLeaf(id, how.name)
			req, ok := s.root.Next() // the accept call it was meant for fails, once
			if !ok || req.ID != id || req.Code != want || req.Join.Data != nil {
				t.Errorf("%s, shown %v: accept sees %d %v", how.name, shown, req.ID, req.Code.Name())
			}
			if req, ok := s.root.Next(); how.name != "timed out" && (!ok || req.ID != next || req.Code != 0) {
				t.Errorf("%s: then %d %v", how.name, req.ID, req.Code)
			}
			s.none(Failed, id)
		}
	}
}

// toldLeaf checks what the leaf of a request that went away was told.
func (s *scene) toldLeaf(id uint32, how string) {
	s.t.Helper()
	switch how {
	case "withdrawn":
		if e := s.leafOne(id, Closed); !e.Own || e.Code != 0 {
			s.t.Errorf("leaf: %v own %v", e.Code, e.Own)
		}
	case "timed out":
		if e := s.leafOne(id, Closed); e.Code != transport.WSAETIMEDOUT {
			s.t.Errorf("leaf: %v", e.Code)
		}
	}
}

func TestR101_RequestThatGoesWhileTheConditionLooksAtIt(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.asks(Join{})
	s.root.Next()
	s.must(s.leaves[id].Leave(s.now, 0, "", nil))
	s.settle()
	if e := s.one(Withdrawn, id); !e.Shown {
		t.Error("the condition has seen it")
	}
	if req, ok := s.root.Next(); ok {
		t.Errorf("another accept call sees %d: the failure is for the first alone", req.ID)
	}
	for _, v := range []Verdict{Accept, Defer, Reject} {
		err := s.root.Answer(s.now, id, Answer{Verdict: v})
		if v == Accept {
			wantCode(t, err, transport.WSAEACCES)
		} else {
			wantCode(t, err, transport.WSAEINVAL) // told once
		}
	}
	s.settle()
	s.none(Failed, id)
	s.none(Joined, id)
}

func TestR78_R163_ANewcomerTakesTheRoomOfOneThatWentAway(t *testing.T) {
	s := newScene(t, RootConfig{Backlog: 2})
	gone, stays := s.asks(Join{}), s.asks(Join{})
	s.root.Lost(s.now, gone, 0)
	id := s.asks(Join{})
	s.one(Requested, id)
	a, _ := s.root.Next()
	b, _ := s.root.Next()
	if a.ID != stays || b.ID != id {
		t.Errorf("queue %d, %d; want %d, %d", a.ID, b.ID, stays, id)
	}
	for range 300 { // come and go: the queue stays bounded
		s.root.Lost(s.now, s.asks(Join{}), 0)
		s.settle()
	}
	if n := len(s.root.backlog.list); n > 2 {
		t.Errorf("%d entries in a backlog of 2", n)
	}
}

func TestR78_R101_TheFailureOfAnAcceptCallUnderWayKeepsItsPlace(t *testing.T) {
	s := newScene(t, RootConfig{Backlog: 1})
	id := s.asks(Join{})
	s.root.Next() // a condition looks at it
	s.root.Lost(s.now, id, 0)
	s.asks(Join{})
	wantCode(t, s.root.Answer(s.now, id, Answer{Verdict: Accept}), transport.WSAEACCES)
	s.one(Requested, s.asks(Join{}))
}

func TestR226_CloseRefusesAllThatWait(t *testing.T) {
	s := newScene(t, RootConfig{})
	queued, deferred := s.asks(Join{}), s.asks(Join{})
	s.must(s.root.Answer(s.now, deferred, Answer{Verdict: Defer}))
	unasked, invited := s.connect(), s.connect()
	s.must(s.root.Invite(s.now, invited, Invite{Room: -1}))
	s.settle()
	s.root.Close(s.now, transport.WSAENETDOWN, "over")
	s.settle()
	for _, id := range []uint32{queued, deferred, unasked, invited} {
		if e := s.leafOne(id, Closed); e.Code != transport.WSAECONNREFUSED {
			t.Errorf("%d: closed with %v", id, e.Code)
		}
		s.one(Hangup, id)
	}
	s.one(Failed, invited)
	if _, ok := s.root.Next(); ok {
		t.Error("a request is left")
	}
	if !s.root.NextTimeout().IsZero() {
		t.Error("a timer is left")
	}
}
