package joinleaf

import (
	"errors"
	"net/netip"

	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

// Condition decides a request in the goroutine that called WSAAccept (R86). Its
// arguments are those of R87, in order: who asks, its caller data (nil: none),
// its flow specifications as it stated them (nil: none) which may be changed,
// the group's (never any), the local address, room for callee data whose Len is
// to be lowered to what was written, a group that stays 0, and the value given to
// WSAAccept. It answers CFAccept, CFReject or CFDefer.
//
// It must not call this provider: that is WSAEINPROGRESS.
type Condition func(callerID Sockaddr, caller *WSABUF, sqos, gqos *QOS, calleeID Sockaddr, callee *WSABUF, group *uint32, data any) int

// Accept is WSAAccept without a condition (R85).
func (s *Socket) Accept() (*Socket, Sockaddr, error) { return s.WSAAccept(nil, nil) }

// WSAAccept takes the first request that waits: at a c_root a leaf that asks to
// join, at a c_leaf an invitation. It returns the new c_leaf and who asked, once
// that is in. A refused request is WSAECONNREFUSED, a deferred one, which stays
// first in line, WSATRY_AGAIN.
func (s *Socket) WSAAccept(cond Condition, data any) (*Socket, Sockaddr, error) {
	const op = "accept"
	if err := s.begin(op, callAccept); err != nil {
		return nil, nil, err
	}
	a := &admission{s: s, cond: cond, data: data, local: NewSockaddr(s.name.addr)}
	nonblocking := s.nonblocking
	if n, _ := s.waiting(); n > 0 && !s.p.room() {
		s.mu.Unlock()
		return nil, nil, a.full()
	}
	s.mu.Unlock()
	child, from, err := a.run(op, rooted.AcceptOptions{Condition: a.judge, NoWait: nonblocking})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		if err != nil {
			err = fail(op, transport.WSA_OPERATION_ABORTED, errors.New("the socket was closed"))
		}
		return child, from, err
	}
	if s.deferred = transport.CodeOf(err) == transport.WSATRY_AGAIN; !s.deferred {
		s.rec.enable(FDAccept) // R96
		s.noteWaiting()
	}
	return child, from, err
}

// admission is one WSAAccept under way.
type admission struct {
	s     *Socket
	cond  Condition
	data  any
	local Sockaddr

	child    *Socket
	asked    *QOS // as the joiner stated it
	reserved uint64
	code     transport.Code // what the call answers instead of rooted's code
	caller   netip.AddrPort
}

func (a *admission) full() error {
	return fail("accept", transport.WSAEMFILE, errors.New("no descriptor is left; the request stays where it is"))
}

// run accepts with the condition, and undoes what was prepared if that fails, or
// the condition panics.
func (a *admission) run(op string, o rooted.AcceptOptions) (child *Socket, from Sockaddr, err error) {
	in := false
	defer func() {
		if !in {
			a.undo()
		}
	}()
	s := a.s
	var leaf *rooted.Leaf
	var member *rooted.Member
	if s.kind == kindRoot {
		member, err = s.hub.root.AcceptWith(s.ctx, o)
	} else {
		leaf, err = s.listener.AcceptWith(s.ctx, o)
	}
	switch {
	case err != nil && a.code != 0:
		return nil, nil, fail(op, a.code, err)
	case err != nil:
		return nil, nil, failedAs(op, err)
	}
	if in = a.enter(leaf, member); !in {
		return nil, nil, fail(op, transport.WSA_OPERATION_ABORTED, errors.New("the socket was closed"))
	}
	return a.child, NewSockaddr(a.caller), nil
}

