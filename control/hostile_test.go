package control

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

// rootAt builds a root with one connection in the given state, and a leaf
// that is in, to see that it is not disturbed.
func rootAt(t *testing.T, st state) (*scene, uint32, uint32) {
	s := newScene(t, RootConfig{})
	other := s.joins()
	s.advance(settle)
	id := s.connect()
	s.lazy[id] = true
	switch st {
	case inviting, accepted:
		s.must(s.root.Invite(s.now, id, Invite{Room: 100}))
	case queued, admitted, welcomed, ready, joined:
		s.must(s.leaves[id].Join(s.now, Join{Room: -1}))
	}
	s.settle()
	if st == accepted {
		s.must(s.leaves[id].Answer(s.now, Answer{Verdict: Accept}, Join{}))
	}
	s.manual = st != joined
	if st == admitted || st >= welcomed {
		s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept}))
	}
	s.settle()
	if st == welcomed || st == ready {
		s.setEpoch(Step, id)
		s.settle()
	}
	if st >= ready {
		s.must(s.leaves[id].Ready(s.now, Ready{Epoch: s.epoch, Addr: leafAddr(id)}))
	}
	s.settle()
	if c := s.root.find(id); c == nil || c.state != st {
		t.Fatalf("not in state %d: %+v", st, c)
	}
	s.events, s.toLeaf[id] = nil, nil
	s.deaf[id] = true // the other end is not our Leaf from here on
	return s, id, other
}

var allTypes = []Type{0, TypeJoin, TypeInvite, TypeRefuse, TypeWelcome, TypeReady, TypeStart, TypeRekey, TypeRekeyed, TypeSenders, TypeChat, TypeBeat, TypeBye, TypeNotice, TypeResync, 15, 255}

// sampleOf is a well-formed frame of type t, or an empty one of an unknown type.
func sampleOf(t Type) []byte {
	if !t.known() {
		return []byte{0, 0, 0, 1, byte(t)}
	}
	switch t {
	case TypeReady:
		return Ready{1, leafAddr(3)}.Append(nil)
	case TypeRekeyed:
		return Rekeyed{1}.Append(nil)
	case TypeResync:
		return Resync{1}.Append(nil)
	}
	return frameOfType(t)
}

func TestEveryFrameInEveryStateOfTheRoot(t *testing.T) {
	inTurn := map[state][]Type{
		proven:   {TypeJoin, TypeBeat, TypeBye},
		inviting: {TypeJoin, TypeRefuse, TypeBeat, TypeBye},
		accepted: {TypeBeat, TypeBye},
		queued:   {TypeBeat, TypeBye},
		admitted: {TypeBeat, TypeBye},
		welcomed: {TypeReady, TypeRekeyed, TypeResync, TypeBeat, TypeBye},
		ready:    {TypeRekeyed, TypeResync, TypeBeat, TypeBye},
		joined:   {TypeRekeyed, TypeResync, TypeChat, TypeBeat, TypeBye},
	}
	for st := proven; st < states; st++ {
		for _, typ := range allTypes {
			s, id, other := rootAt(t, st)
			s.root.Handle(s.now, id, sampleOf(typ))
			s.settle()
			faults := s.root.Stats().Faults
			if slices.Contains(inTurn[st], typ) {
				if faults.Total() != 0 {
					t.Errorf("state %d, %v: fault %v", st, typ, faults)
				}
				if over := s.root.find(id) == nil; over != (typ == TypeBye || typ == TypeRefuse) {
					t.Errorf("state %d, %v: over %v", st, typ, over)
				}
				continue
			}
			want := FaultState
			if !typ.known() {
				want = FaultType
			}
			checkClosedFor(t, s, id, other, st, want)
			if t.Failed() {
				t.Fatalf("state %d, frame %v", st, typ)
			}
		}
	}
}

