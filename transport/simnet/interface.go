package simnet

import (
	"fmt"
	"net/netip"

	"github.com/joinleaf/joinleaf/transport"
)

// iface is a host's interface: a port of a segment.
type iface struct {
	host     *Host
	name     string
	index    int // as the host counts
	id       int // as the network counts
	mtu      int
	up       bool
	segment  *segment
	addrs    []netip.Prefix
	pairs    []*pair // to other interfaces, by their id
	nowhere  Stats   // of what it sent: Sent, and what found no host
	uplink   *gate
	downlink *gate
	inbound  fifo[arrival] // behind the downlink
	arriving node
}

func (i *iface) loopback() bool { return i.name == "lo" }

// newInterface plugs a new interface into a segment.
func (n *Net) newInterface(h *Host, name string, s *segment) *iface {
	i := &iface{host: h, name: name, index: len(h.ifaces) + 1, id: len(n.ifaces), mtu: 1500, up: true, segment: s}
	i.arriving = node{k1: key(classDown, i.id, 0), fire: i.fireInbound}
	n.ifaces = append(n.ifaces, i)
	h.ifaces = append(h.ifaces, i)
	s.ifaces = append(s.ifaces, i)
	for _, r := range n.ports {
		i.setPort(r)
	}
	return i
}

func (i *iface) setPort(r portRule) {
	if !matches(r.host, i) || i.loopback() || i == i.host.net.outside {
		return
	}
	name := i.host.name + "%" + i.name
	g, side := &i.uplink, "up "
	if r.down {
		g, side = &i.downlink, "down "
	}
	if *g == nil {
		made := newGate(i.host.net.seed, side+name)
		made.endless = !r.down
		*g = &made
	}
	l := r.link
	if r.lossOnly {
		l = (*g).link
		l.Loss = r.link.Loss
	}
	(*g).set(l)
}

// addr is the interface's own address of a's family; invalid: it has none.
func (i *iface) addr(a netip.Addr) netip.Addr {
	for _, p := range i.addrs {
		if p.Addr().Is4() == a.Is4() {
			return p.Addr()
		}
	}
	return netip.Addr{}
}

func (i *iface) owns(a netip.Addr) bool {
	for _, p := range i.addrs {
		if p.Addr() == a || i.loopback() && p.Addr().Is4() && p.Contains(a) {
			return true
		}
	}
	return false
}

func (i *iface) reaches(a netip.Addr) bool {
	for _, p := range i.addrs {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// describe is what the choice of an interface needs to know.
func (i *iface) describe() transport.Interface {
	return transport.Interface{Name: i.name, Index: i.index, MTU: i.mtu, Addrs: append([]netip.Prefix(nil), i.addrs...),
		Up: i.up, Loopback: i.loopback(), Multicast: !i.loopback()}
}

// Interfaces lists lo and the host's own.
func (h *Host) Interfaces() ([]transport.Interface, error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if err := h.gone("list interfaces", transport.Group{}); err != nil {
		return nil, err
	}
	var all []transport.Interface
	for _, i := range h.ifaces {
		all = append(all, i.describe())
	}
	return all, nil
}

// Route finds the interface whose prefix holds dst; a group leaves by the
// first interface that is up.
func (h *Host) Route(dst netip.Addr) (ifIndex int, src netip.Addr, err error) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	op := "find a route to " + dst.String()
	if err := h.gone(op, transport.Group{}); err != nil {
		return 0, netip.Addr{}, err
	}
	dst = dst.Unmap().WithZone("")
	switch i := h.route(dst); {
	case !dst.IsValid() || dst.IsUnspecified():
		return 0, netip.Addr{}, fail(op, transport.WSAEADDRNOTAVAIL, "no address was given")
	case i == nil:
		return 0, netip.Addr{}, unroutable(op, dst)
	case i.loopback():
		return i.index, dst, nil
	default:
		return i.index, i.addr(dst), nil
	}
}

// route finds the interface that dst is reached by; nil: by none.
func (h *Host) route(dst netip.Addr) *iface {
	for _, i := range h.ifaces {
		if i.up && (i.reaches(dst) || dst.IsMulticast() && !i.loopback()) {
			return i
		}
	}
	return nil
}

func unroutable(op string, dst netip.Addr) error {
	return fail(op, transport.WSAENETUNREACH, "no route leads to %v", dst)
}

// named finds an interface by its name.
func (h *Host) named(op string, g transport.Group, name string) (*iface, error) {
	for _, i := range h.ifaces {
		if i.name == name {
			return i, nil
		}
	}
	return nil, &transport.Error{Op: op, Group: g, Code: transport.WSAEADDRNOTAVAIL,
		Err: fmt.Errorf("host %s has no interface %s", h.name, name)}
}

// SetUp takes an interface down or up again. While it is down nothing comes or
// leaves by it; memberships stay. It panics on a name that the host lacks.
func (h *Host) SetUp(name string, up bool) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.must(name).up = up
}

// Recreate deletes an interface and makes it again under the same name and
// addresses with a new index: sockets that were members of a group there are
// so no more and, as in a kernel, nothing tells them.
func (h *Host) Recreate(name string) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	i := h.must(name)
	for _, other := range h.ifaces {
		i.index = max(i.index, other.index)
	}
	i.index++
	i.up = true
	for _, list := range h.sockets {
		for _, s := range list {
			s.joined = s.joined && s.iface != i
		}
	}
}

func (h *Host) must(name string) *iface {
	i, err := h.named("find interface", transport.Group{}, name)
	if err != nil {
		panic("simnet: " + err.Error())
	}
	return i
}

func fail(op string, c transport.Code, format string, a ...any) error {
	return &transport.Error{Op: op, Code: c, Err: fmt.Errorf(format, a...)}
}
