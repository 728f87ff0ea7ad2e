package control

import (
	"slices"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

func TestR214_R220_LeafLeavesInGoodOrder(t *testing.T) {
	s := newScene(t, RootConfig{})
	a, b := s.joins(), s.joins()
	edges := []Edge{{0, 100, 40}, {3, 5, 5}}
	before := len(s.atLeaf[b])
	s.must(s.leaves[a].Leave(s.now, 0, "done", edges))
	s.settle()
	s.ended(Left, a, 0, 0)
	if e := s.one(Left, a); e.Own || e.Text != "done" || !slices.Equal(e.Edges, edges) {
		t.Errorf("left: %+v", e)
	}
	if e := s.leafOne(a, Closed); !e.Own {
		t.Error("the leaf closed itself")
	}
	wantTypes(t, "root answers a BYE with nothing", s.toLeaf[a], TypeWelcome, TypeStart, TypeRekey)
	for _, e := range s.atLeaf[b][before:] { // the others notice a new epoch, no more
		if e.Kind != Rekeying {
			t.Errorf("other leaf: %v", e)
		}
	}
	if ks := s.kinds(a); !slices.Equal(ks, []EventKind{Requested, Joined, Left, Hangup}) {
		t.Errorf("events %v", ks)
	}
}

func TestR215_R221_RootClosesOneMember(t *testing.T) {
	s := newScene(t, RootConfig{})
	a, b := s.joins(), s.joins()
	s.must(s.root.SetEdges([]Edge{{0, 9, 4}}))
	s.must(s.root.Evict(s.now, a, transport.WSAEACCES, "expired"))
	s.settle()
	s.ended(Left, a, transport.WSAEACCES, transport.WSAEACCES)
	if e := s.leafOne(a, Closed); e.Own || e.Text != "expired" || len(e.Edges) != 1 || e.Edges[0].Seq != 9 {
		t.Errorf("closed: %+v", e)
	}
	if e := s.one(Left, a); !e.Own {
		t.Error("the root ended it")
	}
	s.none(Left, b)
	s.leafNone(b, Closed)
	wantCode(t, s.root.Evict(s.now, a, 0, ""), transport.WSAENOTCONN)
}

func TestR216_R217_R219_CloseEndsTheSessionForAll(t *testing.T) {
	s := newScene(t, RootConfig{})
	a, b := s.joins(), s.joins()
	s.must(s.root.SetEdges([]Edge{{0, 12, 6}}))
	s.root.Close(s.now, 0, "good night")
	s.root.Close(s.now, 0, "twice is once")
	s.settle()
	for _, id := range []uint32{a, b} {
		s.ended(Left, id, 0, 0)
		if e := s.leafOne(id, Closed); e.Text != "good night" || e.Edges[0].Seq != 12 || e.Own {
			t.Errorf("closed: %+v", e)
		}
		wantCode(t, s.leaves[id].Chat(s.now, nil), transport.WSAENOTCONN)
	}
	late := s.connect()
	if e := s.leafOne(late, Closed); e.Code != transport.WSAECONNREFUSED {
		t.Errorf("a join to a session that is over: %v", e.Code)
	}
	s.one(Hangup, late)
	wantCode(t, s.root.SetEpoch(s.now, 99, Fresh, nil), transport.WSAENOTCONN)
}

func TestR225_SilenceAbortsAndResetResets(t *testing.T) {
	s := newScene(t, RootConfig{})
	silent, reset, fine := s.joins(), s.joins(), s.joins()
	s.mute[silent], s.deaf[silent] = true, true // a cable pulled
	s.root.Lost(s.now, reset, 0)
	s.leaves[reset].Lost(s.now, 0)
	s.settle()
	s.ended(Left, reset, transport.WSAECONNRESET, transport.WSAECONNRESET)
	s.advance(4900 * time.Millisecond)
	s.none(Left, silent)
	s.leafNone(silent, Closed)
	s.advance(200 * time.Millisecond)
	s.ended(Left, silent, transport.WSAECONNABORTED, transport.WSAECONNABORTED)
	s.advance(time.Minute)
	s.none(Left, fine)
	if st := s.root.Stats(); st.Silent != 1 || st.Left != 2 || st.Leaves != 1 {
		t.Errorf("stats %+v", st)
	}
}

func TestALeafThatSpeaksInTheLastMomentStaysAndBeatsKeepTheirTime(t *testing.T) {
	r := NewRoot(RootConfig{})
	if err := r.Open(epochZero, 2, leafAddr(2)); err != nil {
		t.Fatal(err)
	}
	at := func(d time.Duration) time.Time { return epochZero.Add(d) }
	r.Handle(at(300*time.Millisecond), 2, Join{}.Append(nil))
	var beats []time.Duration
	for now := at(0); now.Before(at(8 * time.Second)); now = now.Add(100 * time.Millisecond) {
		if now.Equal(at(5100 * time.Millisecond)) {
			r.Handle(now, 2, Beat{}.Append(nil))
		}
		if !r.NextTimeout().After(now) {
			r.Advance(now)
		}
		for o, ok := r.Poll(); ok; o, ok = r.Poll() {
			if TypeOf(o.Frame) == TypeBeat {
				beats = append(beats, now.Sub(epochZero))
			}
		}
	}
	if !slices.Equal(beats, []time.Duration{1e9, 2e9, 3e9, 4e9, 5e9, 6e9, 7e9}) {
		t.Errorf("beats at %v", beats)
	}
	if _, ok := r.Leaf(2); !ok {
		t.Error("lost")
	}
}

func TestR63_AJoinThatMeetsSilenceTimesOut(t *testing.T) {
	s := newScene(t, RootConfig{})
	asking, invited := s.asks(Join{Room: -1}), s.connect()
	s.must(s.root.Invite(s.now, invited, Invite{Room: -1}))
	s.settle()
	for _, id := range []uint32{asking, invited} {
		s.mute[id], s.deaf[id] = true, true
	}
	s.advance(6 * time.Second)
	if e := s.one(Withdrawn, asking); e.Shown || e.Code != transport.WSAECONNRESET {
		t.Errorf("withdrawn: %+v", e)
	}
	s.ended(Failed, invited, transport.WSAETIMEDOUT, transport.WSAETIMEDOUT)
	if e := s.leafOne(asking, Closed); e.Code != transport.WSAETIMEDOUT {
		t.Errorf("asking leaf: %v", e.Code)
	}
}

func TestR225_WhatTheDataPlaneHeardIsAskedBeforeSomebodyIsCondemned(t *testing.T) {
	spoke := make(map[uint32]time.Time)
	s := newScene(t, RootConfig{Data: func(leaf uint32) time.Time { return spoke[leaf] }})
	lives, dies := s.joins(), s.joins()
	var frames uint64
	s.leaves[lives].c.Data = func() uint64 { return frames }
	for _, id := range []uint32{lives, dies} {
		s.mute[id], s.deaf[id] = true, true
	}
	for range 12 { // later the epoch that the other one's death makes is missed
		s.advance(time.Second)
		spoke[lives], frames = s.now, frames+1
	}
	s.none(Left, lives)
	s.leafNone(lives, Closed)
	s.one(Left, dies)
	s.advance(7 * time.Second)
	s.ended(Left, lives, transport.WSAECONNABORTED, transport.WSAECONNABORTED)
}

func TestWhoSleptDoesNotBlameTheOthers(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.joins()
	s.now = s.now.Add(time.Hour) // the root's host was suspended; the leaf's beats wait in the socket
	s.root.Advance(s.now)
	s.leaves[id].Advance(s.now)
	s.settle()
	s.none(Left, id)
	s.leafNone(id, Closed)
	if st := s.root.Stats(); st.Pauses != 1 {
		t.Errorf("%d pauses", st.Pauses)
	}
	s.mute[id], s.deaf[id] = true, true
	s.advance(6 * time.Second) // and real silence counts as ever
	s.ended(Left, id, transport.WSAECONNABORTED, transport.WSAECONNABORTED)
}

func TestR164_AcceptanceCrossesTheWithdrawal(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.asks(Join{Room: -1})
	s.deaf[id], s.mute[id] = true, true
	s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept}))
	s.must(s.leaves[id].Leave(s.now, 0, "cancelled", nil))
	s.settle()
	wantTypes(t, "root", s.toLeaf[id], TypeWelcome)
	s.release(id) // WELCOME finds the leaf gone, BYE finds it admitted
	if e := s.one(Failed, id); e.Code != transport.WSAECONNRESET || e.Own {
		t.Errorf("failed: %+v", e)
	}
	s.none(Joined, id)
	s.leafNone(id, Welcomed)
	s.one(Hangup, id)
	s.advance(rekeyGap)
	if e := s.events[len(s.events)-1]; s.epoch != 2 || e.Kind != EpochReady {
		t.Errorf("epoch %d, last event %v: it was sent the key, so the key changes", s.epoch, e)
	}
}