// checkClosedFor checks that the root ended id for a fault: counted, one
// farewell of the right kind, the event due, Hangup, and nobody else hurt.
func checkClosedFor(t *testing.T, s *scene, id, other uint32, st state, want Fault) {
	t.Helper()
	faults := s.root.Stats().Faults
	if faults[want] != 1 || faults.Total() != 1 {
		t.Errorf("faults %v, want one %q", faults, want)
	}
	last := TypeRefuse
	if st >= welcomed {
		last = TypeBye
	}
	wantTypes(t, "farewell", s.toLeaf[id], last)
	if code, text := farewell(t, s.lastFrame[id]); code != transport.WSAECONNABORTED && code != transport.WSAVERNOTSUPPORTED || !strings.Contains(text, want.String()) {
		t.Errorf("farewell %v %q", code, text)
	}
	kinds := map[state][]EventKind{
		proven: {Hangup}, inviting: {Failed, Hangup}, accepted: {Failed, Hangup}, queued: {Withdrawn, Hangup},
		admitted: {Failed, Hangup}, welcomed: {Failed, Hangup}, ready: {Failed, Hangup}, joined: {Left, Hangup},
	}[st]
	if got := s.kinds(id); !slices.Equal(got, kinds) {
		t.Errorf("events %v, want %v", got, kinds)
	}
	s.root.Handle(s.now, id, sampleOf(TypeBeat)) // what follows is late, and gets no answer
	s.settle()
	wantTypes(t, "after the farewell", s.toLeaf[id], last)
	s.none(Left, other)
	if l := s.leaves[other]; l.phase != member {
		t.Errorf("the other leaf is in phase %d", l.phase)
	}
}

func TestMalformedFramesInTurnCloseTheConnection(t *testing.T) {
	for _, c := range []struct {
		st  state
		typ Type
	}{{proven, TypeJoin}, {inviting, TypeJoin}, {inviting, TypeRefuse}, {welcomed, TypeReady}, {joined, TypeRekeyed}, {joined, TypeResync}, {joined, TypeBeat}, {joined, TypeBye}, {queued, TypeBye}} {
		whole := sampleOf(c.typ)
		for _, n := range []int{0, 1, 4, headSize, headSize + 1, len(whole) - 1} {
			cut := bytes.Clone(whole[:n])
			if n >= 4 {
				binary.BigEndian.PutUint32(cut, uint32(n-4))
			}
			s, id, other := rootAt(t, c.st)
			s.root.Handle(s.now, id, cut)
			s.settle()
			checkClosedFor(t, s, id, other, c.st, FaultShort)
			if t.Failed() {
				t.Fatalf("%v cut to %d in state %d", c.typ, n, c.st)
			}
		}
	}
}

func TestC5_FramesAboveTheLimitOfTheirTimeCloseTheConnection(t *testing.T) {
	big := func(n int) []byte {
		b := make([]byte, n+4)
		binary.BigEndian.PutUint32(b, uint32(n))
		b[4] = byte(TypeBeat)
		return b
	}
	for _, c := range []struct {
		st   state
		size int
		want Fault
	}{
		{proven, MaxFrameBefore + 1, FaultLength}, {admitted, MaxFrameBefore + 1, FaultLength},
		{proven, MaxFrameBefore, FaultTrailing},
		{joined, MaxFrame + 1, FaultLength}, {joined, MaxFrame, FaultTrailing},
	} {
		s, id, other := rootAt(t, c.st)
		s.root.Handle(s.now, id, big(c.size))
		s.settle()
		checkClosedFor(t, s, id, other, c.st, c.want)
		if t.Failed() {
			t.Fatalf("state %d, %d bytes", c.st, c.size)
		}
	}
}

func TestC5_WhatTheReaderRefusesEndsTheConnectionAlike(t *testing.T) {
	for st := proven; st < states; st++ {
		s, id, other := rootAt(t, st)
		r := NewReader(bytes.NewReader(announce(1<<32-1, byte(TypeJoin))))
		_, err := r.Next()
		fault, ok := errors.AsType[Fault](err)
		if !ok {
			t.Fatal(err)
		}
		s.root.Unreadable(s.now, id, fault)
		s.settle()
		checkClosedFor(t, s, id, other, st, FaultLength)
		s.root.Unreadable(s.now, id, fault)
		if s.root.Stats().Faults.Total() != 1 {
			t.Error("counted twice")
		}
	}
	l := leafAt(t, member)
	for range 2 {
		l.Unreadable(epochZero, FaultLength)
	}
	o, _ := l.Poll()
	if code, _ := farewell(t, o.Frame); code != transport.WSAECONNABORTED || l.Stats().Faults[FaultLength] != 1 {
		t.Errorf("told %v, faults %v", code, l.Stats().Faults)
	}
}

