package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// Kernel is the host's own network. The zero Kernel is ready to use and holds
// nothing; every call asks the system anew.
//
// Its sockets belong to the network namespace of the thread that opens them,
// so a caller that locks its goroutine to a thread in another namespace gets
// that namespace's sockets, and may use them from any thread afterwards.
type Kernel struct{}

var _ Network = Kernel{}

// The buffers to ask for when the options do not say. A burst of 64 KiB every
// millisecond fills the first in 128 ms of a reader that sleeps.
const (
	defaultReadBuffer  = 8 << 20
	defaultWriteBuffer = 4 << 20
)

// plan is a socket to be opened, with every default filled in.
type plan struct {
	op    string
	group Group // zero for a unicast socket
	bind  netip.AddrPort
	iface *net.Interface // nil: no interface named
	names interfaceNames

	ttl, tos              int
	loop                  bool
	readSize, writeSize   int // zero: leave the system's
	noOffload, noBatch    bool
	busyPoll              time.Duration
	bindZone, destination int // scope of bind; own interface's index
}

// OpenGroup opens a socket that hears one group on one interface.
func (Kernel) OpenGroup(_ context.Context, g Group, o SocketOptions) (PacketConn, error) {
	p := plan{op: "open group", group: g, bind: g.Addr}
	if err := g.Check(); err != nil {
		return nil, err
	}
	if g.Interface == "" {
		return nil, refuse(p.op, g, WSAEINVAL, "no interface was named; Choose finds one")
	}
	if err := p.settle(g.Interface, o); err != nil {
		return nil, err
	}
	if p.iface.Flags&net.FlagUp == 0 {
		return nil, refuse(p.op, g, WSAENETDOWN, "the interface %s is down; bring it up or choose another", g.Interface)
	}
	return open(p)
}

// OpenUnicast opens a socket on one of the host's addresses.
func (Kernel) OpenUnicast(_ context.Context, local netip.AddrPort, o SocketOptions) (PacketConn, error) {
	p := plan{op: "open socket", bind: netip.AddrPortFrom(local.Addr().Unmap(), local.Port())}
	if !local.Addr().IsValid() {
		return nil, refuse(p.op, Group{}, WSAEINVAL, "no local address was given; 0.0.0.0 and :: stand for any")
	}
	if local.Addr().IsMulticast() {
		return nil, refuse(p.op, Group{}, WSAEADDRNOTAVAIL, "%v is a group; OpenGroup opens those", local.Addr())
	}
	if err := p.settle(o.Interface, o); err != nil {
		return nil, err
	}
	return open(p)
}

// settle finds the interface and fills in the defaults.
func (p *plan) settle(iface string, o SocketOptions) error {
	if o.TTL > 255 {
		return refuse(p.op, p.group, WSAEINVAL, "a TTL of %d is too large; 255 is the most", o.TTL)
	}
	if o.DSCP < 0 || o.DSCP > 63 {
		return refuse(p.op, p.group, WSAEINVAL, "a DSCP of %d does not exist; it is 0 to 63", o.DSCP)
	}
	if iface != "" {
		i, err := net.InterfaceByName(iface)
		if err != nil {
			return noInterface(p.op, p.group, iface)
		}
		p.iface, p.destination = i, i.Index
	}
	p.ttl = max(o.TTL, 0)
	if o.TTL == 0 {
		p.ttl = 1
	}
	p.tos = o.DSCP << 2 // the two low bits are ECN's
	p.loop = !o.NoLoopback
	p.readSize = wanted(o.ReadBuffer, defaultReadBuffer)
	p.writeSize = wanted(o.WriteBuffer, defaultWriteBuffer)
	p.noOffload, p.noBatch = o.NoOffload || o.NoBatch, o.NoBatch
	p.busyPoll = o.BusyPoll
	if p.bind.Addr().Is6() {
		p.names = namesNow()
		p.bindZone = p.scope(p.bind.Addr())
		if z := p.bind.Addr().Zone(); z != "" && p.bindZone == 0 {
			return noInterface(p.op, p.group, z)
		}
	}
	return nil
}

func wanted(asked, byDefault int) int {
	switch {
	case asked < 0:
		return 0
	case asked == 0:
		return byDefault
	}
	return asked
}

// scope is the interface index that an IPv6 address needs beside it (F-19):
// its zone's, else for addresses of one link the socket's own interface.
func (p *plan) scope(a netip.Addr) int {
	if z := a.Zone(); z != "" {
		return p.names.index(z)
	}
	if needsScope(a) {
		return p.destination
	}
	return 0
}

func needsScope(a netip.Addr) bool {
	return a.Is6() && (a.IsLinkLocalUnicast() || a.IsLinkLocalMulticast() || a.IsInterfaceLocalMulticast())
}

// open opens a planned socket and gives it the best path that the system has.
func open(p plan) (PacketConn, error) { return p.open() }

// socket is what the batch path and the portable path have in common.
type socket struct {
	plan  plan
	info  SocketInfo
	local netip.AddrPort
}

// socket describes an opened socket that the system bound to the port.
func (p *plan) socket(info SocketInfo, port uint16) *socket {
	s := &socket{plan: *p, info: info, local: p.bind}
	if p.iface != nil {
		s.info.Interface, s.info.IfIndex, s.info.MTU = p.iface.Name, p.iface.Index, p.iface.MTU
	}
	if !p.group.Addr.IsValid() {
		s.local = netip.AddrPortFrom(p.bind.Addr(), port)
	}
	return s
}

func (s *socket) LocalAddr() netip.AddrPort { return s.local }

// target refuses an element that has no usable destination on this socket.
func (s *socket) target(d *Datagram) error {
	a := d.Addr.Addr().Unmap()
	switch {
	case !a.IsValid() || d.Addr.Port() == 0:
		return refuse("write", s.plan.group, WSAEADDRNOTAVAIL, "the datagram has no destination, or no port: %v", d.Addr)
	case a.Is4() != s.plan.bind.Addr().Is4():
		return refuse("write", s.plan.group, WSAEAFNOSUPPORT, "an %s socket does not reach %v", familyName(s.plan.bind.Addr()), a)
	}
	return nil
}

// readFailed is the error of a read that the system ended.
func (s *socket) readFailed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		err = net.ErrClosed // without package net's account of the socket
	}
	return Explain("read", s.plan.group, err)
}

// writeFailed is the error of a write to one destination.
func (s *socket) writeFailed(to netip.AddrPort, err error) error {
	if errors.Is(err, net.ErrClosed) {
		return Explain("write", s.plan.group, net.ErrClosed)
	}
	return explain("write to "+to.String(), s.plan.group, err, sendSentence(err, to, s.info.Interface))
}

// interfaceNames are the interfaces as they were when a socket was opened.
// Asking later could ask another namespace, and costs a system call a packet.
type interfaceNames map[int]string

func namesNow() interfaceNames {
	ifs, err := net.Interfaces()
	if err != nil {
		return nil // then zones are numbers, which serve as well
	}
	n := make(interfaceNames, len(ifs))
	for _, i := range ifs {
		n[i.Index] = i.Name
	}
	return n
}

func (n interfaceNames) name(index int) string {
	if s, ok := n[index]; ok {
		return s
	}
	return strconv.Itoa(index)
}

func (n interfaceNames) index(zone string) int {
	for i, s := range n {
		if s == zone {
			return i
		}
	}
	i, _ := strconv.Atoi(zone)
	return i
}
