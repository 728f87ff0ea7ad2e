package control

import (
	"bytes"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

func TestR68_R69_R258_LeafAsksWaitsAndIsLetIn(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.asks(Join{Name: "prices", Room: 10, Suites: []uint8{1, 3}, Data: []byte("hello")})
	e := s.one(Requested, id)
	if e.Join.Name != "prices" || string(e.Join.Data) != "hello" || e.Addr != leafAddr(id) {
		t.Fatalf("request: %+v from %v", e.Join, e.Addr)
	}
	s.advance(30 * time.Second) // queued is not joined, however long (R258)
	s.leafNone(id, Welcomed)
	s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept, Callee: []byte("welcome")}))
	s.settle()
	wantTypes(t, "leaf", s.toRoot[id], TypeJoin, TypeReady)
	wantTypes(t, "root", s.toLeaf[id], TypeWelcome, TypeStart)
	if w := s.leafOne(id, Welcomed).Welcome; string(w.Callee) != "welcome" || w.ID != id || w.Epoch != 1 || w.Params.Name != "prices" {
		t.Fatalf("welcome: %+v", w)
	}
	if st := s.leafOne(id, Started); len(st.Edges) != 1 || st.Edges[0] != (Edge{0, 7, 3}) {
		t.Fatalf("started: %+v", st)
	}
	j := s.one(Joined, id)
	if want := "192.0.2.2:5000"; j.Addr.String() != want {
		t.Errorf("leaf hears unicast at %v, want %v: an unspecified address is the control connection's", j.Addr, want)
	}
	s.advance(time.Minute) // and stays in, on beats alone
	s.none(Left, id)
	s.leafNone(id, Closed)
}

func TestR54_R56_R58_RootInvitesAndLeafSaysYes(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.connect()
	s.must(s.root.Invite(s.now, id, Invite{Name: "prices", Room: 5, Data: []byte("come"), Role: SendOnly}))
	s.settle()
	in := s.leafOne(id, Invited).Invite
	if string(in.Data) != "come" || in.Room != 5 || in.Role != SendOnly {
		t.Fatalf("invitation: %+v", in)
	}
	s.must(s.leaves[id].Answer(s.now, Answer{Verdict: Accept, Callee: []byte("gladly")[:5], Role: ReceiveOnly}, Join{Suites: []uint8{1}}))
	s.settle()
	if e := s.one(Accepted, id); string(e.Join.Data) != "gladl" || e.Join.Role != ReceiveOnly {
		t.Fatalf("accepted: %+v", e.Join)
	}
	s.leafNone(id, Welcomed)                                                           // the root still judges the token
	wantCode(t, s.root.Answer(s.now, id, Answer{Verdict: Defer}), transport.WSAEINVAL) // nobody is to wait on
	s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept, Callee: []byte("not asked for")}))
	s.settle()
	if e := s.one(Joined, id); string(e.Join.Data) != "gladl" {
		t.Fatalf("joined: %+v", e.Join)
	}
	if w := s.leafOne(id, Welcomed).Welcome; w.Callee != nil || w.Role != SendOnly {
		t.Fatalf("an invited leaf is the callee itself, and the root keeps the role it stated: %+v", w)
	}
	wantTypes(t, "root", s.toLeaf[id], TypeInvite, TypeWelcome, TypeStart)
	s.none(Requested, id)
}

func TestR56_R63_R156_InvitedLeafSaysNo(t *testing.T) {
	s := newScene(t, RootConfig{})
	other := s.joins()
	id := s.connect()
	s.must(s.root.Invite(s.now, id, Invite{Room: -1}))
	s.settle()
	s.must(s.leaves[id].Answer(s.now, Answer{Verdict: Reject, Text: "not today"}, Join{}))
	s.settle()
	s.ended(Failed, id, transport.WSAECONNREFUSED, transport.WSAECONNREFUSED)
	if e := s.one(Failed, id); e.Text != "not today" || e.Own {
		t.Errorf("failed: %q own=%v", e.Text, e.Own)
	}
	s.advance(20 * time.Second)
	s.none(Left, other)
	if s.epoch != 1 {
		t.Errorf("epoch %d: who never had a key changes none", s.epoch)
	}
}

func TestR63_InvitedLeafThatClosesInsteadOfAnswering(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.connect()
	s.must(s.root.Invite(s.now, id, Invite{Room: -1}))
	s.settle()
	s.root.Handle(s.now, id, Bye{}.Append(nil))
	s.settle()
	if e := s.one(Failed, id); e.Code != transport.WSAECONNREFUSED {
		t.Errorf("failed: %v", e.Code)
	}
}

