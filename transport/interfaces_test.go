package transport

import (
	"net/netip"
	"slices"
	"testing"
)

func TestInterfaces_LoopbackIsAmongThem(t *testing.T) {
	all, err := Kernel{}.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	home := netip.MustParseAddr("127.0.0.1")
	n := slices.IndexFunc(all, func(i Interface) bool { return i.Loopback })
	if n < 0 {
		t.Fatalf("no loopback in %+v", all)
	}
	i := all[n]
	if !i.Up || i.Index < 1 || i.MTU < 1500 || i.Virtual || i.Wireless || i.PointToPoint ||
		!slices.ContainsFunc(i.Addrs, func(p netip.Prefix) bool { return p.Addr() == home && p.Bits() == 8 }) {
		t.Errorf("loopback is %+v", i)
	}
	index, src, err := Kernel{}.Route(home)
	if err != nil || index != i.Index || src != home {
		t.Errorf("Route(%v) = %d, %v, %v; want %d by %v", home, index, src, err, i.Index, home)
	}
	if _, _, err := (Kernel{}).Route(netip.Addr{}); CodeOf(err) != WSAEADDRNOTAVAIL {
		t.Errorf("Route of no address: %v", err)
	}
}

func TestVirtual_ByNameAndKind(t *testing.T) {
	for name, want := range map[string]bool{
		"docker0": true, "br-3f2a9c": true, "virbr0": true, "tun0": true, "tap1": true, "utun4": true, "wg0": true, "tailscale0": true,
		"vEthernet (WSL (Hyper-V firewall))": true, "awdl0": true,
		"eth0": false, "enp3s0": false, "wlan0": false, "br0": false, "vmbr0": false, "bond0": false, "veth12ab": false, "en0": false, "lo": false,
	} {
		if got := virtualName(name); got != want {
			t.Errorf("virtualName(%q) = %v; want %v", name, got, want)
		}
	}
	for kind, want := range map[string]bool{"": false, "veth": false, "bridge": false, "vlan": false, "macvlan": false, "tun": true, "wireguard": true, "vxlan": true} {
		if got := virtualKind(kind); got != want {
			t.Errorf("virtualKind(%q) = %v; want %v", kind, got, want)
		}
	}
}
