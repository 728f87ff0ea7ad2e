package joinleaf

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

// hub is a c_root's session.
type hub struct {
	root    *rooted.Root
	view    *view
	members map[uint32]*Socket        // that are in, as far as somebody holds them
	specs   map[uint32]FlowSpec       // what limits sending to each
	addrs   map[uint32]netip.AddrPort // of all that were ever in: what they sent may be unread
}

// invitation is a root-initiated join under way.
type invitation struct{ cancel context.CancelFunc }

// open begins a c_root's session, if there is none. The caller holds the lock.
func (s *Socket) open() error {
	if s.hub != nil {
		return nil
	}
	g := s.p.c.Group
	if !g.Addr.IsValid() {
		g.Addr = drawGroup(s.entry.AddressFamily)
	}
	s.view = newView(s.p.network, s.name.addr)
	s.view.door = newDoor()
	root, err := rooted.Listen(s.ctx, g, s.config())
	if err != nil {
		return err
	}
	s.hub = &hub{root: root, view: s.view, members: make(map[uint32]*Socket), specs: make(map[uint32]FlowSpec), addrs: make(map[uint32]netip.AddrPort)}
	s.flow = flow{car: root, self: 1, sends: true, receives: true, leave: root.Shutdown, drop: root.Close}
	if s.entry.rootedData() && s.flags&FlagDRoot == 0 {
		s.flow.top = root.DataRoot
	}
	if s.qos != nil {
		s.flow.limit(s.qos.Sending)
	}
	if s.rec.mask != 0 {
		s.following = s.p.spawn(s.follow)
	}
	return nil
}

// drawGroup draws a group for private use.
func drawGroup(family int) netip.AddrPort {
	var b [16]byte
	rand.Read(b[:])
	port := 20000 + binary.BigEndian.Uint16(b[2:])%20000
	if family == AFInet {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 192 + b[4]&3, b[5], b[6]}), port)
	}
	b[0], b[1], b[2], b[3] = 0xff, 0x15, 0, 0
	return netip.AddrPortFrom(netip.AddrFrom16(b), port)
}

// invite adds one leaf to a c_root's session. The caller holds the lock; it is
// let go here.
func (s *Socket) invite(op string, r *request) (*Socket, error) {
	giveUp := func(err error) (*Socket, error) {
		s.mu.Unlock()
		s.p.capacity.give(r.reserved)
		return nil, err
	}
	if err := s.open(); err != nil {
		return giveUp(err)
	}
	m := s.child(kindMember)
	ctx, cancel := context.WithCancel(s.ctx)
	i := &invitation{cancel}
	m.cancels, m.phase = i, joining // before somebody else can know it, as Cleanup does
	if err := s.p.add(op, m); err != nil {
		cancel()
		m.cancel()
		return giveUp(err)
	}
	s.inviting = i
	root, blocking := s.hub.root, !s.nonblocking
	o := rooted.Invitation{Data: r.data, Role: r.role, CalleeRoom: r.room, QoS: s.terms(r.qos), DataRoot: isDataRoot}
	s.mu.Unlock()
	run := func() error {
		defer cancel()
		leaf, err := root.InviteWith(ctx, r.to, o)
		return s.invited(op, r, i, m, leaf, err, !blocking)
	}
	if blocking {
		if err := run(); err != nil {
			m.detach()
			s.p.remove(m)
			return nil, err
		}
		return m, nil
	}
	if !s.p.spawn(func() { run() }) {
		return nil, fail(op, transport.WSANOTINITIALISED, nil)
	}
	return m, nil
}

// invited takes the outcome of a root-initiated join. Who cancels wins over an
// acceptance that crosses (R164).
func (s *Socket) invited(op string, r *request, i *invitation, m *Socket, leaf *rooted.Member, err error, tell bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	mine := s.inviting == i // else it was cancelled, and that was told (R161)
	if mine {
		s.inviting = nil
	}
	if err == nil && (m.closed || s.closed || !mine) {
		s.p.discard(leaf.Close)
		err = fail(op, transport.WSA_OPERATION_ABORTED, errors.New("the join was cancelled"))
	}
	m.cancels = nil
	if err != nil {
		m.phase = spoiled
		s.p.capacity.give(r.reserved)
		m.wake()
	} else {
		s.admit(m, leaf, r.qos, r.reserved, true)
		r.callee.fill(leaf.CalleeData())
	}
	if tell && mine && !s.closed {
		s.note(FDConnect, outcome(err))
	}
	if err != nil {
		return failedAs(op, err)
	}
	s.noteWritable()
	return nil
}

// cancelInvitation ends a pending join: another may begin at once (R160), and s
// hears of it (R161).
func (s *Socket) cancelInvitation(i *invitation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inviting == i {
		s.inviting = nil
		s.note(FDConnect, transport.WSA_OPERATION_ABORTED)
	}
	i.cancel()
}

// admit makes m the socket of a leaf that is in. The flow specifications are as
// the caller of the join sees them: caller says whether that is the root. Both
// locks are held.
func (s *Socket) admit(m *Socket, leaf *rooted.Member, asked *QOS, reserved uint64, caller bool) {
	m.phase = joined
	towards := leaf.Role() // what the leaf does
	m.flow = flow{
		chat: leaf, done: leaf.Done(), why: leaf.Err, peer: leaf.Addr(),
		sends: towards.Receives(), receives: towards.Sends(), reserved: reserved,
		leave: func(context.Context) error { return leaf.Close() }, drop: leaf.Close,
	}
	t, _, _ := parseTerms(leaf.QoS())
	if t.qos != nil && !caller {
		q := t.qos.flip()
		t.qos = &q
	}
	m.holds(t.qos, asked)
	s.hub.members[leaf.ID()] = m
	if t.qos != nil && (s.flow.top == nil || s.flow.top() == leaf.ID()) {
		s.hub.specs[leaf.ID()] = t.qos.Sending
	}
	s.hub.addrs[leaf.ID()] = leaf.Addr()
	s.limitAll()
	m.parentID = leaf.ID()
	s.p.spawn(m.pump)
}

// limitAll holds a root's sending to the strictest of its leaves'
// specifications, and its own. The caller holds the lock.
func (s *Socket) limitAll() {
	strictest := NoFlowSpec()
	if s.qos != nil {
		strictest = s.qos.Sending
	}
	for _, spec := range s.hub.specs {
		strictest = strictest.and(spec)
	}
	s.flow.limit(strictest)
}

// and is what holds to both.
func (f FlowSpec) and(o FlowSpec) FlowSpec {
	f.PeakBandwidth = min(f.most(), o.most())
	f.TokenRate = min(f.TokenRate, o.TokenRate)
	f.TokenBucketSize = min(f.TokenBucketSize, o.TokenBucketSize)
	f.MaxSduSize = min(f.MaxSduSize, o.MaxSduSize)
	f.MinimumPolicedSize = max(f.policed(), o.policed())
	return f
}

// gone takes a member that has left out of the root's account; it runs in the
// member's pump.
func (s *Socket) gone(m *Socket) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hub != nil && s.hub.members[m.parentID] == m {
		delete(s.hub.members, m.parentID)
		delete(s.hub.specs, m.parentID)
		s.limitAll()
	}
}
