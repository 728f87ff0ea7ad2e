package simnet

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"

	"github.com/joinleaf/joinleaf/transport"
)

// socket is a data socket: a group's or a unicast one.
type socket struct {
	host  *Host
	iface *iface          // group packets leave by it; nil: by none
	group transport.Group // zero for a unicast socket
	local netip.AddrPort
	o     transport.SocketOptions
	info  transport.SocketInfo

	closed   bool
	joined   bool // a member of the group
	capacity int  // in true sizes
	queued   int
	overflow uint32
	queue    fifo[buffer]
	readable sync.Cond

	room     int // bytes that may wait to leave
	waiting  int
	out      outbox
	sent     fifo[sending] // at the uplink
	through  node
	writable sync.Cond
}

// buffer is what a socket keeps of an arrival: all of it, or one packet.
type buffer struct {
	p        *packet
	lo, hi   int32
	ifIndex  int32
	overflow uint32
	cost     int32
	merged   bool
}

type sending struct {
	at    int64
	bytes int
}

// What a socket gets that does not ask, and what Linux gives when asked for
// nothing: 212,992 bytes of true size.
const (
	defaultReadBuffer  = 8 << 20
	defaultWriteBuffer = 4 << 20
	systemBuffer       = 212992
)

// OpenGroup opens a socket that hears one group on one interface.
func (h *Host) OpenGroup(ctx context.Context, g transport.Group, o transport.SocketOptions) (transport.PacketConn, error) {
	const op = "open group"
	if err := g.Check(); err != nil {
		return nil, err
	}
	if g.Interface == "" {
		return nil, &transport.Error{Op: op, Group: g, Code: transport.WSAEINVAL, Err: fmt.Errorf("no interface was named")}
	}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	i, err := h.admit(ctx, op, g, g.Interface, o)
	if err != nil {
		return nil, err
	}
	if !i.up {
		return nil, &transport.Error{Op: op, Group: g, Code: transport.WSAENETDOWN, Err: fmt.Errorf("the interface %s is down", i.name)}
	}
	if h.config.NoSSM && g.Source.IsValid() {
		return nil, &transport.Error{Op: op, Group: g, Code: transport.WSAEOPNOTSUPP, Err: fmt.Errorf("this host joins no source-specific groups")}
	}
	s := h.newSocket(i, g.Addr, o)
	s.group, s.joined = g, true
	return s, nil
}

// OpenUnicast opens a socket on one of the host's addresses.
func (h *Host) OpenUnicast(ctx context.Context, local netip.AddrPort, o transport.SocketOptions) (transport.PacketConn, error) {
	const op = "open socket"
	a, port := local.Addr().Unmap().WithZone(""), local.Port()
	switch {
	case !a.IsValid():
		return nil, fail(op, transport.WSAEINVAL, "no local address was given; 0.0.0.0 and :: stand for any")
	case a.IsMulticast():
		return nil, fail(op, transport.WSAEADDRNOTAVAIL, "%v is a group; OpenGroup opens those", a)
	}
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	i, err := h.admit(ctx, op, transport.Group{}, o.Interface, o)
	if err != nil {
		return nil, err
	}
	if !h.owns(a) {
		return nil, fail(op, transport.WSAEADDRNOTAVAIL, "%v is no address of host %s", a, h.name)
	}
	if port == 0 {
		port, _ = freePort(&h.nextUDP, func(p uint16) bool { return h.taken(netip.AddrPortFrom(a, p)) })
	}
	if at := netip.AddrPortFrom(a, port); port == 0 || h.taken(at) {
		return nil, fail(op, transport.WSAEADDRINUSE, "UDP port %d of %v is taken; choose another port, or 0 for any", port, a)
	}
	return h.newSocket(i, netip.AddrPortFrom(a, port), o), nil
}

// admit checks what both kinds of socket have in common.
func (h *Host) admit(ctx context.Context, op string, g transport.Group, name string, o transport.SocketOptions) (*iface, error) {
	if err := h.gone(op, g); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, transport.Explain(op, g, err)
	}
	if o.TTL > 255 || o.DSCP < 0 || o.DSCP > 63 {
		return nil, &transport.Error{Op: op, Group: g, Code: transport.WSAEINVAL, Err: fmt.Errorf("a TTL of %d or a DSCP of %d does not exist", o.TTL, o.DSCP)}
	}
	if name == "" {
		return nil, nil
	}
	return h.named(op, g, name)
}

