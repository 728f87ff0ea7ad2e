package transport

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// Route asks rtnetlink (RTM_GETROUTE), as ip-route(8) get does. Nothing is
// sent, and unlike a connected socket the answer names the interface itself,
// which two interfaces with one address would leave open.
func (Kernel) Route(dst netip.Addr) (int, netip.Addr, error) {
	op := "find a route to " + dst.String()
	if !dst.IsValid() {
		return 0, netip.Addr{}, refuse("find a route", Group{}, WSAEADDRNOTAVAIL, "no address was given")
	}
	dst = dst.Unmap()
	oif := 0
	if z := dst.Zone(); z != "" {
		if oif = namesNow().index(z); oif == 0 {
			return 0, netip.Addr{}, noInterface(op, Group{}, z)
		}
	}
	answer, err := askRoute(routeRequest(dst, oif))
	if err != nil {
		return 0, netip.Addr{}, explain(op, Group{}, err, streamSentence(err, netip.AddrPortFrom(dst, 0), false))
	}
	index, src, ok := parseRoute(answer)
	if !ok {
		return 0, netip.Addr{}, refuse(op, Group{}, WSAENETUNREACH, "no route leads to %v", dst)
	}
	if needsScope(src) {
		if i, err := net.InterfaceByIndex(index); err == nil {
			src = src.WithZone(i.Name)
		}
	}
	return index, src, nil
}

// routeRequest is nlmsghdr (16 bytes), rtmsg (12), RTA_DST and, with an
// interface, RTA_OIF.
func routeRequest(dst netip.Addr, oif int) []byte {
	family := byte(unix.AF_INET6)
	if dst.Is4() {
		family = unix.AF_INET
	}
	ne := binary.NativeEndian
	b := make([]byte, unix.SizeofNlMsghdr+unix.SizeofRtMsg)
	ne.PutUint16(b[4:], unix.RTM_GETROUTE)
	ne.PutUint16(b[6:], unix.NLM_F_REQUEST)
	ne.PutUint32(b[8:], 1)
	b[16], b[17] = family, byte(dst.BitLen())
	b = ne.AppendUint16(b, uint16(unix.SizeofRtAttr+dst.BitLen()/8))
	b = ne.AppendUint16(b, unix.RTA_DST)
	b = append(b, dst.AsSlice()...)
	if oif != 0 {
		b = ne.AppendUint16(b, unix.SizeofRtAttr+4)
		b = ne.AppendUint16(b, unix.RTA_OIF)
		b = ne.AppendUint32(b, uint32(oif))
	}
	ne.PutUint32(b, uint32(len(b)))
	return b
}

// askRoute exchanges one message with the kernel, which answers at once.
func askRoute(request []byte) (syscall.NetlinkMessage, error) {
	var none syscall.NetlinkMessage
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return none, err
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return none, err
	}
	b := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, b, 0)
	for err == unix.EINTR {
		n, _, err = unix.Recvfrom(fd, b, 0)
	}
	if err != nil {
		return none, err
	}
	msgs, err := syscall.ParseNetlinkMessage(b[:n])
	if err != nil || len(msgs) == 0 {
		return none, fmt.Errorf("the kernel's answer of %d bytes is unreadable", n)
	}
	m := msgs[0]
	if m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4 {
		return none, unix.Errno(-int32(nativeUint32(m.Data)))
	}
	return m, nil
}

// parseRoute reads interface and source address. A route that is there to
// refuse (unreachable, blackhole, prohibit) is no route.
func parseRoute(m syscall.NetlinkMessage) (index int, src netip.Addr, ok bool) {
	const typeAt = 7 // rtm_type
	if m.Header.Type != unix.RTM_NEWROUTE || len(m.Data) < unix.SizeofRtMsg {
		return 0, src, false
	}
	switch m.Data[typeAt] {
	case unix.RTN_UNREACHABLE, unix.RTN_BLACKHOLE, unix.RTN_PROHIBIT, unix.RTN_THROW:
		return 0, src, false
	}
	for kind, value := range attributes(m.Data[unix.SizeofRtMsg:]) {
		switch kind {
		case unix.RTA_OIF:
			if len(value) >= 4 {
				index = int(nativeUint32(value))
			}
		case unix.RTA_PREFSRC:
			src, _ = netip.AddrFromSlice(value)
		}
	}
	return index, src, index != 0
}

func nativeUint16(b []byte) uint16 { return binary.NativeEndian.Uint16(b) }
func nativeUint32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
