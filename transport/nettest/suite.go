package nettest

import (
	"net/netip"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

// Lab is what a network brings to the suite: hosts on one link, and groups
// that nobody else uses there.
type Lab struct {
	// Hosts are three or more, all on one link without loss. Their buffers are
	// the network's own; a lab that drops packets at will is of no use here.
	Hosts []Host
	// Group4 and Group6 are the first of four groups each (the address and the
	// three after it) that are free for the suite. An invalid one means that
	// the lab does not carry that family.
	Group4, Group6 netip.Addr
	// SSM says that source-specific joins work. Without it OpenGroup with a
	// source must answer WSAEOPNOTSUPP.
	SSM bool
	// OneHost says that the hosts are addresses of one machine, such as those
	// of lo: what tells hosts apart there is left out of the suite.
	OneHost bool
}

// Host is one host of a lab, as a program on it sees it.
type Host struct {
	Network      transport.Network
	Interface    string     // its interface on the link
	Addr4, Addr6 netip.Addr // its addresses on the link; a link-local Addr6 has a zone
}

// Case is one rule that every Network keeps. A case wants a lab of its own or
// one that earlier cases have left clean; it closes all it opens.
type Case struct {
	Name string
	Run  func(t *testing.T, l Lab)
}

// Test runs every case as a subtest, with what lab returns for it. The lab may
// be made anew for each case or be one and the same.
//
// T.Run is not allowed inside a synctest bubble: a network with a clock of its
// own runs the [Cases] one by one, each in a bubble.
func Test(t *testing.T, lab func(t *testing.T) Lab) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) { c.Run(t, lab(t)) })
	}
}

// family is the half of the lab that a case looks at.
type family struct {
	name  string
	group func(Lab) netip.Addr
	addr  func(Host) netip.Addr
}

var families = []family{
	{"IPv4", func(l Lab) netip.Addr { return l.Group4 }, func(h Host) netip.Addr { return h.Addr4 }},
	{"IPv6", func(l Lab) netip.Addr { return l.Group6 }, func(h Host) netip.Addr { return h.Addr6 }},
}

// Cases lists the suite. The order is that of a reader who finds out what is
// broken: delivery before offload, offload before pressure.
func Cases() []Case {
	var all []Case
	for _, f := range families {
		for _, c := range []struct {
			name string
			run  func(t *testing.T, k link)
		}{
			{"GroupReachesItsMembersOnly", groupReachesMembers},
			{"OtherGroupsAndPortsStayOut", othersStayOut},
			{"OwnPacketsLoopUnlessToldNot", ownPackets},
			{"SourceSpecificJoinHearsOneSource", sourceSpecific},
			{"UnicastGoesBothWays", unicastBothWays},
			{"SegmentsArriveAsPackets", segmentsArrive},
			{"BatchKeepsItsOrder", batchKeepsOrder},
			{"BatchToSeveralDestinations", batchToSeveral},
			{"LongDatagramsArriveWhole", longArrivesWhole},
			{"TooLongIsRefusedAndTheRestStays", tooLongRefused},
			{"ShortRoomCutsADatagram", shortRoomCuts},
			{"FullBufferDropsAndCounts", fullBufferDrops},
			{"CloseUnblocksRead", closeUnblocks},
			{"EverybodyTalksAtOnce", everybodyTalks},
			{"RefusalsSayWhy", refusals},
			{"InfoTellsWhatWasGranted", infoTells},
			{"InterfacesAndRoute", interfacesAndRoute},
			{"StreamCarriesBothWays", streamBothWays},
			{"StreamDeadlineAndClose", streamDeadlines},
			{"StreamDialRefused", dialRefused},
		} {
			all = append(all, Case{Name: c.name + "/" + f.name, Run: func(t *testing.T, l Lab) {
				c.run(t, f.of(t, l))
			}})
		}
	}
	return all
}

// link is a lab in one family.
type link struct {
	Lab
	f     family
	group netip.Addr
}

func (f family) of(t *testing.T, l Lab) link {
	t.Helper()
	if len(l.Hosts) < 3 {
		t.Fatalf("the lab has %d hosts; the suite needs three", len(l.Hosts))
	}
	g := f.group(l)
	if !g.IsValid() {
		t.Skipf("this lab carries no %s", f.name)
	}
	return link{l, f, g}
}

// port is the one that the suite's groups use; otherPort is another.
const port, otherPort = 17401, 17402

// at returns the n-th of the lab's groups with the suite's port.
func (k link) at(n int) netip.AddrPort {
	g := k.group
	for range n {
		g = g.Next()
	}
	return netip.AddrPortFrom(g, port)
}

func (k link) addr(host int) netip.Addr { return k.f.addr(k.Hosts[host]) }

// member opens a socket of a host that hears a group.
func (k link) member(t *testing.T, host int, g netip.AddrPort, o transport.SocketOptions) transport.PacketConn {
	t.Helper()
	h := k.Hosts[host]
	c, err := h.Network.OpenGroup(t.Context(), transport.Group{Addr: g, Interface: h.Interface}, o)
	if err != nil {
		t.Fatalf("host %d: OpenGroup: %v", host, err)
	}
	return c
}

// speaker opens a socket that a host sends from.
func (k link) speaker(t *testing.T, host int, o transport.SocketOptions) transport.PacketConn {
	t.Helper()
	return k.unicast(t, host, netip.AddrPortFrom(k.addr(host), 0), o)
}

func (k link) unicast(t *testing.T, host int, local netip.AddrPort, o transport.SocketOptions) transport.PacketConn {
	t.Helper()
	h := k.Hosts[host]
	if o.Interface == "" {
		o.Interface = h.Interface
	}
	c, err := h.Network.OpenUnicast(t.Context(), local, o)
	if err != nil {
		t.Fatalf("host %d: OpenUnicast %v: %v", host, local, err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