func TestR160_R164_InvitationCancelledAsTheLeafAccepts(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.connect()
	s.must(s.root.Invite(s.now, id, Invite{Room: -1}))
	s.settle()
	s.deaf[id], s.mute[id] = true, true
	s.must(s.leaves[id].Answer(s.now, Answer{Verdict: Accept}, Join{}))
	s.must(s.root.Evict(s.now, id, transport.WSA_OPERATION_ABORTED, "cancelled"))
	s.settle()
	s.release(id)
	s.ended(Failed, id, transport.WSA_OPERATION_ABORTED, transport.WSA_OPERATION_ABORTED)
	if e := s.one(Failed, id); !e.Own {
		t.Error("the root's own doing")
	}
	s.none(Accepted, id)
	if s.root.Stats().Late != 1 {
		t.Error("the JOIN that crossed is counted as late")
	}
	other := s.connect() // the root is as before
	s.must(s.root.Invite(s.now, other, Invite{Room: -1}))
}

func TestR163_InvitationWithdrawnBeforeTheLeafAnswered(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.connect()
	s.must(s.root.Invite(s.now, id, Invite{Room: -1}))
	s.settle()
	s.must(s.leaves[id].Answer(s.now, Answer{Verdict: Defer}, Join{}))
	s.must(s.root.Evict(s.now, id, 0, ""))
	s.settle()
	if e := s.leafOne(id, Closed); e.Code != transport.WSAECONNREFUSED {
		t.Errorf("closed: %v", e.Code)
	}
	wantCode(t, s.leaves[id].Answer(s.now, Answer{Verdict: Accept}, Join{}), transport.WSAEACCES)
	s.settle()
	s.leafOne(id, Closed)
}

