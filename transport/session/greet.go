package session

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
)

// The frames that sessions exchange beside flow's. Their numbers follow flow's,
// so that the first byte of a payload tells whose it is.
//
//	START    type 1 = 8  | n 1 | n times { stream 2 | sequence 8 | message 8 }
//	STARTED  type 1 = 9
//	PROBE    type 1 = 10
//
// START tells a member, by unicast, from where on it is owed what the sender of
// START sends; it is repeated until STARTED says that it arrived. Where a root
// admits members its control channel says the same about the root's own data.
// PROBE goes to the group so that a member who has just joined it can tell that
// the network lets it through.
const (
	frameStart   = 8
	frameStarted = 9
	frameProbe   = 10

	edgeSize  = 18
	greetWait = 20 * time.Millisecond
)

// AppendStart appends a START frame.
func AppendStart(b []byte, edges []flow.Edge) []byte {
	b = append(b, frameStart, byte(len(edges)))
	for _, e := range edges {
		b = binary.BigEndian.AppendUint16(b, uint16(e.Stream))
		b = binary.BigEndian.AppendUint64(b, e.Seq)
		b = binary.BigEndian.AppendUint64(b, e.Message)
	}
	return b
}

// ParseStart reads a START frame. It refuses what AppendStart would not write.
func ParseStart(frame []byte) ([]flow.Edge, bool) {
	if len(frame) < 2 || frame[0] != frameStart {
		return nil, false
	}
	n := int(frame[1])
	if n > flow.MaxStreams || len(frame) != 2+n*edgeSize {
		return nil, false
	}
	edges := make([]flow.Edge, n)
	for i := range edges {
		b := frame[2+i*edgeSize:]
		edges[i] = flow.Edge{
			Stream:  flow.Stream(binary.BigEndian.Uint16(b)),
			Seq:     binary.BigEndian.Uint64(b[2:]),
			Message: binary.BigEndian.Uint64(b[10:]),
		}
	}
	return edges, true
}

// greeting is a member that was not heard to know its start yet.
type greeting struct {
	frame [1][]byte
	addr  netip.AddrPort
}

// AddPeer counts in a member with whom no control channel is shared: it is told
// from where on it is owed this member's data until it confirms.
func (s *Session) AddPeer(id uint32, addr netip.AddrPort) {
	edges := s.AddMember(id, addr, flow.Admission{RTT: time.Millisecond})
	t := &s.tx
	t.mu.Lock()
	defer t.unlock()
	if t.greetings == nil {
		t.greetings = make(map[uint32]*greeting)
	}
	t.greetings[id] = &greeting{frame: [1][]byte{AppendStart(nil, edges)}, addr: addr}
	t.greet(time.Now())
}

// greet sends START to all who have not confirmed it.
func (t *transmitter) greet(now time.Time) {
	t.greetAt = time.Time{}
	if len(t.greetings) == 0 {
		return
	}
	for id, g := range t.greetings {
		t.s.wr.send(g.addr, t.s.keyFor(id), g.frame[:]) // repeated until answered
	}
	t.greetAt = now.Add(greetWait)
	t.s.wake.arm(t.greetAt)
}

// Probe lets joining members hear the group.
func (s *Session) Probe() {
	s.wr.sendAs(kindData, s.c.GroupAddr, 0, false, [][]byte{{frameProbe}}, nil)
}

// own takes a frame of the session's own kind.
func (s *Session) own(now time.Time, o *opened) Drop {
	switch o.Payload[0] {
	case frameProbe:
		s.rx.mu.Lock()
		if p := s.rx.peers[o.Sender]; p != nil && p.started {
			p.r.Heard(metaOf(&o.Opened, o.overflow))
		}
		s.rx.mu.Unlock()
		return DropNone
	case frameStart:
		edges, ok := ParseStart(o.Payload)
		if !ok {
			return DropFrame
		}
		if !s.peerStarts(now, o.Sender, edges) {
			return DropFrame // not told of that member yet; it will say it again
		}
		s.wr.send(o.addr, s.keyFor(o.Sender), [][]byte{{frameStarted}})
		return DropNone
	case frameStarted:
		s.tx.mu.Lock()
		delete(s.tx.greetings, o.Sender)
		s.tx.mu.Unlock()
		return DropNone
	}
	return DropFrame
}

func (s *Session) peerStarts(now time.Time, id uint32, edges []flow.Edge) bool {
	x := &s.rx
	x.mu.Lock()
	defer x.mu.Unlock()
	p := x.peers[id]
	if p == nil || len(edges) != len(s.streams) {
		return false
	}
	x.start(now, p, edges)
	return true
}

// keyFor is whose key protects a packet to one member: its own where it has
// one, else the group's.
func (s *Session) keyFor(id uint32) uint32 {
	if s.c.Hub != 0 && (id == s.c.Hub || s.c.Self == s.c.Hub) {
		return id
	}
	return 0
}

// HeardGroup is closed once a packet of this session was heard on the group.
func (s *Session) HeardGroup() <-chan struct{} { return s.rx.heard }

// GroupPackets counts the session's packets heard on the group.
func (s *Session) GroupPackets() uint64 { return s.rx.groupPackets.Load() }

// LocalAddr is where this member hears unicast.
func (s *Session) LocalAddr() netip.AddrPort { return s.c.Unicast.LocalAddr() }

// Behind reports whether a sender has sent more than this member knows of.
func (s *Session) Behind(id uint32, edges []flow.Edge) bool {
	x := &s.rx
	x.mu.Lock()
	defer x.mu.Unlock()
	p := x.peers[id]
	if p == nil || !p.started {
		return false
	}
	known := p.r.Stats().Streams
	for _, e := range edges {
		if int(e.Stream) < len(known) && (e.Seq > known[e.Stream].Known || p.r.Awaits(e.Stream)) {
			return true
		}
	}
	return false
}
