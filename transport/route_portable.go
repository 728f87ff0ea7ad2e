//go:build !linux

package transport

import (
	"net"
	"net/netip"
)

// Route connects a UDP socket, which sends nothing, and asks where it would
// send from; the interface is the one that has that address.
func (k Kernel) Route(dst netip.Addr) (int, netip.Addr, error) {
	op := "find a route to " + dst.String()
	if !dst.IsValid() {
		return 0, netip.Addr{}, refuse("find a route", Group{}, WSAEADDRNOTAVAIL, "no address was given")
	}
	at := netip.AddrPortFrom(dst.Unmap(), 9) // discard; the port plays no part
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		return 0, netip.Addr{}, explain(op, Group{}, err, streamSentence(err, at, false))
	}
	defer c.Close()
	ua, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok {
		return 0, netip.Addr{}, refuse(op, Group{}, WSASYSCALLFAILURE, "the system named no local address")
	}
	src := ua.AddrPort().Addr().Unmap()
	all, err := k.Interfaces()
	if err != nil {
		return 0, netip.Addr{}, err
	}
	for _, i := range all {
		for _, p := range i.Addrs {
			if p.Addr() == src.WithZone("") && (src.Zone() == "" || src.Zone() == i.Name) {
				return i.Index, src, nil
			}
		}
	}
	return 0, netip.Addr{}, refuse(op, Group{}, WSAENETUNREACH, "no interface has the address %v that the route sends from", src)
}
