package netlab

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// GroupCount is the UDP traffic of one group at one host's port of the switch.
type GroupCount struct {
	Group   netip.Addr
	Host    string // a host's name; a router's with -<segment>
	Way     Way    // Out: the switch took it from the host; In: gave it to the host
	Packets uint64
	Bytes   uint64 // with IP and UDP headers
}

// CountGroups begins to count group packets at every port of the switches, or
// begins again from zero. Counting costs some of the switch's speed, so
// measurements of speed do without.
func (l *Lab) CountGroups() error {
	script := fresh("bridge", "groups") + "table bridge groups {\n"
	for _, s := range counted {
		script += fmt.Sprintf("\tset %s {\n\t\ttype ifname . %s\n\t\tsize 65535\n\t\tflags dynamic\n\t\tcounter\n\t}\n", s.set, s.kind)
	}
	for _, hook := range []string{"prerouting", "forward"} {
		// Behind the partition's filter, so that only what passed is counted.
		script += fmt.Sprintf("\tchain at_%s {\n\t\ttype filter hook %s priority 10; policy accept;\n", hook, hook)
		for _, s := range counted {
			if s.hook == hook {
				script += fmt.Sprintf("\t\t%s update @%s { %s . %s }\n", s.match, s.set, s.port, s.key)
			}
		}
		script += "\t}\n"
	}
	_, err := l.sw.run(script+"}\n", "nft", "-f", "-")
	return err
}

// counted are the four sets: each way, each family.
var counted = []struct {
	set, hook, port  string
	way              Way
	kind, match, key string
}{
	{"out4", "prerouting", "iifname", Out, "ipv4_addr", "ip protocol udp ip daddr 224.0.0.0/4", "ip daddr"},
	{"out6", "prerouting", "iifname", Out, "ipv6_addr", "ip6 nexthdr udp ip6 daddr ff00::/8", "ip6 daddr"},
	{"in4", "forward", "oifname", In, "ipv4_addr", "ip protocol udp ip daddr 224.0.0.0/4", "ip daddr"},
	{"in6", "forward", "oifname", In, "ipv6_addr", "ip6 nexthdr udp ip6 daddr ff00::/8", "ip6 daddr"},
}

// GroupCounts returns what was counted since [Lab.CountGroups], sorted by
// group, host and way. A batch of UDP_SEGMENT that crosses the switch whole
// counts as one packet.
func (l *Lab) GroupCounts() ([]GroupCount, error) {
	var counts []GroupCount
	for _, s := range counted {
		out, err := l.sw.run("", "nft", "-j", "list", "set", "bridge", "groups", s.set)
		if err != nil {
			return nil, err
		}
		some, err := parseCounts([]byte(out), s.way)
		if err != nil {
			return nil, err
		}
		counts = append(counts, some...)
	}
	slices.SortFunc(counts, func(a, b GroupCount) int {
		return cmp.Or(a.Group.Compare(b.Group), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Way, b.Way))
	})
	return counts, nil
}

// parseCounts reads one set of nft -j: elements are {"elem": {"val": {"concat":
// [port, group]}, "counter": {"packets": n, "bytes": n}}}.
func parseCounts(listing []byte, w Way) ([]GroupCount, error) {
	var parsed struct {
		Nftables []struct {
			Set struct {
				Elem []struct {
					Elem struct {
						Val     struct{ Concat []string }
						Counter struct{ Packets, Bytes uint64 }
					}
				}
			}
		}
	}
	if err := json.Unmarshal(listing, &parsed); err != nil {
		return nil, fmt.Errorf("netlab: nft listing: %w", err)
	}
	var counts []GroupCount
	for _, item := range parsed.Nftables {
		for _, e := range item.Set.Elem {
			if len(e.Elem.Val.Concat) != 2 {
				return nil, fmt.Errorf("netlab: nft listing has an element %v", e.Elem.Val.Concat)
			}
			group, err := netip.ParseAddr(e.Elem.Val.Concat[1])
			if err != nil {
				return nil, fmt.Errorf("netlab: nft listing: %w", err)
			}
			counts = append(counts, GroupCount{
				Group: group, Host: strings.TrimPrefix(e.Elem.Val.Concat[0], "p-"), Way: w,
				Packets: e.Elem.Counter.Packets, Bytes: e.Elem.Counter.Bytes,
			})
		}
	}
	return counts, nil
}

// GroupPackets is one number of [Lab.GroupCounts]: zero where nothing passed.
func (l *Lab) GroupPackets(h *Host, w Way, group netip.Addr) (uint64, error) {
	counts, err := l.GroupCounts()
	for _, c := range counts {
		if c.Host == h.name && c.Way == w && c.Group == group {
			return c.Packets, err
		}
	}
	return 0, err
}
