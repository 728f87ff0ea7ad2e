package netlab

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// The kernel routes groups for whoever holds a raw socket that called INIT,
// along interfaces and entries that this socket adds (linux/mroute.h and
// linux/mroute6.h, where the numbers are the same). Entries are fixed ones of
// one source; nothing is learned.
const (
	mrtInit     = 200
	mrtAddVif   = 202
	mrtAddMfc   = 204
	useIfIndex  = 0x8 // VIFF_USE_IFINDEX
	sizeVifctl  = 16
	sizeMif6ctl = 12
	sizeMfcctl  = 60
	sizeMf6cctl = 92
	maxLegs     = 32 // MAXVIFS, MAXMIFS
)

// mroute is the group routing of one family in one namespace.
type mroute struct {
	fd    int
	level int
	legs  int
	entry func(src, group netip.Addr, parent, legs int) []byte
}

// openMroute4 makes the calling thread's namespace route IPv4 groups between
// the interfaces, which it numbers from 0. struct vifctl is
//
//	vif(2) flags(1) threshold(1) rate(4) ifindex(4) remote(4)
func openMroute4(interfaces []int) (*mroute, error) {
	return openMroute(unix.AF_INET, unix.IPPROTO_IGMP, unix.IPPROTO_IP, interfaces, mfcctl, func(n, index int) []byte {
		b := make([]byte, sizeVifctl)
		binary.NativeEndian.PutUint16(b[0:], uint16(n))
		b[2], b[3] = useIfIndex, 1
		binary.NativeEndian.PutUint32(b[8:], uint32(index))
		return b
	})
}

// openMroute6 is openMroute4 for IPv6. struct mif6ctl is
//
//	mif(2) flags(1) threshold(1) ifindex(2) pad(2) rate(4)
func openMroute6(interfaces []int) (*mroute, error) {
	return openMroute(unix.AF_INET6, unix.IPPROTO_ICMPV6, unix.IPPROTO_IPV6, interfaces, mf6cctl, func(n, index int) []byte {
		b := make([]byte, sizeMif6ctl)
		binary.NativeEndian.PutUint16(b[0:], uint16(n))
		b[3] = 1
		binary.NativeEndian.PutUint16(b[4:], uint16(index))
		return b
	})
}

func openMroute(family, proto, level int, interfaces []int,
	entry func(src, group netip.Addr, parent, legs int) []byte, vif func(n, index int) []byte) (*mroute, error) {
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return nil, fmt.Errorf("netlab: group routing: socket: %w", err)
	}
	m := &mroute{fd: fd, level: level, legs: len(interfaces), entry: entry}
	err = unix.SetsockoptInt(fd, level, mrtInit, 1)
	for n, index := range interfaces {
		if err == nil {
			err = unix.SetsockoptString(fd, level, mrtAddVif, string(vif(n, index)))
		}
	}
	if err != nil {
		_ = m.close()
		return nil, fmt.Errorf("netlab: group routing (CONFIG_IP_MROUTE, CONFIG_IPV6_MROUTE): %w", err)
	}
	return m, nil
}

// add forwards group packets of src that come in by leg parent to all others.
func (m *mroute) add(src, group netip.Addr, parent int) error {
	if err := unix.SetsockoptString(m.fd, m.level, mrtAddMfc, string(m.entry(src, group, parent, m.legs))); err != nil {
		return fmt.Errorf("netlab: route %v from %v: %w", group, src, err)
	}
	return nil
}

func (m *mroute) close() error { return unix.Close(m.fd) }

// mfcctl lays out struct mfcctl:
//
//	origin(4) group(4) parent(2) ttls(32) pad(2) counts(12) expire(4)
//
// A ttl of 0 means: not this way; 1: whatever may go on at all.
func mfcctl(src, group netip.Addr, parent, legs int) []byte {
	b := make([]byte, sizeMfcctl)
	copy(b[0:], src.AsSlice())
	copy(b[4:], group.AsSlice())
	binary.NativeEndian.PutUint16(b[8:], uint16(parent))
	for n := range min(legs, maxLegs) {
		b[10+n] = byte(bit(n != parent))
	}
	return b
}

// mf6cctl lays out struct mf6cctl:
//
//	origin(28) group(28) parent(2) pad(2) interfaces(32, a bit set of words)
//
// where the addresses are sockaddr_in6: family(2) port(2) flow(4) address(16) scope(4).
func mf6cctl(src, group netip.Addr, parent, legs int) []byte {
	b := make([]byte, sizeMf6cctl)
	binary.NativeEndian.PutUint16(b[0:], unix.AF_INET6)
	copy(b[8:], src.AsSlice())
	binary.NativeEndian.PutUint16(b[28:], unix.AF_INET6)
	copy(b[36:], group.AsSlice())
	binary.NativeEndian.PutUint16(b[56:], uint16(parent))
	var set uint32
	for n := range min(legs, maxLegs) {
		set |= uint32(bit(n != parent)) << n
	}
	binary.NativeEndian.PutUint32(b[60:], set)
	return b
}
