package netlab

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"time"
)

// settle is how long a bridge that became querier sends as if there were none,
// and how long hosts may take to answer: the response interval set below
// (100 ms), with room.
const settle = 250 * time.Millisecond

func bridge(segment int) string { return fmt.Sprintf("br%d", segment) }

func address4(segment, number int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 77, byte(segment), byte(number)})
}

func address6(segment, number int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfd, 1: 0x77, 7: byte(segment), 15: byte(number)})
}

func linkLocal(number int) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 15: byte(number)})
}

// hardware addresses tell the host in a capture, and stay when a link is made
// anew.
func hardware(segment, number int) string {
	return fmt.Sprintf("02:77:00:00:%02x:%02x", segment, number)
}

// port is the switch's end of a host's link.
func (h *Host) port() string { return "p-" + h.name }

func hasPrefix(name, prefix string) bool { return strings.HasPrefix(name, prefix+"-") }

// makeSwitches makes the bridges. A bridge asks IGMPv2 unless told otherwise,
// which would take source-specific joins away from the hosts. Without an
// address of its own it cannot ask MLD queries, hence the order.
func (l *Lab) makeSwitches() error {
	for _, filter := range []string{"iptables", "ip6tables", "arptables"} {
		// A switch does not put each frame through a host's IP filters, as a
		// bridge does where that module is loaded.
		err := l.sw.sysctl("net/bridge/bridge-nf-call-"+filter, "0")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	var b batch
	b.add("link set lo up")
	for s := range l.o.Segments {
		b.add("link add name %s address %s mtu %d type bridge stp_state 0 mcast_snooping %d "+
			"mcast_igmp_version 3 mcast_mld_version 2 mcast_query_response_interval 10 mcast_querier 0",
			bridge(s), hardware(s, 255), l.o.MTU, bit(!l.o.NoSnooping))
		b.add("link set %s addrgenmode none", bridge(s))
		b.add("link set %s up", bridge(s))
		b.add("addr add %s/64 dev %s nodad", linkLocal(255), bridge(s))
		if !l.o.NoQuerier {
			b.add("link set %s type bridge mcast_querier 1", bridge(s))
		}
	}
	return l.sw.ip(b)
}

func bit(on bool) int {
	if on {
		return 1
	}
	return 0
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// Querier switches the IGMP and MLD querier of every switch on or off. On
// returns when it is in force, off is in force at once: from then on the
// switches trust no membership and flood the ports that may be flooded.
func (l *Lab) Querier(on bool) error {
	var b batch
	for s := range l.o.Segments {
		b.add("link set %s type bridge mcast_querier %d", bridge(s), bit(on))
	}
	if err := l.sw.ip(b); err != nil {
		return err
	}
	if on {
		time.Sleep(settle)
	}
	return nil
}

// SetFlood says whether group packets go to the host's port while there is no
// querier.
func (h *Host) SetFlood(on bool) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.dress.noFlood = !on
	return h.lab.sw.ip(batch{h.floodLine()})
}

func (h *Host) floodLine() string {
	return fmt.Sprintf("link set dev %s type bridge_slave mcast_flood %s", h.port(), onOff(!h.dress.noFlood))
}

// Partition cuts the given hosts off from all others, both ways; among
// themselves they go on. A later call takes the place of an earlier one.
func (l *Lab) Partition(hosts ...*Host) error {
	if len(hosts) == 0 {
		return errors.New("netlab: partition of no hosts; Heal ends one")
	}
	ports := make([]string, len(hosts))
	for i, h := range hosts {
		ports[i] = fmt.Sprintf("%q", h.port())
	}
	_, err := l.sw.run(fresh("bridge", "partition")+`
table bridge partition {
	set side {
		type ifname
		elements = { `+strings.Join(ports, ", ")+` }
	}
	chain cut {
		type filter hook forward priority 0; policy accept;
		iifname @side oifname != @side drop
		iifname != @side oifname @side drop
	}
}
`, "nft", "-f", "-")
	return err
}

// Heal ends a partition.
func (l *Lab) Heal() error {
	_, err := l.sw.run(fresh("bridge", "partition"), "nft", "-f", "-")
	return err
}

// fresh makes sure that a table is not there, within the script that may put a
// new one in its place: nft carries a script out whole or not at all.
func fresh(family, table string) string {
	return fmt.Sprintf("add table %s %s\ndelete table %s %s\n", family, table, family, table)
}
