package joinleaf

import (
	"context"
	"errors"
	"sync"

	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

// Socket is a descriptor; nil is INVALID_SOCKET. The same descriptor is the
// same pointer, and none is used again. All methods may be called by several
// goroutines; the zero Socket is of no provider.
type Socket struct {
	p     *Provider
	entry ProtocolInfo
	flags Flags
	kind  kind

	ctx    context.Context // ends with the descriptor
	cancel context.CancelFunc
	turn   chan struct{} // for follow: look again
	knock  chan struct{} // for attend: a request has come

	mu     sync.Mutex
	closed bool
	settings
	phase    phase
	name     *name
	rec      record
	event    *Event
	inviting *invitation // c_root: the one that is under way
	cancels  *invitation // a member socket that is pending: its own
	parent   *Socket     // a member socket: the c_root's
	parentID uint32      // its id there
	owns     bool        // name is this socket's to free
	wakers   map[int]context.CancelFunc
	waker    int

	// A c_root's session, a listening leaf's invitations.
	hub       *hub
	listener  *rooted.LeafListener
	view      *view
	listening bool
	over      bool // the session was shut down
	deferred  bool // the last accept call ended with WSATRY_AGAIN

	flow      flow // the data
	following bool // follow runs
}

// kind is what a socket is for; it never changes but where an accepted leaf
// becomes one.
type kind uint8

const (
	kindPlain  kind = iota // of a default entry
	kindOther              // of a multipoint entry, without its flags
	kindRoot               // c_root
	kindLeaf               // c_leaf, rooted control
	kindPeer               // c_leaf, nonrooted control
	kindMember             // the c_leaf that stands for one leaf at the root
)

// phase is where a c_leaf stands. A c_root has none: it may join again and
// again.
type phase uint8

const (
	idle phase = iota
	joining
	joined
	spoiled // a join failed for good
	ended   // the session is over
)

// settings are what a new c_leaf has from the socket that it comes from (R108
// to R110), beside the event registration.
type settings struct {
	nonblocking bool
	reuse       bool // set before bind (R35)
	linger      Linger
	loop        bool
	scope       int
	qos         *QOS
}

// Socket is WSASocket. info may be nil; then the three numbers decide.
func (p *Provider) Socket(family, typ, proto int, info *ProtocolInfo, group uint32, f Flags) (*Socket, error) {
	const op = "make socket"
	if err := p.enter(op); err != nil {
		return nil, err
	}
	entry, code := choose(p.entries, family, typ, proto, info)
	if code != 0 {
		return nil, fail(op, code, errors.New("no catalogue entry has that family, type and protocol"))
	}
	if group != 0 {
		return nil, fail(op, transport.WSAEINVAL, errors.New("this provider has no socket groups"))
	}
	if !flagsLegal(entry, f) {
		return nil, fail(op, transport.WSAEINVAL, errors.New(entry.Name+" does not take these flags: exactly one of c_root and c_leaf and one of d_root and d_leaf, the roots only where that plane is rooted"))
	}
	s := p.newSocket(entry, f, kindOf(entry, f))
	if err := p.add(op, s); err != nil {
		s.cancel()
		return nil, err
	}
	return s, nil
}

func kindOf(e ProtocolInfo, f Flags) kind {
	switch {
	case !e.multipoint():
		return kindPlain
	case f&flagsMultipoint == 0:
		return kindOther
	case f&FlagCRoot != 0:
		return kindRoot
	case e.rootedControl():
		return kindLeaf
	}
	return kindPeer
}

func (p *Provider) newSocket(e ProtocolInfo, f Flags, k kind) *Socket {
	s := &Socket{p: p, entry: e, flags: f, kind: k, turn: make(chan struct{}, 1), knock: make(chan struct{}, 1), wakers: make(map[int]context.CancelFunc)}
	s.settings = settings{loop: true, scope: defaultScope}
	s.ctx, s.cancel = context.WithCancel(p.ctx)
	return s
}

// child makes the descriptor of a new c_leaf with the properties of s (R108 to
// R110). The caller holds the lock of s.
func (s *Socket) child(k kind) *Socket {
	c := s.p.newSocket(s.entry, s.flags, k)
	c.parent = s
	c.settings, c.event = s.settings, s.event
	if s.qos != nil {
		q := s.qos.clone()
		c.qos = &q
	}
	c.rec.choose(s.rec.mask)
	c.name = s.name
	return c
}

// enter is the beginning of every call on a socket: NOTINITIALISED, ENOTSOCK,
// EINPROGRESS in the order of R51.
func (s *Socket) enter(op string) error {
	switch {
	case s == nil:
		return fail(op, transport.WSAENOTSOCK, errors.New("no socket was given"))
	case s.p == nil || !s.p.isUp():
		return fail(op, transport.WSANOTINITIALISED, nil)
	case s.isClosed():
		return fail(op, transport.WSAENOTSOCK, errors.New("the socket is closed"))
	}
	return s.p.enter(op)
}

func (s *Socket) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// begin is enter, the lock, and the table of what is legal; on success the
// caller holds the lock.
func (s *Socket) begin(op string, c call) error {
	if err := s.enter(op); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return fail(op, transport.WSAENOTSOCK, errors.New("the socket was closed meanwhile"))
	}
	if code := legal[s.situation()][c]; code != 0 {
		s.mu.Unlock()
		return fail(op, code, nil)
	}
	return nil
}

