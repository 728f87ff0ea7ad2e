package control

import (
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

var epochZero = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// scene is a root and its leaves without a network: frames go over at once.
// The shell's part of epochs is played by manner; tests switch it off to take
// a step at a time.
type scene struct {
	t      *testing.T
	now    time.Time
	root   *Root
	leaves map[uint32]*Leaf
	lastID uint32
	epoch  uint64

	manual    bool            // nobody answers EpochWanted and EpochReady
	deaf      map[uint32]bool // frames to this leaf are held
	mute      map[uint32]bool // frames from this leaf are held
	lazy      map[uint32]bool // its shell answers neither Welcomed nor Rekeying
	held      []Output        // in order, to leaves
	heldRoot  []Output        // in order, from leaves; To is the leaf
	toRoot    map[uint32][]Type
	toLeaf    map[uint32][]Type
	events    []Event // the root's
	atLeaf    map[uint32][]Event
	lastFrame map[uint32][]byte // to the leaf
	group     bool              // nobody is granted an epoch that did not ask: the group tells
}

func newScene(t *testing.T, c RootConfig) *scene {
	return &scene{
		t: t, now: epochZero, root: NewRoot(c), lastID: RootID,
		leaves: map[uint32]*Leaf{}, deaf: map[uint32]bool{}, mute: map[uint32]bool{}, lazy: map[uint32]bool{},
		toRoot: map[uint32][]Type{}, toLeaf: map[uint32][]Type{}, atLeaf: map[uint32][]Event{}, lastFrame: map[uint32][]byte{},
	}
}

func leafAddr(id uint32) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(id)}), 40000+uint16(id))
}

// connect opens a proven connection, and does nothing on it.
func (s *scene) connect() uint32 {
	s.t.Helper()
	s.lastID++
	id := s.lastID
	s.leaves[id] = NewLeaf(s.now, LeafConfig{})
	s.must(s.root.Open(s.now, id, leafAddr(id)))
	s.settle()
	return id
}

// asks connects a leaf that asks to join.
func (s *scene) asks(j Join) uint32 {
	s.t.Helper()
	id := s.connect()
	s.must(s.leaves[id].Join(s.now, j))
	s.settle()
	return id
}

