package joinleaf

import (
	"errors"
	"net/netip"

	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

// request is a JoinLeaf call whose arguments have been judged.
type request struct {
	to       netip.AddrPort
	data     []byte // caller data, a copy
	callee   *WSABUF
	room     int
	role     rooted.Role // of this end
	qos      *QOS        // what is stated; nil: nothing
	reserved uint64      // of the provider's capacity
}

// JoinLeaf is WSAJoinLeaf. On a c_root, name is the one leaf to add and the
// result a new socket for it (R54, R55); on a c_leaf, name is the root, or the
// session's group where no root is, and the result is s itself (R65 to R67).
//
// A blocking call returns the outcome. A nonblocking one returns once the join
// has begun, and FD_CONNECT on s tells the outcome; callee is filled by then.
func (s *Socket) JoinLeaf(to Sockaddr, caller, callee *WSABUF, sqos, gqos *QOS, f JoinFlags) (*Socket, error) {
	const op = "join leaf"
	if err := s.enter(op); err != nil {
		return nil, err
	}
	if err := s.p.networkDown(); err != nil {
		return nil, err
	}
	if err := s.begin(op, callJoin); err != nil {
		return nil, err
	}
	r, err := s.judge(op, to, caller, callee, sqos, gqos, f)
	if err != nil {
		s.mu.Unlock()
		return nil, err
	}
	switch s.kind {
	case kindRoot:
		return s.invite(op, r)
	case kindPeer:
		return s.enterPeers(op, r)
	}
	return s.ask(op, r)
}

// judge checks the arguments, in the order of R51 from EFAULT on. The caller
// holds the lock.
func (s *Socket) judge(op string, to Sockaddr, caller, callee *WSABUF, sqos, gqos *QOS, f JoinFlags) (*request, error) {
	at, code := to.read()
	no := func(c transport.Code, why string) (*request, error) { return nil, fail(op, c, errors.New(why)) }
	switch {
	case code == transport.WSAEFAULT:
		return no(code, "the name is missing, or shorter than its family's address")
	case caller != nil && (!caller.readable() || int64(caller.Len) > int64(s.p.c.ConnectData)):
		return no(transport.WSAEFAULT, "caller data has no memory behind its length, or is longer than the provider allows")
	case callee != nil && !callee.readable():
		return no(transport.WSAEFAULT, "the callee buffer has no memory behind its length")
	case sqos != nil && !sqos.Provider.readable(), sqos != nil && sqos.Provider.Len > mostProvider:
		return no(transport.WSAEFAULT, "the provider's bytes of the flow specification are not there, or too many")
	case code != 0 || to.Family() != s.entry.AddressFamily:
		return no(transport.WSAEAFNOSUPPORT, "the address is not of the socket's family")
	case !s.canBePeer(at):
		return no(transport.WSAEADDRNOTAVAIL, "that address cannot be joined: it is any, has no port, or is a group where a host is wanted, or the other way round")
	case f != SenderOnly && f != ReceiverOnly && f != JoinBoth:
		return no(transport.WSAEINVAL, "the flags are exactly one of sender only, receiver only, both")
	case caller != nil && !s.entry.has(XP1ConnectData):
		return no(transport.WSAEPROTONOSUPPORT, "nobody answers a join of this protocol, so it carries no caller data")
	case s.kind == kindRoot && s.p.c.NoInvitations:
		return no(transport.WSAEOPNOTSUPP, "this provider's roots invite nobody")
	}
	r := &request{to: at, data: caller.data(), callee: callee, room: min(callee.room(), s.p.c.ConnectData), role: roleOf(f)}
	if err := s.judgeQOS(op, r, sqos, gqos); err != nil {
		return nil, err
	}
	if err := s.commit(op, at.Addr()); err != nil {
		return nil, err
	}
	if r.qos != nil {
		if need := r.qos.Sending.reserved() + r.qos.Receiving.reserved(); !s.p.capacity.take(need) {
			return no(transport.WSAEOPNOTSUPP, "the provider's capacity has not so much left")
		} else {
			r.reserved = need
		}
	}
	if callee != nil {
		callee.Len = 0 // until there is something (R169, R182)
	}
	return r, nil
}

// judgeQOS checks the flow specifications and merges them with what was set
// before (R194, R195, R205).
func (s *Socket) judgeQOS(op string, r *request, sqos, gqos *QOS) error {
	no := func(why string) error { return fail(op, transport.WSAEOPNOTSUPP, errors.New(why)) }
	switch {
	case gqos != nil:
		return no("group flow specifications are reserved; nil is always right")
	case sqos != nil && !s.entry.has(XP1QOSSupported):
		return no("this protocol has no quality of service")
	}
	if r.qos = s.qos; sqos != nil {
		q, before := sqos.clone(), QOS{Sending: NoFlowSpec(), Receiving: NoFlowSpec()}
		if s.qos != nil {
			before = *s.qos
		}
		q.Sending, q.Receiving = q.Sending.over(before.Sending), q.Receiving.over(before.Receiving)
		r.qos = &q
	}
	if r.qos == nil {
		return nil
	}
	q := r.qos.clone()
	q.narrow(r.role)
	r.qos = &q
	if q.Sending.check() != 0 || q.Receiving.check() != 0 {
		return no("a flow specification needs a service type and a token rate, and no peak below that")
	}
	role, some := q.traffic(r.role)
	if !some {
		return no("the flow specifications leave no traffic in any direction")
	}
	r.role = role
	return nil
}

// narrow takes out the direction that a role does not use (R190).
func (q *QOS) narrow(role rooted.Role) {
	if !role.Sends() {
		q.Sending = NoFlowSpec()
	}
	if !role.Receives() {
		q.Receiving = NoFlowSpec()
	}
}

// traffic is what role can do where a direction is to have no traffic (R205).
func (q QOS) traffic(role rooted.Role) (rooted.Role, bool) {
	sends := role.Sends() && q.Sending.service() != ServiceNoTraffic
	receives := role.Receives() && q.Receiving.service() != ServiceNoTraffic
	switch {
	case sends && receives:
		return rooted.Both, true
	case sends:
		return rooted.SendOnly, true
	case receives:
		return rooted.ReceiveOnly, true
	}
	return role, false
}

func roleOf(f JoinFlags) rooted.Role {
	switch f {
	case SenderOnly:
		return rooted.SendOnly
	case ReceiverOnly:
		return rooted.ReceiveOnly
	}
	return rooted.Both
}

// canBePeer reports whether an address can be joined (R44, R45).
func (s *Socket) canBePeer(a netip.AddrPort) bool {
	ip := a.Addr()
	broadcast := ip == netip.AddrFrom4([4]byte{255, 255, 255, 255})
	return a.Port() != 0 && !ip.IsUnspecified() && !ip.Is4In6() && !broadcast && ip.IsMulticast() == (s.kind == kindPeer)
}

// config is what package rooted is told for this socket. The caller holds the
// lock.
func (s *Socket) config() rooted.Config {
	c := s.p.c.Session
	c.Network, c.Identity, c.Authorize = s.view, s.p.c.Identity, s.p.c.Authorize
	c.Condition, c.QoS, c.Role, c.Ordered = nil, nil, rooted.Both, false
	c.JoinTimeout, c.Silence, c.Logger = s.p.c.JoinWait, s.p.c.Keepalive, s.p.c.Logger
	c.Control, c.Backlog = s.name.addr, 0
	switch {
	case !s.entry.rootedData():
		c.Data, c.Source = rooted.NonrootedData, rooted.Group // what leaves send to each other is not signed
	case s.kind == kindRoot && s.flags&FlagDRoot == 0:
		c.Data, c.Source = rooted.LeafRootedData, rooted.Group // R241; nor is what the data's root sends
	default:
		c.Data = rooted.RootedData
	}
	c.Reach = func() { s.p.spawn(s.p.reach) }
	if c.TTL = s.scope; c.TTL == 0 {
		c.TTL = -1
	}
	if c.Interface == "" {
		c.Interface = s.p.c.Group.Interface
	}
	knock := s.knock
	c.Waiting = func() {
		select {
		case knock <- struct{}{}:
		default:
		}
	}
	return c
}

// terms are what this socket tells of itself when it joins, invites or accepts.
func (s *Socket) terms(q *QOS) []byte {
	return terms{droot: s.hasDataRoot(), nonrooted: !s.entry.rootedData(), port: s.rootPort(), qos: q}.append(nil)
}

// hasDataRoot reports whether the data's root is at this side: the leaf itself, or
// at a c_root itself or a leaf that has joined. Two sides that both have one
// do not come together (R240).
func (s *Socket) hasDataRoot() bool {
	return s.flags&FlagDRoot != 0 || s.hub != nil && s.hub.root.DataRoot() != 0
}

// rootPort is the port of a c_root's name, which an invited leaf does not see
// otherwise (R261).
func (s *Socket) rootPort() uint16 {
	if s.kind != kindRoot {
		return 0
	}
	return s.name.addr.Port()
}

// outcome is the code that a join ended with, of those that a join may have.
func outcome(err error) transport.Code {
	switch code := transport.CodeOf(err); code {
	case 0:
		if err != nil {
			return transport.WSASYSCALLFAILURE
		}
		return 0
	case transport.WSAEHOSTUNREACH:
		return transport.WSAETIMEDOUT // nobody there says anything (R63)
	case transport.WSAEINTR:
		return transport.WSA_OPERATION_ABORTED
	default:
		return code
	}
}

// again reports whether a join that ended so may be tried again on the same
// socket (R155).
func again(c transport.Code) bool {
	return c == transport.WSAECONNREFUSED || c == transport.WSAENETUNREACH || c == transport.WSAETIMEDOUT
}

// failedAs keeps err's words under the code of the outcome.
func failedAs(op string, err error) error {
	if c := outcome(err); c != transport.CodeOf(err) {
		return fail(op, c, err)
	}
	return err
}