// situation reads the state; the caller holds the lock.
func (s *Socket) situation() situation {
	switch s.kind {
	case kindPlain:
		if s.entry.SocketType == SockDgram {
			return plainUDP
		}
		return plainTCP
	case kindOther:
		return ordinary
	case kindRoot:
		return s.rootSituation()
	case kindPeer:
		return peerIdle + situation(s.now())
	case kindMember:
		return memberPending + situation(s.now()) - situation(joining)
	}
	if s.listening {
		return leafListening
	}
	if now := s.now(); now != idle {
		return leafJoining + situation(now) - situation(joining)
	}
	return leafIdle
}

func (s *Socket) rootSituation() situation {
	switch {
	case s.over:
		return rootOver
	case s.inviting != nil && s.listening:
		return rootBoth
	case s.inviting != nil:
		return rootInviting
	case s.listening:
		return rootListening
	case s.hub != nil:
		return rootOpen
	}
	return rootIdle
}

// now is the phase, with the end of the session seen.
func (s *Socket) now() phase {
	if s.phase == joined && s.flow.isOver() {
		s.phase = ended
	}
	return s.phase
}

// interruptible is a context for a call that waits: it ends when something
// changes on the socket (wake), with the descriptor, and by release. The caller
// holds the lock.
func (s *Socket) interruptible() (ctx context.Context, release func()) {
	ctx, cancel := context.WithCancel(s.ctx)
	id := s.waker
	s.waker++
	s.wakers[id] = cancel
	return ctx, func() {
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.wakers, id)
	}
}

// wake interrupts the calls that wait; the caller holds the lock.
func (s *Socket) wake() {
	for _, cancel := range s.wakers {
		cancel()
	}
}

// nudge has follow look again.
func (s *Socket) nudge() {
	select {
	case s.turn <- struct{}{}:
	default:
	}
}

// note records an event and sets the event object; the caller holds the lock.
func (s *Socket) note(event uint32, code transport.Code) {
	if s.rec.note(event, code) && s.event != nil {
		s.event.Set()
	}
}

// GetSockName is the local name. A socket without one says WSAEINVAL.
func (s *Socket) GetSockName() (Sockaddr, error) {
	if err := s.enter("get local name"); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.name == nil {
		return nil, fail("get local name", transport.WSAEINVAL, errors.New("the socket is not bound"))
	}
	return NewSockaddr(s.name.addr), nil
}

// GetPeerName is the leaf's address on a member socket, the root's on a leaf's,
// and the group's in a session without a root (R261).
func (s *Socket) GetPeerName() (Sockaddr, error) {
	if err := s.begin("get peer name", callPeerName); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return NewSockaddr(s.flow.peer), nil
}
