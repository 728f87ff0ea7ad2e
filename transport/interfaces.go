package transport

import (
	"net"
	"net/netip"
	"strings"
)

// Interfaces lists the interfaces of the calling thread's namespace.
func (Kernel) Interfaces() ([]Interface, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, Explain("list interfaces", Group{}, err)
	}
	kinds := linkKinds()
	all := make([]Interface, 0, len(list))
	for _, i := range list {
		all = append(all, Interface{
			Name:         i.Name,
			Index:        i.Index,
			MTU:          i.MTU,
			Addrs:        prefixes(i),
			Up:           i.Flags&net.FlagUp != 0,
			Loopback:     i.Flags&net.FlagLoopback != 0,
			Multicast:    i.Flags&net.FlagMulticast != 0,
			PointToPoint: i.Flags&net.FlagPointToPoint != 0,
			Virtual:      virtualKind(kinds[i.Index]) || virtualName(i.Name),
			Wireless:     wireless(i),
		})
	}
	return all, nil
}

// prefixes are the addresses of an interface; one that has gone meanwhile has
// none.
func prefixes(i net.Interface) []netip.Prefix {
	addrs, err := i.Addrs()
	if err != nil {
		return nil
	}
	var all []netip.Prefix
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		if !ok {
			continue
		}
		ones, _ := n.Mask.Size()
		all = append(all, netip.PrefixFrom(ip.Unmap(), ones))
	}
	return all
}

// virtualKind tells the kinds of link that lead to no network of their own:
// tunnels and the like. A bridge may be the host's way out (virtualName knows
// those of containers); a veth is the ordinary NIC of a container, and the
// other end of one has no address and falls out by that.
func virtualKind(kind string) bool {
	switch kind {
	case "tun", "wireguard", "amneziawg", "ovpn", "xfrm", "vti", "vti6",
		"vxlan", "geneve", "gre", "gretap", "ip6gre", "ip6gretap", "erspan", "ip6erspan",
		"ipip", "sit", "ip6tnl", "dummy", "ifb", "nlmon", "bareudp":
		return true
	}
	return false
}

// virtualNames are how container engines, hypervisors and VPNs call theirs.
var virtualNames = []string{
	"docker", "br-", "virbr", "lxcbr", "lxdbr", "incusbr", "podman", "cni", "cali", "flannel", "cilium",
	"tun", "tap", "utun", "wg", "tailscale", "zt", "ipsec", "ppp",
	"vmnet", "vboxnet", "VirtualBox", "VMware", "vEthernet (WSL", "vEthernet (Default", "bridge1",
	"awdl", "llw", "anpi", // macOS: peer-to-peer Wi-Fi and internal links
}

func virtualName(name string) bool {
	for _, p := range virtualNames {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// noInterface is the error for a name that none has; it lists those there are.
func noInterface(op string, g Group, name string) error {
	there := "none"
	if list, err := net.Interfaces(); err == nil && len(list) > 0 {
		names := make([]string, len(list))
		for i, n := range list {
			names[i] = n.Name
		}
		there = strings.Join(names, ", ")
	}
	return refuse(op, g, WSAEADDRNOTAVAIL, "there is no interface %s; there are: %s", name, there)
}
