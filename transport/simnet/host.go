package simnet

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/joinleaf/joinleaf/transport"
)

// Host is one host of a Net, as a program on it sees it.
type Host struct {
	net    *Net
	name   string
	number int
	config HostConfig
	ifaces []*iface // lo first

	sockets   map[uint16][]*socket // by UDP port, in order of opening
	opened    uint64               // sockets so far
	nextUDP   uint16
	listeners map[uint16][]*listener
	conns     []*conn
	tcpPorts  map[uint16]int // used by conns
	nextTCP   uint16
	dials     []*dial
	paused    bool
	killed    bool
}

var _ transport.Network = (*Host)(nil)

// HostConfig says what kind of host it is. Zero is one of today's Linux
// hosts with one interface.
type HostConfig struct {
	// Segments name the switches that the host's interfaces sim0, sim1, ...
	// are plugged into. Empty means one, named "lan". Hosts reach each other
	// where they share a segment; nobody routes.
	Segments []string
	// MTU of the interfaces. Zero means 1500.
	MTU int
	// MaxReadBuffer and MaxWriteBuffer are the most that a socket is granted,
	// in bytes, as net.core.rmem_max does. Zero means no limit.
	MaxReadBuffer, MaxWriteBuffer int
	// Backlog is how many connections a listener keeps that nobody has
	// accepted yet. Zero means 128.
	Backlog int
	// What the host's system lacks.
	NoSegmentOffload, NoReceiveOffload, NoDestination, NoOverflow, NoSSM bool
}

// Host makes a host, or finds the one that has the name; that one must be
// asked for without a config. Host N has 10.0.S.N/24 and fd00:0:0:S::N/64 on
// its interface in the network's S-th segment, counted from 0. A host that was
// killed is made anew, at the same addresses.
func (n *Net) Host(name string, c ...HostConfig) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, h := range n.hosts {
		if h.name == name && !h.killed && len(c) == 0 {
			return h
		}
		if h.name == name && h.killed {
			n.hosts[i] = h.reborn(c...)
			return n.hosts[i]
		}
	}
	switch {
	case name == "" || name == "*" || name == n.outside.host.name:
		panic(fmt.Sprintf("simnet: a host cannot be named %q", name))
	case len(n.hosts) >= 254:
		panic("simnet: a network has at most 254 hosts")
	}
	for _, h := range n.hosts {
		if h.name == name {
			panic(fmt.Sprintf("simnet: host %q exists; its config cannot be changed", name))
		}
	}
	h := newHost(n, name, len(n.hosts)+1, c...)
	n.hosts = append(n.hosts, h)
	h.plugIn()
	return h
}

func newHost(n *Net, name string, number int, c ...HostConfig) *Host {
	h := &Host{net: n, name: name, number: number, sockets: map[uint16][]*socket{}, nextUDP: firstPort, nextTCP: firstPort,
		listeners: map[uint16][]*listener{}, tcpPorts: map[uint16]int{}}
	if len(c) > 1 {
		panic("simnet: a host has one config")
	}
	for _, one := range c {
		h.config = one
	}
	if len(h.config.Segments) == 0 {
		h.config.Segments = []string{"lan"}
	}
	return h
}

// plugIn makes the interfaces.
func (h *Host) plugIn() {
	lo := h.net.newInterface(h, "lo", &segment{name: "lo"})
	lo.mtu = 65536
	lo.addrs = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8"), netip.MustParsePrefix("::1/128")}
	for i, name := range h.config.Segments {
		s := h.net.segment(name)
		own := h.net.newInterface(h, fmt.Sprintf("sim%d", i), s)
		if h.config.MTU > 0 {
			own.mtu = h.config.MTU
		}
		v4 := netip.AddrFrom4([4]byte{10, 0, byte(s.number), byte(h.number)})
		v6 := netip.AddrFrom16([16]byte{0: 0xfd, 7: byte(s.number), 15: byte(h.number)})
		own.addrs = []netip.Prefix{netip.PrefixFrom(v4, 24), netip.PrefixFrom(v6, 64)}
	}
}