// enter makes the new socket a member. It fails where it was closed meanwhile.
func (a *admission) enter(leaf *rooted.Leaf, member *rooted.Member) bool {
	s, c := a.s, a.child
	s.mu.Lock()
	defer s.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.closed || c.closed || s.over {
		if member != nil {
			s.p.discard(member.Close)
		} else {
			s.p.discard(leaf.Close)
		}
		return false
	}
	if member != nil {
		s.admit(c, member, nil, a.reserved, false)
		s.noteWritable()
		return true
	}
	c.view = s.view
	c.become(leaf, nil, a.reserved)
	if c.qos != nil { // the invitation states them as the root sees them
		q := c.qos.flip()
		c.qos = &q
		c.flow.limit(q.Sending)
	}
	c.noteWritable()
	return true
}

func (a *admission) undo() {
	if a.child != nil {
		a.child.detach()
		a.s.p.remove(a.child)
	}
	a.s.p.capacity.give(a.reserved)
}

// judge is package rooted's condition: it asks the caller's.
func (a *admission) judge(req *rooted.Request) rooted.Verdict {
	t, known, fine := parseTerms(req.QoS)
	s := a.s
	switch {
	case !fine || known && t.nonrooted == s.entry.rootedData():
		req.Reason = "the other side's protocol has another data plane"
		return rooted.Refuse
	}
	s.mu.Lock()
	here := s.hasDataRoot()
	if t.droot && here {
		s.mu.Unlock()
		req.Reason = "the data has a root already, and here is another" // R240
		return rooted.Refuse
	}
	if a.caller = renamed(req.From, t.port); s.kind == kindRoot {
		req.DataRoot = t.droot
	}
	a.child = s.child(map[bool]kind{true: kindMember, false: kindLeaf}[s.kind == kindRoot])
	a.child.phase = joining
	s.mu.Unlock()
	if err := s.p.add("accept", a.child); err != nil {
		a.child, a.code = nil, transport.WSAEMFILE
		return rooted.Defer // it stays (R102)
	}
	a.asked = t.qos
	v := rooted.Accept
	if a.cond != nil {
		v = a.ask(req, t.qos)
	}
	if v != rooted.Accept {
		return v
	}
	if t.qos != nil {
		need := t.qos.Sending.reserved() + t.qos.Receiving.reserved()
		if !s.p.capacity.take(need) {
			req.Code, req.Reason = transport.WSAEOPNOTSUPP, "the other side's capacity has not so much left"
			a.code = transport.WSAEOPNOTSUPP
			return rooted.Refuse
		}
		a.reserved = need
	}
	req.QoS = terms{droot: here, nonrooted: !s.entry.rootedData(), port: t.port, qos: t.qos}.append(nil)
	return rooted.Accept
}

// ask calls the condition and judges its answer. A request that is answered in
// a way that is none stays where it is (R98, R99); callee data beyond the offer
// refuses the joiner (R176).
func (a *admission) ask(req *rooted.Request, qos *QOS) rooted.Verdict {
	offer := min(req.Room, a.s.p.c.ConnectData)
	callee := &WSABUF{Len: uint32(offer), Buf: make([]byte, offer)}
	var group uint32
	var answer int
	a.s.p.callback.run(func() {
		answer = a.cond(NewSockaddr(a.caller), received(req.Data), qos, nil, a.local, callee, &group, a.data)
	})
	switch {
	case answer != CFAccept && answer != CFReject && answer != CFDefer, group != 0:
		a.code = transport.WSAEINVAL
		return rooted.Defer
	case answer == CFDefer:
		return rooted.Defer
	case answer == CFReject:
		return rooted.Refuse
	case int64(callee.Len) > int64(offer), !callee.readable(), qos != nil && !qos.valid():
		a.code = transport.WSAEINVAL
		return rooted.Refuse
	}
	if callee.Len > 0 {
		req.Callee = append([]byte(nil), callee.Bytes()...)
	}
	return rooted.Accept
}

// valid reports whether what a condition left can hold.
func (q *QOS) valid() bool {
	return q.Sending.check() == 0 && q.Receiving.check() == 0 && q.Provider.readable() && q.Provider.Len <= mostProvider
}