func TestR219_AWordOfPartingBeforeWelcomeFailsTheJoin(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.asks(Join{})
	s.leaves[id].Handle(s.now, RootID, Bye{}.Append(nil))
	s.settle()
	if e := s.leafOne(id, Closed); e.Code != transport.WSAECONNRESET {
		t.Errorf("closed: %v", e.Code)
	}
}

func TestR61_R153_RequestsAndInvitationsRunAtOnce(t *testing.T) {
	s := newScene(t, RootConfig{})
	invited := s.connect()
	s.must(s.root.Invite(s.now, invited, Invite{Room: -1}))
	asking := s.asks(Join{Room: -1})
	second := s.connect()
	s.must(s.root.Invite(s.now, second, Invite{Room: -1}))
	s.settle()
	req, ok := s.root.Next() // accept works while invitations are out
	if !ok || req.ID != asking {
		t.Fatalf("next request %v %v, want %d", req.ID, ok, asking)
	}
	s.must(s.root.Answer(s.now, asking, Answer{Verdict: Accept}))
	s.settle()
	s.one(Joined, asking)
	for _, id := range []uint32{second, invited} {
		s.must(s.leaves[id].Answer(s.now, Answer{Verdict: Accept}, Join{}))
		s.settle()
		s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept}))
		s.settle()
		s.advance(rekeyGap)
		s.one(Joined, id)
	}
	if st := s.root.Stats(); st.Leaves != 3 || st.Joined != 3 {
		t.Errorf("stats %+v", st)
	}
}

func TestR64_R221_OneAddressTwiceAndAgainAfterwards(t *testing.T) {
	s := newScene(t, RootConfig{})
	first := s.joins()
	addr := leafAddr(first)
	again := func() uint32 {
		s.lastID++
		id := s.lastID
		s.leaves[id] = NewLeaf(s.now, LeafConfig{})
		s.must(s.root.Open(s.now, id, addr))
		s.must(s.leaves[id].Join(s.now, Join{Room: -1}))
		s.settle()
		s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept}))
		s.settle()
		s.advance(rekeyGap)
		s.one(Joined, id)
		return id
	}
	again() // membership is per connection, not per address
	s.must(s.root.Evict(s.now, first, 0, "bye"))
	s.settle()
	s.one(Left, first)
	s.advance(rekeyGap)
	again()
	if n := s.root.Stats().Leaves; n != 2 {
		t.Errorf("%d leaves, want 2", n)
	}
}

func TestMemberIDsRiseAndAreNeverUsedAgain(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.joins()
	for _, bad := range []uint32{0, RootID, id, id - 1} {
		wantCode(t, s.root.Open(s.now, bad, leafAddr(2)), transport.WSAEINVAL)
	}
}

func TestR90_R91_R106_RejectedLeafGetsTheCodeAndNoData(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.asks(Join{Room: 100})
	s.must(s.root.Answer(s.now, id, Answer{Verdict: Reject, Callee: []byte("secret"), Text: "members only"}))
	s.settle()
	if e := s.leafOne(id, Closed); e.Code != transport.WSAECONNREFUSED || e.Text != "members only" {
		t.Errorf("closed: %v %q", e.Code, e.Text)
	}
	if bytes.Contains(s.lastFrame[id], []byte("secret")) {
		t.Error("callee data of a condition that rejects was sent")
	}
	s.one(Hangup, id)
	s.none(Withdrawn, id)
	s.none(Failed, id)
	wantTypes(t, "root", s.toLeaf[id], TypeRefuse)
}

func TestR184_R192_R193_RolesMustMeet(t *testing.T) {
	for _, c := range []struct {
		root, leaf Role
		meet       bool
	}{
		{Both, Both, true}, {Both, SendOnly, true}, {Both, ReceiveOnly, true},
		{SendOnly, Both, true}, {SendOnly, ReceiveOnly, true}, {SendOnly, SendOnly, false},
		{ReceiveOnly, Both, true}, {ReceiveOnly, SendOnly, true}, {ReceiveOnly, ReceiveOnly, false},
	} {
		if got := Meet(c.root, c.leaf); got != c.meet {
			t.Errorf("root %v, leaf %v: meet %v", c.root, c.leaf, got)
		}
		s := newScene(t, RootConfig{})
		asking := s.asks(Join{Role: c.leaf, Room: -1})
		errAsk := s.root.Answer(s.now, asking, Answer{Verdict: Accept, Role: c.root})
		invited := s.connect()
		s.must(s.root.Invite(s.now, invited, Invite{Role: c.root, Room: -1}))
		s.settle()
		errIn := s.leaves[invited].Answer(s.now, Answer{Verdict: Accept, Role: c.leaf}, Join{})
		s.settle()
		if c.meet { // one root, leaves of different roles (R192)
			s.must(errAsk)
			s.must(errIn)
			s.one(Joined, asking)
			s.one(Accepted, invited)
			continue
		}
		wantCode(t, errAsk, transport.WSAECONNREFUSED)
		wantCode(t, errIn, transport.WSAECONNREFUSED)
		if e := s.leafOne(asking, Closed); e.Code != transport.WSAECONNREFUSED {
			t.Errorf("leaf: %v", e.Code)
		}
		s.ended(Failed, invited, transport.WSAECONNREFUSED, transport.WSAECONNREFUSED)
	}
}

