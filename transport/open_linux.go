package transport

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// open opens the batch path, or the portable one where that was asked for or
// a sandbox withholds the system calls.
func (p *plan) open() (PacketConn, error) {
	f, info, err := p.openUDP()
	if err != nil {
		return nil, err
	}
	if !p.noBatch {
		c, err := p.newBatch(f, info)
		if err == nil {
			return c, nil
		}
		if !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, unix.EPERM) {
			f.Close()
			return nil, Explain(p.op, p.group, err)
		}
		info.Warnings = append(info.Warnings, "this system has no recvmmsg; packets are read and written one by one")
	}
	defer f.Close() // FilePacketConn takes a duplicate
	pc, err := net.FilePacketConn(f)
	if err != nil {
		return nil, Explain(p.op, p.group, err)
	}
	return p.newPlain(pc.(*net.UDPConn), info), nil
}

// openUDP makes the socket by hand: package net turns a group into the
// wildcard on the way to bind, and a socket bound to the group is both the one
// that hears nothing else (F-4) and the one that the kernel finds when it
// merges received segments. The socket blocks: see batchConn.
func (p *plan) openUDP() (f *os.File, info SocketInfo, err error) {
	domain := unix.AF_INET6
	if p.bind.Addr().Is4() {
		domain = unix.AF_INET
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, info, explain(p.op, p.group, err, openSentence(err, p.bind, false))
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	if err := p.setOptions(fd, &info); err != nil {
		return nil, info, Explain(p.op, p.group, err)
	}
	shared := p.group.Addr.IsValid()
	if err := unix.Bind(fd, p.sockaddr()); err != nil {
		return nil, info, explain(p.op, p.group, err, openSentence(err, p.bind, shared))
	}
	if shared {
		if err := p.join(fd); err != nil {
			return nil, info, explain(p.op, p.group, err, joinSentence(err, p.group))
		}
	}
	return os.NewFile(uintptr(fd), "udp "+p.bind.String()), info, nil
}

func (p *plan) sockaddr() unix.Sockaddr {
	a := p.bind.Addr()
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(p.bind.Port()), Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: int(p.bind.Port()), Addr: a.As16(), ZoneId: uint32(p.bindZone)}
}

// option is one socket option that may fail the opening (lack == "") or that
// an older kernel may do without, with a warning that says what is lost.
type option struct {
	level, name, value int
	lack               string
}

func (p *plan) setOptions(fd int, info *SocketInfo) error {
	opts := p.ip4Options()
	if p.bind.Addr().Is6() {
		opts = p.ip6Options()
	}
	if p.group.Addr.IsValid() {
		// SO_REUSEADDR lets members share the port; SO_REUSEPORT beside it
		// would lock out every program that sets the former only (F-10).
		opts = append(opts, option{level: unix.SOL_SOCKET, name: unix.SO_REUSEADDR, value: 1})
	}
	info.DestinationSeen = true
	for _, o := range opts {
		err := unix.SetsockoptInt(fd, o.level, o.name, o.value)
		if err != nil && o.lack == "" {
			return err
		}
		if err != nil {
			info.DestinationSeen = info.DestinationSeen && o.lack != hidden
			info.Warnings = append(info.Warnings, fmt.Sprintf("%s (%v)", o.lack, err))
		}
	}
	if p.iface != nil && p.bind.Addr().Is4() {
		m := &unix.IPMreqn{Ifindex: int32(p.iface.Index)} // by index, for want of a route or an address (F-7)
		if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, m); err != nil {
			return explain(p.op, p.group, err, joinSentence(err, Group{Addr: p.bind, Interface: p.iface.Name}))
		}
	}
	p.setBuffers(fd, info)
	p.setExtras(fd, info)
	return nil
}

const (
	crosstalk = "this kernel has no %s: packets of other groups on the same port are sorted out by address only"
	hidden    = "this kernel does not tell where packets were sent to"
)

func (p *plan) ip4Options() []option {
	const l = unix.IPPROTO_IP
	return []option{
		{l, unix.IP_MULTICAST_ALL, 0, fmt.Sprintf(crosstalk, "IP_MULTICAST_ALL")},
		{l, unix.IP_RECVORIGDSTADDR, 1, hidden}, // IP_PKTINFO costs a look-up of a route for each packet, at its sender where that is on this host
		{l, unix.IP_MULTICAST_TTL, p.ttl, ""},
		{l, unix.IP_MULTICAST_LOOP, boolInt(p.loop), ""},
		{l, unix.IP_TOS, p.tos, ""},
	}
}

