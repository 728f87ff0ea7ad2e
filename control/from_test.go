package control

import (
	"testing"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// TestNumbersAreFlows: control may not import flow, so what both number is
// compared here.
func TestNumbersAreFlows(t *testing.T) {
	for ours, its := range map[FromKind]flow.FromKind{
		FromNow: flow.FromNow, FromOldest: flow.FromOldest, FromNumber: flow.FromNumber, FromLast: flow.FromLast,
	} {
		if uint8(ours) != uint8(its) {
			t.Errorf("kind %d is %d in flow", ours, its)
		}
	}
	if deadlineClass != uint8(flow.Deadline) || classes != uint8(flow.Deadline)+1 {
		t.Errorf("the deadline class is %d in flow, the last one", flow.Deadline)
	}
}

// The root's shell needs to know until Start, which takes the edges it made of
// it.
func TestALateLeafSaysWhereItWantsToBegin(t *testing.T) {
	for _, from := range []From{{}, {FromOldest, 0}, {FromNumber, 0}, {FromNumber, 1<<64 - 1}, {FromLast, 0}, {FromLast, 250}} {
		s := newScene(t, RootConfig{})
		s.manual = true
		id := s.asks(Join{Room: -1, From: from})
		same := func(where string, got From) {
			t.Helper()
			if got != from {
				t.Errorf("%s: %+v, want %+v", where, got, from)
			}
		}
		same("the request", s.one(Requested, id).Join.From)
		req, _ := s.root.Next()
		same("the accept call", req.Join.From)
		s.must(s.root.Answer(s.now, id, Answer{Verdict: Defer}))
		req, _ = s.root.Next()
		same("the next accept call", req.Join.From)
		s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept}))
		s.setEpoch(Step, id)
		s.settle()
		info, _ := s.root.Leaf(id)
		if !info.Ready {
			t.Fatalf("not ready: %+v", info)
		}
		same("the leaf that waits for Start", info.Join.From)
		edges := []Edge{{Stream: 0, Seq: 64, Message: 9}}
		s.must(s.root.Start(s.now, id, edges))
		s.settle()
		same("the member", s.one(Joined, id).Join.From)
		if e := s.leafOne(id, Started); len(e.Edges) != 1 || e.Edges[0] != edges[0] {
			t.Errorf("started at %v, want %v", e.Edges, edges)
		}
	}
}

func TestAnInvitedLeafSaysWhereItWantsToBegin(t *testing.T) {
	s := newScene(t, RootConfig{})
	id := s.connect()
	s.must(s.root.Invite(s.now, id, Invite{Room: -1}))
	s.settle()
	wantCode(t, s.leaves[id].Answer(s.now, Answer{Verdict: Accept}, Join{From: From{FromNow, 5}}), transport.WSAEINVAL)
	s.settle()
	wantTypes(t, "leaf", s.toRoot[id]) // the invitation waits on
	from := From{FromNumber, 77}
	s.must(s.leaves[id].Answer(s.now, Answer{Verdict: Accept}, Join{From: from}))
	s.settle()
	if e := s.one(Accepted, id); e.Join.From != from {
		t.Errorf("accepted: %+v", e.Join)
	}
	s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept}))
	s.settle()
	if e := s.one(Joined, id); e.Join.From != from {
		t.Errorf("joined: %+v", e.Join)
	}
}

func TestAJoinFromNowhereIsRefusedAtTheCallAndAtTheRoot(t *testing.T) {
	for _, from := range []From{{Kind: 4}, {Kind: 255, N: 1}, {FromNow, 1}, {FromOldest, 1}} {
		s := newScene(t, RootConfig{})
		id := s.connect()
		wantCode(t, s.leaves[id].Join(s.now, Join{Room: -1, From: from}), transport.WSAEINVAL)
		s.settle()
		wantTypes(t, "leaf", s.toRoot[id])
		s.root.Handle(s.now, id, Join{Room: -1, From: from}.Append(nil)) // from one that does not check
		s.settle()
		s.none(Requested, id)
		if f := s.root.Stats().Faults; f[FaultValue] != 1 {
			t.Errorf("%+v: faults %v", from, f)
		}
		if e := s.leafOne(id, Closed); e.Code != transport.WSAECONNABORTED {
			t.Errorf("%+v: the leaf was told %v", from, e.Code)
		}
	}
}
