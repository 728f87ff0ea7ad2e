package joinleaf

import (
	"encoding/binary"
	"net/netip"
	"strconv"

	"github.com/joinleaf/joinleaf/transport"
)

// Sockaddr is a sockaddr_in or sockaddr_in6, byte for byte; its length is the
// namelen of a call.
//
//	sockaddr_in, 16:   family(2, little-endian) port(2) address(4) zero(8)
//	sockaddr_in6, 28:  family(2, little-endian) port(2) flow(4) address(16) scope(4, little-endian)
type Sockaddr []byte

const (
	sizeIn  = 16
	sizeIn6 = 28
)

// NewSockaddr makes the bytes for an address. One that is not valid gives nil.
// A numeric zone becomes the scope.
func NewSockaddr(a netip.AddrPort) Sockaddr {
	ip := a.Addr().Unmap()
	switch {
	case ip.Is4():
		b := make([]byte, sizeIn)
		binary.LittleEndian.PutUint16(b, AFInet)
		binary.BigEndian.PutUint16(b[2:], a.Port())
		v := ip.As4()
		copy(b[4:], v[:])
		return b
	case ip.Is6():
		b := make([]byte, sizeIn6)
		binary.LittleEndian.PutUint16(b, AFInet6)
		binary.BigEndian.PutUint16(b[2:], a.Port())
		v := ip.As16()
		copy(b[8:], v[:])
		if scope, err := strconv.ParseUint(ip.Zone(), 10, 32); err == nil {
			binary.LittleEndian.PutUint32(b[24:], uint32(scope))
		}
		return b
	}
	return nil
}

// AddrPort reads the bytes; it is not valid where they are no address.
func (a Sockaddr) AddrPort() netip.AddrPort {
	ap, _ := a.read()
	return ap
}

// Family is the address family, 0 where there are not even bytes for that.
func (a Sockaddr) Family() int {
	if len(a) < 2 {
		return 0
	}
	return int(binary.LittleEndian.Uint16(a))
}

// read parses: WSAEFAULT for what is missing or short (R41, R42),
// WSAEAFNOSUPPORT for a family that nobody here has.
func (a Sockaddr) read() (netip.AddrPort, transport.Code) {
	if len(a) < 2 {
		return netip.AddrPort{}, transport.WSAEFAULT
	}
	switch family := a.Family(); {
	case family == AFInet && len(a) >= sizeIn:
		ip := netip.AddrFrom4([4]byte(a[4:8]))
		return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(a[2:])), 0
	case family == AFInet6 && len(a) >= sizeIn6:
		ip := netip.AddrFrom16([16]byte(a[8:24]))
		if scope := binary.LittleEndian.Uint32(a[24:]); scope != 0 && !ip.Is4In6() {
			ip = ip.WithZone(strconv.FormatUint(uint64(scope), 10))
		}
		return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(a[2:])), 0
	case family == AFInet, family == AFInet6:
		return netip.AddrPort{}, transport.WSAEFAULT
	}
	return netip.AddrPort{}, transport.WSAEAFNOSUPPORT
}

// anyOf is the any-address of a family.
func anyOf(family int) netip.Addr {
	if family == AFInet6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}
