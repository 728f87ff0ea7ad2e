package transport_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

// paper is a host that exists as a list of interfaces and routes only.
type paper struct {
	interfaces []transport.Interface
	routes     map[string]int // address to interface index
	asked      []netip.Addr
	broken     error
}

func (p *paper) Interfaces() ([]transport.Interface, error) { return p.interfaces, p.broken }

func (p *paper) Route(dst netip.Addr) (int, netip.Addr, error) {
	p.asked = append(p.asked, dst)
	if i, ok := p.routes[dst.String()]; ok {
		return i, netip.Addr{}, nil
	}
	return 0, netip.Addr{}, transport.WSAENETUNREACH
}

func (p *paper) OpenGroup(context.Context, transport.Group, transport.SocketOptions) (transport.PacketConn, error) {
	return nil, errors.ErrUnsupported
}
func (p *paper) OpenUnicast(context.Context, netip.AddrPort, transport.SocketOptions) (transport.PacketConn, error) {
	return nil, errors.ErrUnsupported
}
func (p *paper) Listen(context.Context, netip.AddrPort) (net.Listener, error) {
	return nil, errors.ErrUnsupported
}
func (p *paper) Dial(context.Context, netip.AddrPort, netip.AddrPort) (net.Conn, error) {
	return nil, errors.ErrUnsupported
}

// nic is an ordinary interface that is up; change alters it.
func nic(index int, name string, change func(*transport.Interface), addrs ...string) transport.Interface {
	i := transport.Interface{Name: name, Index: index, MTU: 1500, Up: true, Multicast: true}
	for _, a := range addrs {
		i.Addrs = append(i.Addrs, netip.MustParsePrefix(a))
	}
	if change != nil {
		change(&i)
	}
	return i
}

// office is a host as they are: two wires, Wi-Fi, containers, a tunnel.
func office() []transport.Interface {
	return []transport.Interface{
		nic(1, "lo", func(i *transport.Interface) { i.Loopback, i.Multicast = true, false }, "127.0.0.1/8", "::1/128"),
		nic(2, "eth0", nil, "10.0.0.5/24", "fe80::5/64", "fd00::5/64"),
		nic(3, "eth1", nil, "10.1.0.5/24", "fe80::15/64"),
		nic(4, "wlan0", func(i *transport.Interface) { i.Wireless = true }, "192.168.1.5/24"),
		nic(5, "docker0", func(i *transport.Interface) { i.Virtual = true }, "172.17.0.1/16"),
		nic(6, "tun0", func(i *transport.Interface) { i.Virtual, i.PointToPoint = true, true }, "10.8.0.2/24"),
		nic(7, "wg0", func(i *transport.Interface) { i.Virtual, i.PointToPoint, i.Multicast = true, true, false }, "10.9.0.2/24"),
		nic(8, "eth2", func(i *transport.Interface) { i.Up = false }, "10.2.0.5/24"),
		nic(9, "eth3", nil),
		nic(10, "3", nil, "10.3.0.5/24"), // called like another one's index
	}
}

const group4, group6, linkLocal6, defaultRoute = "239.192.7.1", "ff15::7:1", "ff12::7:1", "192.0.2.1"

func TestChoose_RanksAndSkips(t *testing.T) {
	for _, c := range []struct {
		story            string
		want, group, via string
		routes           map[string]int
		name, reason     string
	}{
		{"a name wins over everything", "eth1", group4, "10.0.0.5", map[string]int{group4: 2}, "eth1", "named"},
		{"auto is no name", "auto", group4, "10.1.0.5", nil, "eth1", "the control connection uses it (10.1.0.5)"},
		{"an index", "2", group4, "", nil, "eth0", "named by its index 2"},
		{"a name of digits is a name first", "3", group4, "", nil, "3", "named"},
		{"an address", "192.168.1.5", group4, "", nil, "wlan0", "named by its address 192.168.1.5"},
		{"an IPv6 address with its zone", "fe80::15%eth1", group6, "", nil, "eth1", "named by its address fe80::15%eth1"},
		{"loopback when named", "lo", group4, "", nil, "lo", "named"},
		{"a container's bridge when named", "docker0", group4, "", nil, "docker0", "named"},
		{"a tunnel that says it can, when named", "tun0", group4, "", nil, "tun0", "named"},
		{"the control connection before routes", "", group4, "10.1.0.5", map[string]int{group4: 2, defaultRoute: 4}, "eth1", "the control connection uses it (10.1.0.5)"},
		{"a control connection on loopback", "", group4, "127.0.0.2", map[string]int{defaultRoute: 2}, "lo", "the control connection uses it (127.0.0.2)"},
		{"a control connection from a container", "", group4, "172.17.0.1", map[string]int{defaultRoute: 2}, "docker0", "the control connection uses it (172.17.0.1)"},
		{"a control connection by a tunnel says little", "", group4, "10.8.0.2", map[string]int{defaultRoute: 2}, "eth0", "the default route leaves by it"},
		{"a control connection by WireGuard too", "", group4, "10.9.0.2", map[string]int{defaultRoute: 2}, "eth0", "the default route leaves by it"},
		{"a listener on all addresses has none", "", group4, "0.0.0.0", map[string]int{group4: 3}, "eth1", "the route to 239.192.7.1 leaves by it"},
		{"the route to the group before the default", "", group4, "", map[string]int{group4: 3, defaultRoute: 2}, "eth1", "the route to 239.192.7.1 leaves by it"},
		{"a route by a tunnel is skipped", "", group4, "", map[string]int{group4: 6, defaultRoute: 4}, "wlan0", "the default route leaves by it"},
		{"a route by an interface that is gone", "", group4, "", map[string]int{group4: 77, defaultRoute: 4}, "wlan0", "the default route leaves by it"},
		{"IPv6 asks for the default route only", "", group6, "", map[string]int{group6: 3, "2001:db8::1": 2}, "eth0", "the default route leaves by it"},
		{"a link-local group by its zone", "", linkLocal6 + "%eth1", "", nil, "eth1", "named"},
		{"a link-local group by the control connection", "", linkLocal6, "fe80::15%eth1", nil, "eth1", "the control connection uses it (fe80::15%eth1)"},
	} {
		var via netip.Addr
		if c.via != "" {
			via = netip.MustParseAddr(c.via)
		}
		got, err := transport.Choose(&paper{interfaces: office(), routes: c.routes}, c.want, netip.MustParseAddr(c.group), via)
		if err != nil || got.Interface.Name != c.name || got.Reason != c.reason {
			t.Errorf("%s: %s, %q, %v; want %s, %q", c.story, got.Interface.Name, got.Reason, err, c.name, c.reason)
		}
		if len(got.Others) != len(office())-1 {
			t.Errorf("%s: others are %q; want all %d", c.story, got.Others, len(office())-1)
		}
	}
}