// joins takes a leaf all the way in.
func (s *scene) joins() uint32 {
	s.t.Helper()
	id := s.asks(Join{Room: -1})
	s.must(s.root.Answer(s.now, id, Answer{Verdict: Accept}))
	s.settle()
	s.advance(rekeyGap)
	if n := s.count(Joined, id); n != 1 {
		s.t.Fatalf("leaf %d: %d Joined, want 1; events %v", id, n, s.events)
	}
	return id
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// settle carries frames and plays the shells until all is quiet.
func (s *scene) settle() {
	for busy := true; busy; {
		busy = false
		for o, ok := s.root.Poll(); ok; o, ok = s.root.Poll() {
			busy = true
			s.fromRoot(o)
		}
		for id := RootID + 1; id <= s.lastID; id++ {
			for o, ok := s.leaves[id].Poll(); ok; o, ok = s.leaves[id].Poll() {
				busy = true
				s.fromLeaf(id, o)
			}
		}
	}
}

func (s *scene) fromRoot(o Output) {
	if o.Event.Kind == 0 {
		s.toLeaf[o.To] = append(s.toLeaf[o.To], TypeOf(o.Frame))
		s.lastFrame[o.To] = o.Frame
		if s.deaf[o.To] {
			s.held = append(s.held, o)
			return
		}
		s.leaves[o.To].Handle(s.now, RootID, o.Frame)
		return
	}
	s.events = append(s.events, o.Event)
	switch e := o.Event; {
	case s.manual:
	case e.Kind == EpochWanted:
		s.giveEpoch(e)
	case e.Kind == EpochReady:
		for _, id := range e.Joining {
			s.must(s.root.Start(s.now, id, []Edge{{0, 7, 3}}))
		}
	}
}

func (s *scene) fromLeaf(id uint32, o Output) {
	if o.Event.Kind == 0 {
		s.toRoot[id] = append(s.toRoot[id], TypeOf(o.Frame))
		if s.mute[id] {
			o.To = id
			s.heldRoot = append(s.heldRoot, o)
			return
		}
		s.root.Handle(s.now, id, o.Frame)
		return
	}
	s.atLeaf[id] = append(s.atLeaf[id], o.Event)
	if s.lazy[id] {
		return
	}
	switch e := o.Event; e.Kind {
	case Welcomed:
		s.must(s.leaves[id].Ready(s.now, Ready{Epoch: e.Epoch, Addr: netip.MustParseAddrPort("0.0.0.0:5000")}))
	case Rekeying:
		s.must(s.leaves[id].Rekeyed(s.now, e.Epoch))
	}
}

// giveEpoch answers EpochWanted.
func (s *scene) giveEpoch(e Event) {
	kind := Step
	if e.Fresh {
		kind = Fresh
	}
	s.setEpoch(kind, e.Joining...)
}

func (s *scene) setEpoch(kind Kind, joining ...uint32) {
	s.t.Helper()
	s.epoch++
	var ws []Welcome
	for _, id := range joining {
		ws = append(ws, sampleWelcome(id))
	}
	in := slices.Concat(s.root.in(welcomed), s.root.in(ready), s.root.in(joined))
	s.must(s.root.SetEpoch(s.now, s.epoch, kind, ws))
	if s.group {
		return
	}
	for _, id := range in { // none hears the group: each is granted the epoch unasked
		s.must(s.root.Grant(s.now, id, []byte("epoch state")))
	}
}

// release lets held frames go to leaf id and from it.
func (s *scene) release(id uint32) {
	s.deaf[id], s.mute[id] = false, false
	for _, o := range s.held {
		if o.To == id {
			s.leaves[id].Handle(s.now, RootID, o.Frame)
		}
	}
	for _, o := range s.heldRoot {
		if o.To == id {
			s.root.Handle(s.now, id, o.Frame)
		}
	}
	mine := func(o Output) bool { return o.To == id }
	s.held, s.heldRoot = slices.DeleteFunc(s.held, mine), slices.DeleteFunc(s.heldRoot, mine)
	s.settle()
}

// advance lets d pass, stopping at every time-out on the way.
func (s *scene) advance(d time.Duration) {
	s.t.Helper()
	s.settle()
	for end := s.now.Add(d); ; {
		next := s.root.NextTimeout()
		for _, l := range s.leaves {
			next = earlier(next, l.NextTimeout())
		}
		if next.IsZero() || next.After(end) {
			s.now = end
			return
		}
		if next.After(s.now) {
			s.now = next
		}
		s.root.Advance(s.now)
		for id := RootID + 1; id <= s.lastID; id++ {
			s.leaves[id].Advance(s.now)
		}
		s.settle()
	}
}

func (s *scene) count(k EventKind, id uint32) (n int) {
	for _, e := range s.events {
		if e.Kind == k && e.ID == id {
			n++
		}
	}
	return n
}

// one returns the only event of kind k for id at the root.
func (s *scene) one(k EventKind, id uint32) Event {
	s.t.Helper()
	i := slices.IndexFunc(s.events, func(e Event) bool { return e.Kind == k && e.ID == id })
	if i < 0 || s.count(k, id) != 1 {
		s.t.Fatalf("%d events %q for %d, want 1; all: %v", s.count(k, id), k, id, s.kinds(id))
	}
	return s.events[i]
}

func (s *scene) none(k EventKind, id uint32) {
	s.t.Helper()
	if n := s.count(k, id); n != 0 {
		s.t.Fatalf("%d events %q for %d, want none", n, k, id)
	}
}

// kinds lists what the root raised for id.
func (s *scene) kinds(id uint32) []EventKind {
	var ks []EventKind
	for _, e := range s.events {
		if e.ID == id {
			ks = append(ks, e.Kind)
		}
	}
	return ks
}

// leafOne returns the only event of kind k at leaf id.
func (s *scene) leafOne(id uint32, k EventKind) Event {
	s.t.Helper()
	var found []Event
	for _, e := range s.atLeaf[id] {
		if e.Kind == k {
			found = append(found, e)
		}
	}
	if len(found) != 1 {
		s.t.Fatalf("leaf %d: %d events %q, want 1: %v", id, len(found), k, s.atLeaf[id])
	}
	return found[0]
}

func (s *scene) leafNone(id uint32, k EventKind) {
	s.t.Helper()
	if slices.ContainsFunc(s.atLeaf[id], func(e Event) bool { return e.Kind == k }) {
		s.t.Fatalf("leaf %d: event %q, want none", id, k)
	}
}

// ended checks that id ended at both ends with these codes.
func (s *scene) ended(k EventKind, id uint32, root, leaf transport.Code) {
	s.t.Helper()
	if e := s.one(k, id); e.Code != root {
		s.t.Errorf("root: %s with %v, want %v", k, e.Code.Name(), root.Name())
	}
	if e := s.leafOne(id, Closed); e.Code != leaf {
		s.t.Errorf("leaf: closed with %v, want %v", e.Code.Name(), leaf.Name())
	}
	s.one(Hangup, id)
}

func wantCode(t *testing.T, err error, want transport.Code) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error %v, want %v", err, want.Name())
	}
}

func wantTypes(t *testing.T, what string, got []Type, want ...Type) {
	t.Helper()
	got = slices.DeleteFunc(slices.Clone(got), func(t Type) bool { return t == TypeBeat })
	if !slices.Equal(got, want) {
		t.Fatalf("%s: frames %v, want %v", what, got, want)
	}
}

func sampleParams() Params {
	return Params{
		Suite: 1, Level: 3, Group: netip.MustParseAddrPort("239.192.7.1:7000"), MTU: 1500, Symbol: 1408,
		MaxMessage: 1 << 20, Window: 8 << 20, Streams: []uint8{0, 1}, Name: "prices",
	}
}

func sampleWelcome(id uint32) Welcome {
	return Welcome{
		ID: id, Params: sampleParams(), Session: [16]byte{0xab, 15: 0xcd}, State: []byte("epoch state"),
		Root: netip.MustParseAddrPort("192.0.2.1:7001"), Senders: []Peer{{ID: RootID, Addr: netip.MustParseAddrPort("192.0.2.1:7001")}},
	}
}
