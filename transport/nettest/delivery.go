package nettest

import (
	"net/netip"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

// groupReachesMembers: every member socket hears the group, several of one
// host too; a host that is no member hears nothing, and each packet tells
// where it came from and went to.
func groupReachesMembers(t *testing.T, k link) {
	g := k.at(0)
	from := k.speaker(t, 0, transport.SocketOptions{})
	members := []*ear{
		hear(t, k.member(t, 1, g, transport.SocketOptions{})),
		hear(t, k.member(t, 1, g, transport.SocketOptions{})),
		hear(t, k.member(t, 2, g, transport.SocketOptions{})),
	}
	stranger := hear(t, k.unicast(t, 0, netip.AddrPortFrom(k.addr(0), port), transport.SocketOptions{}))

	for i, heard := range reach(t, func() { say(t, from, g, "to the group") }, "to the group", members...) {
		p := heard[len(heard)-1]
		if plain(p.from.Addr()) != plain(k.addr(0)) || p.from.Port() != from.LocalAddr().Port() {
			t.Errorf("member %d: came from %v; want %v", i, p.from, from.LocalAddr())
		}
		told(t, members[i], p, g.Addr())
	}
	heard := reach(t, func() { say(t, from, stranger.conn.LocalAddr(), "to the stranger") }, "to the stranger", stranger)
	only(t, "a host that is no member", heard[0], "to the stranger")
}

// told checks the destination and the interface that came with a packet.
func told(t *testing.T, e *ear, p packet, dst netip.Addr) {
	t.Helper()
	info := e.conn.Info()
	if info.DestinationSeen && plain(p.dst) != plain(dst) {
		t.Errorf("%v: Dst = %v; want %v", e.conn.LocalAddr(), p.dst, dst)
	}
	if !info.DestinationSeen && p.dst.IsValid() {
		t.Errorf("%v: Dst = %v though DestinationSeen is false", e.conn.LocalAddr(), p.dst)
	}
	if p.ifIndex != 0 && info.IfIndex != 0 && p.ifIndex != info.IfIndex {
		t.Errorf("%v: IfIndex = %d; the socket is on %d (%s)", e.conn.LocalAddr(), p.ifIndex, info.IfIndex, info.Interface)
	}
}

// othersStayOut is failure F-4: sockets of one host that share a port, or a
// group, hear what is theirs and nothing else.
func othersStayOut(t *testing.T, k link) {
	g, other := k.at(0), k.at(1)
	elsewhere := netip.AddrPortFrom(g.Addr(), otherPort)
	from := k.speaker(t, 0, transport.SocketOptions{})
	to := []netip.AddrPort{g, other, elsewhere}
	texts := []string{"to the group", "to the other group", "to the other port"}
	ears := make([]*ear, len(to))
	for i, a := range to {
		ears[i] = hear(t, k.member(t, 1, a, transport.SocketOptions{}))
	}
	heard := make([][]packet, len(to))
	for i, a := range to {
		heard[i] = reach(t, func() { say(t, from, a, texts[i]) }, texts[i], ears[i])[0]
	}
	// All three are known to have reached the host; what strayed lies in front
	// of the last mark.
	for i, a := range to {
		rest := reach(t, func() { say(t, from, a, "mark") }, "mark", ears[i])[0]
		only(t, a.String(), append(heard[i], rest...), texts[i], "mark")
	}
}

// ownPackets: members on the sender's host hear it, unless NoLoopback.
func ownPackets(t *testing.T, k link) {
	g := k.at(0)
	aloud := k.speaker(t, 0, transport.SocketOptions{})
	own := hear(t, k.member(t, 0, g, transport.SocketOptions{}))
	reach(t, func() { say(t, aloud, g, "aloud") }, "aloud", own)
	if k.OneHost {
		return // one host's packets stay on it; there is nobody else to hear them
	}
	muted := k.speaker(t, 0, transport.SocketOptions{NoLoopback: true})
	far := hear(t, k.member(t, 1, g, transport.SocketOptions{}))
	reach(t, func() { say(t, muted, g, "muted") }, "muted", far)
	heard := reach(t, func() { say(t, aloud, g, "mark") }, "mark", own)
	only(t, "the sender's host", heard[0], "aloud", "mark")
}

// sourceSpecific: a source-specific member hears its source only, while its
// neighbour on the same host hears everybody.
func sourceSpecific(t *testing.T, k link) {
	g := k.at(2)
	h := k.Hosts[2]
	wanted := transport.Group{Addr: g, Source: k.addr(0).WithZone(""), Interface: h.Interface}
	c, err := h.Network.OpenGroup(t.Context(), wanted, transport.SocketOptions{})
	if !k.SSM {
		wantCode(t, "OpenGroup with a source", err, transport.WSAEOPNOTSUPP)
		return
	}
	if err != nil {
		t.Fatalf("OpenGroup %v: %v", wanted, err)
	}
	picky, open := hear(t, c), hear(t, k.member(t, 2, g, transport.SocketOptions{}))
	source, stranger := k.speaker(t, 0, transport.SocketOptions{}), k.speaker(t, 1, transport.SocketOptions{})

	reach(t, func() { say(t, stranger, g, "stranger") }, "stranger", open)
	heard := reach(t, func() { say(t, source, g, "source") }, "source", picky, open)
	only(t, "the source-specific member", heard[0], "source")
}

// unicastBothWays: an answer to the address of a packet arrives at its sender.
func unicastBothWays(t *testing.T, k link) {
	a, b := hear(t, k.speaker(t, 0, transport.SocketOptions{})), hear(t, k.speaker(t, 1, transport.SocketOptions{}))
	heard := reach(t, func() { say(t, a.conn, b.conn.LocalAddr(), "question") }, "question", b)[0]
	q := heard[len(heard)-1]
	told(t, b, q, k.addr(1))
	heard = reach(t, func() { say(t, b.conn, q.from, "answer") }, "answer", a)[0]
	r := heard[len(heard)-1]
	told(t, a, r, k.addr(0))
	if plain(r.from.Addr()) != plain(k.addr(1)) || r.from.Port() != b.conn.LocalAddr().Port() {
		t.Errorf("the answer came from %v; want %v", r.from, b.conn.LocalAddr())
	}
}

// batchToSeveral: each element of a batch has a destination of its own.
func batchToSeveral(t *testing.T, k link) {
	g := k.at(0)
	from := k.speaker(t, 0, transport.SocketOptions{})
	one, two := hear(t, k.speaker(t, 1, transport.SocketOptions{})), hear(t, k.speaker(t, 2, transport.SocketOptions{}))
	all := hear(t, k.member(t, 2, g, transport.SocketOptions{}))
	ears := []*ear{one, all, two}
	send := func() {
		ds := make([]transport.Datagram, len(ears))
		for i, e := range ears {
			ds[i] = transport.Datagram{B: []byte(string("abc"[i]) + "mark"), Addr: e.conn.LocalAddr()}
		}
		if n, err := from.WriteBatch(ds); n != len(ds) || err != nil {
			t.Fatalf("WriteBatch = %d, %v; want %d, nil", n, err, len(ds))
		}
	}
	for i, e := range ears {
		mark := string("abc"[i]) + "mark"
		heard := reach(t, send, mark, e)
		only(t, e.conn.LocalAddr().String(), heard[0], mark)
	}
}