func TestLeafEndsWithExactlyOneClosed(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.joins()
	l := s.leaves[id]
	s.must(l.Leave(s.now, 0, "", nil))
	wantCode(t, l.Leave(s.now, 0, "", nil), transport.WSAENOTCONN)
	l.Lost(s.now, 0)
	l.Handle(s.now, RootID, Bye{}.Append(nil))
	l.Advance(s.now.Add(time.Hour))
	wantCode(t, l.Rekeyed(s.now, 1), transport.WSAENOTCONN)
	wantCode(t, l.Ready(s.now, Ready{}), transport.WSAENOTCONN)
	s.settle()
	s.leafOne(id, Closed)
	if !l.NextTimeout().IsZero() {
		t.Error("a timer is left")
	}
}

func TestR230_R231_SideChatReachesOneLeafAndBack(t *testing.T) {
	s := newScene(t, RootConfig{})
	a, b := s.joins(), s.joins()
	s.must(s.root.Chat(s.now, a, []byte("psst")))
	s.must(s.leaves[a].Chat(s.now, []byte("yes?")))
	s.settle()
	if e := s.leafOne(a, Chatted); string(e.Data) != "psst" {
		t.Errorf("leaf heard %q", e.Data)
	}
	if e := s.one(Chatted, a); string(e.Data) != "yes?" {
		t.Errorf("root heard %q", e.Data)
	}
	s.leafNone(b, Chatted)
	s.must(s.root.Chat(s.now, b, make([]byte, MaxChat)))
	wantCode(t, s.root.Chat(s.now, b, make([]byte, MaxChat+1)), transport.WSAEMSGSIZE)
	wantCode(t, s.leaves[b].Chat(s.now, make([]byte, MaxChat+1)), transport.WSAEMSGSIZE)
	wantCode(t, s.root.Chat(s.now, 99, nil), transport.WSAENOTCONN)
	wantCode(t, s.root.Chat(s.now, s.asks(Join{}), nil), transport.WSAENOTCONN)
}