func TestR193_InvitedLeafOfAWrongRoleIsStoppedAtTheRootToo(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.connect()
	s.must(s.root.Invite(s.now, id, Invite{Role: SendOnly, Room: -1}))
	s.settle()
	s.deaf[id] = true
	s.root.Handle(s.now, id, Join{Role: SendOnly, Room: -1}.Append(nil)) // not our leaf's code
	s.settle()
	wantCode(t, s.root.Answer(s.now, id, Answer{Verdict: Accept}), transport.WSAECONNREFUSED)
	s.settle()
	if e := s.one(Failed, id); e.Code != transport.WSAECONNREFUSED {
		t.Errorf("failed: %v", e.Code)
	}
}

func TestR206_R207_FlowSpecificationsGoThereAndComeBackChanged(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.asks(Join{Room: -1, QoS: []byte("10 MB/s")})
	if q := s.one(Requested, id).Join.QoS; string(q) != "10 MB/s" {
		t.Fatalf("asked %q", q)
	}
	s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept, QoS: []byte("1 MB/s")}))
	s.settle()
	if q := s.leafOne(id, Welcomed).Welcome.QoS; string(q) != "1 MB/s" {
		t.Errorf("granted %q", q)
	}
	none := s.asks(Join{Room: -1})
	if q := s.one(Requested, none).Join.QoS; q != nil {
		t.Errorf("none stated, yet %q", q)
	}
}

func TestSendersBeyondOneWelcomeFollowAtOnce(t *testing.T) {
	s := newScene(t, RootConfig{})
	s.manual = true
	id := s.asks(Join{Room: -1})
	s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept}))
	s.settle()
	w := sampleWelcome(id)
	w.Senders = nil
	const all = maxWelcome + MaxSenders + 5
	for i := range uint32(all) {
		w.Senders = append(w.Senders, Peer{ID: 100 + i, Addr: leafAddr(2)})
	}
	s.must(s.root.SetEpoch(s.now, 1, Step, []Welcome{w}))
	s.settle()
	wantTypes(t, "root", s.toLeaf[id], TypeWelcome, TypeSenders, TypeSenders)
	var got []Peer
	for _, e := range s.atLeaf[id] {
		switch e.Kind {
		case Welcomed:
			got = append(got, e.Welcome.Senders...)
		case SendersChanged:
			got = append(got, e.Senders.Add...)
		}
	}
	if len(got) != all || got[0].ID != 100 || got[all-1].ID != 100+all-1 {
		t.Errorf("%d senders arrived, want %d in order", len(got), all)
	}
}

func TestSendersChangesReachAllThatAreIn(t *testing.T) {
	s := newScene(t, RootConfig{})
	in, waiting := s.joins(), s.asks(Join{Room: -1})
	s.must(s.root.Senders(s.now, []Peer{{ID: 9, Addr: leafAddr(9), Role: SendOnly}}, []uint32{4, 5}))
	wantCode(t, s.root.Senders(s.now, []Peer{{Addr: leafAddr(9)}}, nil), transport.WSAEINVAL)
	wantCode(t, s.root.Senders(s.now, nil, []uint32{0}), transport.WSAEINVAL)
	wantCode(t, s.root.Senders(s.now, []Peer{{ID: 9, Addr: leafAddr(9), Role: 3}}, nil), transport.WSAEINVAL)
	s.settle()
	e := s.leafOne(in, SendersChanged).Senders
	if len(e.Add) != 1 || e.Add[0] != (Peer{ID: 9, Addr: leafAddr(9), Role: SendOnly}) || len(e.Remove) != 2 {
		t.Errorf("senders: %+v", e)
	}
	s.leafNone(waiting, SendersChanged)
}