func TestC5_ALeafTakesNoLongFrameBeforeWelcome(t *testing.T) {
	b := make([]byte, MaxFrameBefore+5)
	binary.BigEndian.PutUint32(b, MaxFrameBefore+1)
	b[4] = byte(TypeBeat)
	for ph, want := range map[phase]Fault{joining: FaultLength, idle: FaultLength, entering: FaultTrailing} {
		l := leafAt(t, ph)
		l.Handle(epochZero, RootID, b)
		if l.Stats().Faults[want] != 1 {
			t.Errorf("phase %d: %v", ph, l.Stats().Faults)
		}
	}
}

func TestOutputsAreLetGoOfWhenPolled(t *testing.T) {
	var o outbox
	o.frame(2, []byte("secret"))
	o.frame(3, []byte("more"))
	o.poll()
	if o.list[0].Frame != nil {
		t.Error("a polled frame is still held")
	}
}

func TestAnEpochNobodyGaveIsAFault(t *testing.T) {
	for _, c := range []struct {
		st    state
		frame []byte
	}{{joined, Rekeyed{99}.Append(nil)}, {joined, Resync{99}.Append(nil)}, {welcomed, Ready{99, leafAddr(2)}.Append(nil)}, {welcomed, Ready{0, leafAddr(2)}.Append(nil)}} {
		s, id, other := rootAt(t, c.st)
		s.root.Handle(s.now, id, c.frame)
		s.settle()
		checkClosedFor(t, s, id, other, c.st, FaultValue)
	}
}

func TestAnotherVersionIsRefusedByName(t *testing.T) {
	s, id, other := rootAt(t, proven)
	j := Join{}.Append(nil)
	j[5] = 2
	s.root.Handle(s.now, id, j)
	s.settle()
	checkClosedFor(t, s, id, other, proven, FaultVersion)
	s.release(id)
	if e := s.leafOne(id, Closed); e.Code != transport.WSAVERNOTSUPPORTED {
		t.Errorf("leaf: %v", e.Code)
	}
}

func TestEveryFrameInEveryPhaseOfTheLeaf(t *testing.T) {
	inTurn := map[phase][]Type{
		idle:        {TypeInvite, TypeRefuse, TypeBeat, TypeBye},
		considering: {TypeRefuse, TypeBeat, TypeBye},
		joining:     {TypeRefuse, TypeWelcome, TypeBeat, TypeBye},
		entering:    {TypeRekey, TypeSenders, TypeBeat, TypeBye},
		prepared:    {TypeStart, TypeRekey, TypeSenders, TypeBeat, TypeBye},
		member:      {TypeRekey, TypeSenders, TypeNotice, TypeChat, TypeBeat, TypeBye},
		over:        allTypes,
	}
	for ph := idle; ph < phases; ph++ {
		for _, typ := range allTypes {
			l := leafAt(t, ph)
			l.Handle(epochZero, RootID, sampleOf(typ))
			var sent []Type
			var closed []Event
			for o, ok := l.Poll(); ok; o, ok = l.Poll() {
				if o.Event.Kind == 0 {
					sent = append(sent, TypeOf(o.Frame))
				} else if o.Event.Kind == Closed {
					closed = append(closed, o.Event)
				}
			}
			if slices.Contains(inTurn[ph], typ) {
				ends := ph != over && (typ == TypeBye || typ == TypeRefuse)
				if l.Stats().Faults.Total() != 0 || len(sent) != 0 || (len(closed) == 1) != ends {
					t.Errorf("phase %d, %v: faults %v, sent %v, closed %v", ph, typ, l.Stats().Faults, sent, closed)
				}
				continue
			}
			want, last := FaultState, TypeBye
			if !typ.known() {
				want = FaultType
			}
			if ph == considering {
				last = TypeRefuse
			}
			if f := l.Stats().Faults; f[want] != 1 || f.Total() != 1 || !slices.Equal(sent, []Type{last}) {
				t.Errorf("phase %d, %v: faults %v, sent %v", ph, typ, f, sent)
			}
			if len(closed) != 1 || closed[0].Code != transport.WSAECONNABORTED || closed[0].Own {
				t.Errorf("phase %d, %v: closed %+v", ph, typ, closed)
			}
		}
	}
}