func (p *plan) ip6Options() []option {
	const l = unix.IPPROTO_IPV6
	opts := []option{
		{l, unix.IPV6_V6ONLY, 1, ""},
		{l, unix.IPV6_MULTICAST_ALL, 0, fmt.Sprintf(crosstalk, "IPV6_MULTICAST_ALL (Linux 4.20 has it)")},
		{l, unix.IPV6_RECVPKTINFO, 1, hidden},
		{l, unix.IPV6_MULTICAST_HOPS, p.ttl, ""},
		{l, unix.IPV6_MULTICAST_LOOP, boolInt(p.loop), ""},
		{l, unix.IPV6_TCLASS, p.tos, ""},
	}
	if p.iface != nil {
		opts = append(opts, option{l, unix.IPV6_MULTICAST_IF, p.iface.Index, ""})
	}
	return opts
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// setExtras asks for what makes the socket fast or lets it tell more. Nothing
// here is needed, so nothing here fails.
func (p *plan) setExtras(fd int, info *SocketInfo) {
	if us := p.busyPoll.Microseconds(); us > 0 {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BUSY_POLL, int(min(us, math.MaxInt32))); err != nil {
			info.Warnings = append(info.Warnings, fmt.Sprintf("the device's queue is not polled: SO_BUSY_POLL: %v", err))
		}
	}
	if p.noBatch {
		return
	}
	info.OverflowSeen = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1) == nil
	if p.noOffload {
		return
	}
	info.ReceiveOffload = unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1) == nil
	_, err := unix.GetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT)
	info.SegmentOffload = err == nil
}

// setBuffers asks for the buffers, with privilege past the limit, and reads
// back what was granted: the plain option cuts in silence (F-12).
func (p *plan) setBuffers(fd int, info *SocketInfo) {
	set := func(want, force, plain int) int {
		if want > 0 && unix.SetsockoptInt(fd, unix.SOL_SOCKET, force, want) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, plain, want) // what came of it is read back
		}
		got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, plain)
		if err != nil {
			return 0
		}
		return got / 2 // Linux doubles the figure for its own bookkeeping
	}
	info.ReadBuffer = set(p.readSize, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF)
	info.WriteBuffer = set(p.writeSize, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF)
	for _, w := range []string{
		bufferWarning("receive", p.readSize, info.ReadBuffer, "sudo sysctl -w net.core.rmem_max=%d"),
		bufferWarning("send", p.writeSize, info.WriteBuffer, "sudo sysctl -w net.core.wmem_max=%d"),
	} {
		if w != "" {
			info.Warnings = append(info.Warnings, w)
		}
	}
}

// join makes the group's membership, by interface index (F-18).
func (p *plan) join(fd int) error {
	g := p.group.Addr.Addr()
	switch {
	case p.group.Source.IsValid():
		level := unix.IPPROTO_IPV6
		if g.Is4() {
			level = unix.IPPROTO_IP
		}
		var req groupSourceReq
		req.index = uint32(p.iface.Index)
		req.group.put(g)
		req.source.put(p.group.Source)
		return unix.SetsockoptString(fd, level, unix.MCAST_JOIN_SOURCE_GROUP,
			string(unsafe.Slice((*byte)(unsafe.Pointer(&req)), unsafe.Sizeof(req))))
	case g.Is4():
		return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP,
			&unix.IPMreqn{Multiaddr: g.As4(), Ifindex: int32(p.iface.Index)})
	}
	return unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_ADD_MEMBERSHIP,
		&unix.IPv6Mreq{Multiaddr: g.As16(), Interface: uint32(p.iface.Index)})
}

// groupSourceReq is struct group_source_req of linux/in.h (RFC 3678).
type groupSourceReq struct {
	index  uint32
	group  sockaddrStorage
	source sockaddrStorage
}

// sockaddrStorage is 128 bytes, aligned like a pointer.
type sockaddrStorage [128 / unsafe.Sizeof(uintptr(0))]uintptr

func (s *sockaddrStorage) put(a netip.Addr) {
	if a.Is4() {
		*(*unix.RawSockaddrInet4)(unsafe.Pointer(s)) = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: a.As4()}
		return
	}
	*(*unix.RawSockaddrInet6)(unsafe.Pointer(s)) = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: a.As16()}
}