// reborn takes over the interfaces of a killed host, with all that links and
// partitions know of them.
func (h *Host) reborn(c ...HostConfig) *Host {
	if len(c) == 0 {
		c = append(c, h.config)
	}
	again := newHost(h.net, h.name, h.number, c...)
	again.config.Segments = h.config.Segments
	again.ifaces = h.ifaces
	for _, i := range again.ifaces {
		i.host, i.up = again, true
	}
	return again
}

func (n *Net) segment(name string) *segment {
	for _, s := range n.segments {
		if s.name == name {
			return s
		}
	}
	s := &segment{name: name, number: len(n.segments)}
	n.segments = append(n.segments, s)
	return s
}

// Name is the name that the host was made with.
func (h *Host) Name() string { return h.name }

// Addr and Addr6 are the addresses on the first segment.
func (h *Host) Addr() netip.Addr { return h.ifaces[1].addrs[0].Addr() }

// Addr6 is the IPv6 address on the first segment.
func (h *Host) Addr6() netip.Addr { return h.ifaces[1].addrs[1].Addr() }

// Pause stops the host's programs, as a debugger or a scheduler does: calls
// that read, write or accept wait, buffers fill, and what finds no room is
// dropped. Resume lets them go on.
func (h *Host) Pause() { h.setPaused(true) }

// Resume ends Pause.
func (h *Host) Resume() { h.setPaused(false) }

func (h *Host) setPaused(on bool) {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	h.paused = on
	h.wake()
}

// Kill ends a host's programs at once, as kill -9 does: sockets are gone,
// streams are reset, and every call on it says WSAENETDOWN. The machine itself
// lives and answers "refused". To pull the plug, use Partition.
func (n *Net) Kill(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.known(name)
	for _, h := range n.hosts {
		if h.name == name && !h.killed {
			h.killed = true
			h.shut()
		}
	}
}

// shut takes all sockets, listeners and streams from a host. The lists are
// taken first, for closing changes them.
func (h *Host) shut() {
	sockets, listeners, conns := h.sockets, h.listeners, h.conns
	h.sockets, h.listeners, h.conns = map[uint16][]*socket{}, map[uint16][]*listener{}, nil
	for _, list := range sockets {
		for _, s := range list {
			s.shut()
		}
	}
	for _, list := range listeners {
		for _, l := range list {
			l.shut()
		}
	}
	for _, c := range conns {
		c.abort()
	}
	for _, d := range h.dials {
		d.ready.Broadcast()
	}
}

// wake lets every call that waits on the host look again.
func (h *Host) wake() {
	for _, list := range h.sockets {
		for _, s := range list {
			s.readable.Broadcast()
			s.writable.Broadcast()
		}
	}
	for _, list := range h.listeners {
		for _, l := range list {
			l.ready.Broadcast()
		}
	}
	for _, c := range h.conns {
		c.readable.Broadcast()
		c.writable.Broadcast()
	}
}

// gone is the error of a call on a host that was killed, or whose network was
// closed.
func (h *Host) gone(op string, g transport.Group) error {
	switch {
	case h.killed:
		return &transport.Error{Op: op, Group: g, Code: transport.WSAENETDOWN, Err: fmt.Errorf("host %s was killed: %w", h.name, net.ErrClosed)}
	case h.net.closed:
		return transport.Explain(op, g, net.ErrClosed)
	}
	return nil
}

// firstPort begins the ports that are given out.
const firstPort = 49152

// freePort finds the next port that is not taken.
func freePort(next *uint16, taken func(uint16) bool) (uint16, bool) {
	for range 1<<16 - firstPort {
		p := *next
		if *next++; *next == 0 {
			*next = firstPort
		}
		if !taken(p) {
			return p, true
		}
	}
	return 0, false
}
