package joinleaf

import (
	"errors"
	"net/netip"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

// ask joins a c_leaf to its root. The caller holds the lock; it is let go here.
func (s *Socket) ask(op string, r *request) (*Socket, error) {
	s.phase = joining
	s.view = newView(s.p.network, s.name.addr)
	c := s.config()
	c.Role, c.QoS = r.role, s.terms(r.qos)
	if c.CalleeRoom = r.room; c.CalleeRoom == 0 {
		c.CalleeRoom = -1
	}
	blocking, ctx := !s.nonblocking, s.ctx
	s.mu.Unlock()
	run := func() error {
		l, err := rooted.Join(ctx, r.to, r.data, c)
		return s.entered(op, r, l, err, !blocking)
	}
	if blocking {
		if err := run(); err != nil {
			return nil, err
		}
		return s, nil
	}
	if !s.p.spawn(func() { run() }) {
		return nil, fail(op, transport.WSANOTINITIALISED, nil)
	}
	return s, nil
}

// entered takes the outcome of a c_leaf's join.
func (s *Socket) entered(op string, r *request, l *rooted.Leaf, err error, tell bool) error {
	if err == nil && (l.DataPlane() == rooted.NonrootedData) == s.entry.rootedData() {
		l.Close()
		err = fail(op, transport.WSAECONNREFUSED, errors.New("the session's data plane is not the one of this socket's protocol"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		if err == nil {
			s.p.discard(l.Close)
		}
		s.p.capacity.give(r.reserved)
		return fail(op, transport.WSA_OPERATION_ABORTED, errors.New("the socket was closed while it joined"))
	}
	if err != nil {
		if s.phase = spoiled; again(outcome(err)) {
			s.phase = idle
		}
		s.p.capacity.give(r.reserved)
	} else {
		s.become(l, r.qos, r.reserved)
		r.callee.fill(l.CalleeData())
	}
	if tell {
		s.note(FDConnect, outcome(err))
	}
	if err == nil {
		s.noteWritable()
	}
	s.wake()
	if err != nil {
		return failedAs(op, err)
	}
	return nil
}

// become makes this socket the leaf's hold on its session. asked is what this
// end stated of QoS, reserved what it has of the capacity for it. The caller
// holds the lock.
func (s *Socket) become(l *rooted.Leaf, asked *QOS, reserved uint64) {
	s.phase = joined
	s.flow = flow{
		car: l, chat: l, done: l.Done(), why: l.Err, peer: l.Root(), self: l.ID(), addr: l.AddrOf,
		sends: l.Role().Sends(), receives: l.Role().Receives(), reserved: reserved, leave: l.Shutdown, drop: l.Close,
	}
	if l.DataPlane() == rooted.LeafRootedData {
		s.flow.top = l.DataRoot
	}
	t, _, _ := parseTerms(l.QoS())
	s.named(t.port)
	s.holds(t.qos, asked)
	s.p.spawn(s.pump)
	if s.rec.mask != 0 {
		s.following = s.p.spawn(s.follow)
	}
}

// named takes the port of the root's name, where that was told: an invited leaf
// is called from another one (R261). The caller holds the lock.
func (s *Socket) named(port uint16) {
	f := &s.flow
	f.peer = renamed(f.peer, port)
	f.peers = map[uint32]netip.AddrPort{control.RootID: f.peer}
}

// renamed is an address with another port, if that was told.
func renamed(a netip.AddrPort, port uint16) netip.AddrPort {
	if port == 0 {
		return a
	}
	return netip.AddrPortFrom(a.Addr(), port)
}

// holds puts the flow specifications in force that the other side has left,
// in this socket's view (R207). The caller holds the lock.
func (s *Socket) holds(final, asked *QOS) {
	s.qos = final
	if final == nil {
		return
	}
	s.flow.limit(final.Sending)
	if asked != nil && !final.equal(*asked) {
		s.note(FDQOS, 0)
	}
}