func (h *Host) owns(a netip.Addr) bool {
	if a.IsUnspecified() {
		return true
	}
	for _, i := range h.ifaces {
		if i.owns(a) {
			return true
		}
	}
	return false
}

// taken tells whether a unicast socket is in the way. Group sockets share.
func (h *Host) taken(at netip.AddrPort) bool {
	for _, s := range h.sockets[at.Port()] {
		if !s.group.Addr.IsValid() && overlap(s.local.Addr(), at.Addr()) {
			return true
		}
	}
	return false
}

func overlap(a, b netip.Addr) bool {
	return a == b || a.Is4() == b.Is4() && (a.IsUnspecified() || b.IsUnspecified())
}

func (h *Host) newSocket(i *iface, local netip.AddrPort, o transport.SocketOptions) *socket {
	h.opened++
	s := &socket{host: h, iface: i, local: local, o: o}
	n := h.net
	s.readable.L, s.writable.L = &n.mu, &n.mu
	s.out = outbox{net: n, left: s.left, node: node{k1: key(classSend, h.number, int(h.opened))}}
	s.out.node.fire = s.out.leave
	s.through = node{k1: key(classSent, h.number, int(h.opened)), fire: s.isThrough}
	s.info = transport.SocketInfo{MTU: 1500, SegmentOffload: !o.NoOffload && !o.NoBatch && !h.config.NoSegmentOffload,
		ReceiveOffload: !o.NoOffload && !o.NoBatch && !h.config.NoReceiveOffload, DestinationSeen: !h.config.NoDestination,
		OverflowSeen: !h.config.NoOverflow && !o.NoBatch}
	if i != nil {
		s.info.Interface, s.info.IfIndex, s.info.MTU = i.name, i.index, i.mtu
	}
	s.info.ReadBuffer = s.grant("read", "rmem_max", o.ReadBuffer, defaultReadBuffer, h.config.MaxReadBuffer)
	s.info.WriteBuffer = s.grant("write", "wmem_max", o.WriteBuffer, defaultWriteBuffer, h.config.MaxWriteBuffer)
	s.capacity, s.room = 2*s.info.ReadBuffer, s.info.WriteBuffer
	h.sockets[local.Port()] = append(h.sockets[local.Port()], s)
	return s
}

// grant settles a buffer. Linux doubles what it is asked for, and counts true
// sizes against the double.
func (s *socket) grant(which, limit string, asked, byDefault, most int) int {
	switch {
	case asked < 0:
		return systemBuffer / 2
	case asked == 0:
		asked = byDefault
	}
	if most > 0 && asked > most {
		s.info.Warnings = append(s.info.Warnings, fmt.Sprintf("simnet: %s buffer: wanted %d bytes, got %d; host %s is made with this %s",
			which, asked, most, s.host.name, limit))
		return most
	}
	return asked
}

func (s *socket) LocalAddr() netip.AddrPort { return s.local }

func (s *socket) Info() transport.SocketInfo {
	i := s.info
	i.Warnings = append([]string(nil), i.Warnings...)
	return i
}

// Close ends the socket. What was written still leaves.
func (s *socket) Close() error {
	s.host.net.mu.Lock()
	defer s.host.net.mu.Unlock()
	if s.closed {
		return nil
	}
	list := s.host.sockets[s.local.Port()]
	for i, other := range list {
		if other == s {
			s.host.sockets[s.local.Port()] = append(list[:i:i], list[i+1:]...)
		}
	}
	s.shut()
	return nil
}

func (s *socket) shut() {
	s.closed = true
	for s.queue.len() > 0 {
		s.queue.pop().p.release()
	}
	s.readable.Broadcast()
	s.writable.Broadcast()
}

// ended is the error of a call on a closed socket, nil while it is open.
func (s *socket) ended(op string) error {
	if err := s.host.gone(op, s.group); err != nil {
		return err
	}
	if s.closed {
		return transport.Explain(op, s.group, net.ErrClosed)
	}
	return nil
}
