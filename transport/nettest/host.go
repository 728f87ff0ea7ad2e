package nettest

import (
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

// wantCode checks that an error is an *transport.Error with the code.
func wantCode(t *testing.T, what string, err error, codes ...transport.Code) {
	t.Helper()
	e, ok := errors.AsType[*transport.Error](err)
	if !ok {
		t.Errorf("%s: %v; want a *transport.Error with %v", what, err, codes)
		return
	}
	if !slices.Contains(codes, e.Code) {
		t.Errorf("%s: code %s in %q; want %v", what, e.Code.Name(), err, codes)
	}
	for _, c := range codes {
		if e.Code == c && !errors.Is(err, c) {
			t.Errorf("%s: errors.Is(%q, %s) is false", what, err, c.Name())
		}
	}
}

// refusals: what cannot be opened is refused with the code that fits.
func refusals(t *testing.T, k link) {
	h := k.Hosts[0]
	g := transport.Group{Addr: k.at(0), Interface: h.Interface}
	open := func(what string, g transport.Group, code transport.Code) {
		t.Helper()
		c, err := h.Network.OpenGroup(t.Context(), g, transport.SocketOptions{})
		if err == nil {
			c.Close()
		}
		wantCode(t, "OpenGroup "+what, err, code)
	}
	open("without an interface", transport.Group{Addr: g.Addr}, transport.WSAEINVAL)
	open("on an interface that is not there", transport.Group{Addr: g.Addr, Interface: "nosuch0"}, transport.WSAEADDRNOTAVAIL)
	open("of an address that is no group", transport.Group{Addr: netip.AddrPortFrom(k.addr(0).WithZone(""), port), Interface: h.Interface}, transport.WSAEADDRNOTAVAIL)
	open("without a port", transport.Group{Addr: netip.AddrPortFrom(k.group, 0), Interface: h.Interface}, transport.WSAEADDRNOTAVAIL)

	unicast := func(what string, local netip.AddrPort, o transport.SocketOptions, code transport.Code) {
		t.Helper()
		c, err := h.Network.OpenUnicast(t.Context(), local, o)
		if err == nil {
			c.Close()
		}
		wantCode(t, "OpenUnicast "+what, err, code)
	}
	first := k.speaker(t, 0, transport.SocketOptions{})
	unicast("on a port that is taken", first.LocalAddr(), transport.SocketOptions{Interface: h.Interface}, transport.WSAEADDRINUSE)
	foreign := netip.MustParseAddr("192.0.2.77")
	if k.group.Is6() {
		foreign = netip.MustParseAddr("2001:db8::77")
	}
	unicast("on an address of another host", netip.AddrPortFrom(foreign, 0), transport.SocketOptions{}, transport.WSAEADDRNOTAVAIL)
	unicast("by an interface that is not there", netip.AddrPortFrom(k.addr(0), 0), transport.SocketOptions{Interface: "nosuch0"}, transport.WSAEADDRNOTAVAIL)
	unicast("on no address", netip.AddrPort{}, transport.SocketOptions{}, transport.WSAEINVAL)

	first.Close()
	c := k.unicast(t, 0, first.LocalAddr(), transport.SocketOptions{}) // free again
	c.Close()
}

// infoTells: a socket knows its interface and its sizes.
func infoTells(t *testing.T, k link) {
	index := 0
	ifs, err := k.Hosts[0].Network.Interfaces()
	if err != nil {
		t.Fatalf("Interfaces: %v", err)
	}
	for _, i := range ifs {
		if i.Name == k.Hosts[0].Interface {
			index = i.Index
		}
	}
	g := k.at(0)
	group, single := k.member(t, 0, g, transport.SocketOptions{}), k.speaker(t, 0, transport.SocketOptions{})
	defer group.Close()
	for name, c := range map[string]transport.PacketConn{"group": group, "unicast": single} {
		i := c.Info()
		if i.Interface != k.Hosts[0].Interface || i.IfIndex != index || i.MTU < 576 || i.ReadBuffer <= 0 || i.WriteBuffer <= 0 {
			t.Errorf("%s socket: Info = %+v; want interface %s, index %d, an MTU and sizes", name, i, k.Hosts[0].Interface, index)
		}
	}
	if a := group.LocalAddr(); a != g {
		t.Errorf("group socket: LocalAddr = %v; want %v", a, g)
	}
	if a := single.LocalAddr(); plain(a.Addr()) != plain(k.addr(0)) || a.Port() == 0 {
		t.Errorf("unicast socket: LocalAddr = %v; want %v with a port", a, k.addr(0))
	}
	small := k.speaker(t, 0, transport.SocketOptions{ReadBuffer: 64 << 10})
	if got, big := small.Info().ReadBuffer, single.Info().ReadBuffer; got < 1 || got > big {
		t.Errorf("ReadBuffer: %d after asking for 64 KiB, %d by default", got, big)
	}
}

// interfacesAndRoute: a host lists the interface it is on, and knows the way
// to its neighbour.
func interfacesAndRoute(t *testing.T, k link) {
	for n, h := range k.Hosts {
		ifs, err := h.Network.Interfaces()
		if err != nil {
			t.Fatalf("host %d: Interfaces: %v", n, err)
		}
		i := slices.IndexFunc(ifs, func(i transport.Interface) bool { return i.Name == h.Interface })
		if i < 0 {
			t.Fatalf("host %d: Interfaces lacks %s: %+v", n, h.Interface, ifs)
		}
		own := ifs[i]
		if !own.Up || own.Index < 1 || own.MTU < 576 || !own.Multicast && !own.Loopback {
			t.Errorf("host %d: %+v; want it up, with an index, an MTU and multicast", n, own)
		}
		if !slices.ContainsFunc(own.Addrs, func(p netip.Prefix) bool { return plain(p.Addr()) == plain(k.addr(n)) }) && !k.OneHost {
			t.Errorf("host %d: %s has %v; want %v among them", n, own.Name, own.Addrs, k.addr(n))
		}
		to := k.addr((n + 1) % len(k.Hosts))
		index, src, err := h.Network.Route(to)
		if err != nil || index != own.Index {
			t.Errorf("host %d: Route(%v) = %d, %v, %v; want interface %d", n, to, index, src, err, own.Index)
		}
		if !k.OneHost && plain(src) != plain(k.addr(n)) {
			t.Errorf("host %d: Route(%v) sends from %v; want %v", n, to, src, k.addr(n))
		}
	}
}