// leafAt builds a leaf in the given phase, with nothing left to poll.
func leafAt(t *testing.T, ph phase) *Leaf {
	t.Helper()
	l := NewLeaf(epochZero, LeafConfig{})
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	switch {
	case ph == considering:
		l.Handle(epochZero, RootID, frameOfType(TypeInvite))
	case ph == over:
		l.Lost(epochZero, 0)
	case ph >= joining:
		check(l.Join(epochZero, Join{Room: 100}))
	}
	if ph >= entering && ph != over {
		w := sampleWelcome(7)
		w.Epoch = 3
		l.Handle(epochZero, RootID, w.Append(nil))
	}
	if ph == prepared || ph == member {
		check(l.Ready(epochZero, Ready{3, leafAddr(7)}))
	}
	if ph == member {
		l.Handle(epochZero, RootID, Start{Epoch: 3}.Append(nil))
	}
	for _, ok := l.Poll(); ok; _, ok = l.Poll() {
	}
	if l.phase != ph {
		t.Fatalf("leaf is in phase %d, want %d", l.phase, ph)
	}
	return l
}

func TestALeafTakesNoEpochBackwards(t *testing.T) {
	for what, c := range map[string]struct {
		ph    phase
		frame []byte
	}{
		"none at all":  {member, Rekey{}.Append(nil)},
		"welcome at 0": {joining, sampleWelcome(2).Append(nil)},
	} {
		l := leafAt(t, c.ph)
		l.Handle(epochZero, RootID, c.frame)
		if l.Stats().Faults[FaultValue] != 1 || l.phase != over {
			t.Errorf("%s: faults %v, phase %d", what, l.Stats().Faults, l.phase)
		}
	}
}

func TestCallsOutOfTurnChangeNothing(t *testing.T) {
	for ph := idle; ph < phases; ph++ {
		l := leafAt(t, ph)
		errs := map[string]error{
			"Join":   l.Join(epochZero, Join{Role: 9}),
			"Answer": l.Answer(epochZero, Answer{}, Join{}),
			"Ready":  l.Ready(epochZero, Ready{}),
			"Leave":  l.Leave(epochZero, 0, "", make([]Edge, 20)),
		}
		if ph < entering || ph == over {
			errs["Rekeyed"], errs["Behind"] = l.Rekeyed(epochZero, 99), l.Behind(epochZero)
		}
		if ph != member {
			errs["Chat"] = l.Chat(epochZero, nil)
		}
		for call, err := range errs {
			if err == nil || transport.CodeOf(err) == 0 {
				t.Errorf("phase %d, %s: %v", ph, call, err)
			}
		}
		if o, ok := l.Poll(); ok || l.phase != ph {
			t.Errorf("phase %d is now %d, output %+v", ph, l.phase, o)
		}
	}
	r := NewRoot(RootConfig{})
	r.Handle(epochZero, 77, sampleOf(TypeBeat))
	r.Lost(epochZero, 77, 0)
	wantCode(t, r.Invite(epochZero, 77, Invite{}), transport.WSAEINVAL)
	wantCode(t, r.Answer(epochZero, 77, Answer{Verdict: Accept}), transport.WSAEINVAL)
	if _, ok := r.Poll(); ok || !r.NextTimeout().IsZero() {
		t.Error("an empty root has something to do")
	}
	if _, ok := r.Leaf(77); ok {
		t.Error("a leaf that is not there")
	}
}