func TestR232_SideChatObeysTheRoles(t *testing.T) {
	all := []Role{Both, SendOnly, ReceiveOnly}
	for _, root := range all {
		for _, leaf := range all {
			if !Meet(root, leaf) {
				continue
			}
			chatAs(t, root, leaf)
		}
	}
}

// chatAs tries both directions, politely and by force.
func chatAs(t *testing.T, root, leaf Role) {
	t.Helper()
	start := func() (*scene, uint32) {
		s := newScene(t, RootConfig{})
		id := s.asks(Join{Role: leaf, Room: -1})
		s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept, Role: root}))
		s.settle()
		return s, id
	}
	down, up := root.Sends() && leaf.Receives(), leaf.Sends() && root.Receives()
	s, id := start()
	errDown, errUp := s.root.Chat(s.now, id, []byte("down")), s.leaves[id].Chat(s.now, []byte("up"))
	s.settle()
	for _, c := range []struct {
		allowed bool
		err     error
		heard   bool
		force   func(s *scene, id uint32)
	}{
		{down, errDown, slices.ContainsFunc(s.atLeaf[id], func(e Event) bool { return e.Kind == Chatted }),
			func(s *scene, id uint32) { s.leaves[id].Handle(s.now, RootID, Chat{}.Append(nil)) }},
		{up, errUp, s.count(Chatted, id) == 1,
			func(s *scene, id uint32) { s.root.Handle(s.now, id, Chat{}.Append(nil)) }},
	} {
		if c.allowed {
			if c.err != nil || !c.heard {
				t.Errorf("root %v, leaf %v: %v, heard %v", root, leaf, c.err, c.heard)
			}
			continue
		}
		wantCode(t, c.err, transport.WSAEOPNOTSUPP)
		s, id := start()
		c.force(s, id)
		s.settle()
		s.ended(Left, id, transport.WSAECONNABORTED, transport.WSAECONNABORTED)
		s.none(Chatted, id)
		s.leafNone(id, Chatted)
	}
}

func TestBeatsTellHowFarEachSideHasSent(t *testing.T) {
	s := newScene(t, RootConfig{})
	id, waiting := s.joins(), s.asks(Join{Room: -1})
	s.must(s.root.SetEdges([]Edge{{0, 812, 400}}))
	s.must(s.leaves[id].SetEdges([]Edge{{2, 3, 1}}))
	s.atLeaf[id], s.events = nil, nil
	s.advance(time.Second)
	if e := s.leafOne(id, Beaten); e.Epoch != 1 || len(e.Edges) != 1 || e.Edges[0] != (Edge{0, 812, 400}) {
		t.Errorf("leaf: %+v", e)
	}
	if e := s.one(Beaten, id); e.Epoch != 1 || len(e.Edges) != 1 || e.Edges[0] != (Edge{2, 3, 1}) {
		t.Errorf("root: %+v", e)
	}
	s.must(s.root.SetEdges([]Edge{{0, 900, 450}}))
	s.atLeaf[id] = nil
	s.advance(time.Second)
	if e := s.leafOne(id, Beaten); e.Edges[0].Seq != 900 {
		t.Errorf("then: %+v", e)
	}
	b, err := ParseBeat(s.lastFrame[waiting])
	if err != nil || b.Epoch != 0 || b.Edges != nil {
		t.Errorf("who is not in learns only that the root lives: %+v %v", b, err)
	}
	many := make([]Edge, MaxStreams+1)
	wantCode(t, s.root.SetEdges(many), transport.WSAEINVAL)
	wantCode(t, s.leaves[id].SetEdges([]Edge{{3, 0, 0}, {3, 0, 0}}), transport.WSAEINVAL)
}