func TestChoose_SaysWhyTheOthersWereLeft(t *testing.T) {
	got, err := transport.Choose(&paper{interfaces: office()}, "eth0", netip.MustParseAddr(group4), netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"lo: loopback", "eth1: would do as well", "wlan0: would do as well", "docker0: virtual", "tun0: point-to-point",
		"wg0: point-to-point", "eth2: down", "eth3: no IPv4 address", "3: would do as well"}
	if !slices.Equal(got.Others, want) {
		t.Errorf("Others = %q; want %q", got.Others, want)
	}
	if s := got.String(); !strings.HasPrefix(s, "eth0: named (others: lo: loopback; ") {
		t.Errorf("String = %q", s)
	}
}

func TestChoose_IsolatedHostTakesItsOnlyWire(t *testing.T) {
	p := &paper{interfaces: office()[:2]}
	got, err := transport.Choose(p, "", netip.MustParseAddr(group4), netip.Addr{})
	if err != nil || got.Interface.Name != "eth0" || got.Reason != "the only one that will do" {
		t.Errorf("got %v, %v", got, err)
	}
	if len(p.asked) != 2 {
		t.Errorf("asked for routes to %v; want the group and the default", p.asked)
	}
}

func TestChoose_RefusesAndListsWhatThereIs(t *testing.T) {
	office := office()
	for _, c := range []struct {
		story       string
		interfaces  []transport.Interface
		want, group string
		code        transport.Code
		says        string
	}{
		{"no such name", office, "eth9", group4, transport.WSAEADDRNOTAVAIL, "there is no interface eth9"},
		{"no such index", office, "99", group4, transport.WSAEADDRNOTAVAIL, "there is no interface 99"},
		{"no such address", office, "10.7.7.7", group4, transport.WSAEADDRNOTAVAIL, "there is no interface 10.7.7.7"},
		{"named, but down", office, "eth2", group4, transport.WSAENETDOWN, "eth2 is down"},
		{"named, but no multicast", office, "wg0", group4, transport.WSAEOPNOTSUPP, "wg0 carries no multicast"},
		{"named, but no address", office, "eth3", group4, transport.WSAEADDRNOTAVAIL, "eth3 has no IPv4 address"},
		{"lo carries no IPv6 groups", office, "lo", group6, transport.WSAEOPNOTSUPP, "lo carries no multicast"},
		{"nothing but loopback", office[:1], "", group4, transport.WSAENETUNREACH, "no interface will do"},
		{"two wires and no route", office[:3], "", group4, transport.WSAENETUNREACH, "several interfaces would do"},
		{"a link-local group without a zone", office[:3], "", linkLocal6, transport.WSAENETUNREACH, "several interfaces would do"},
	} {
		p := &paper{interfaces: c.interfaces, routes: map[string]int{linkLocal6: 2, "2001:db8::1": 2}}
		got, err := transport.Choose(p, c.want, netip.MustParseAddr(c.group), netip.Addr{})
		if !errors.Is(err, c.code) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, %v; want %s and %q", c.story, got, err, c.code.Name(), c.says)
			continue
		}
		for _, i := range c.interfaces {
			if !strings.Contains(err.Error(), i.Name+" (") {
				t.Errorf("%s: %q does not name %s", c.story, err, i.Name)
			}
		}
	}
	_, err := transport.Choose(&paper{broken: transport.WSAEACCES}, "", netip.MustParseAddr(group4), netip.Addr{})
	if !errors.Is(err, transport.WSAEACCES) {
		t.Errorf("interfaces cannot be listed: %v", err)
	}
}
