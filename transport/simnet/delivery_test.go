package simnet_test

import (
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

func TestDelay_IsExact(t *testing.T) {
	inBubble(t, simnet.Link{Delay: 3 * time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		a, b, c := n.Host("a"), n.Host("b"), n.Host("c")
		n.SetLink("a", "c", simnet.Link{Delay: 40 * time.Millisecond})
		own, near, far := listen(member(t, a, group, transport.SocketOptions{})), listen(member(t, b, group, transport.SocketOptions{})),
			listen(member(t, c, group, transport.SocketOptions{}))
		say(t, speaker(t, a, transport.SocketOptions{}), group, 0, 1, 100)
		after(time.Second)
		for _, w := range []struct {
			e    *ear
			want time.Duration
		}{{own, 1}, {near, 3 * time.Millisecond}, {far, 40 * time.Millisecond}} {
			if len(w.e.at) != 1 || w.e.at[0] != w.want {
				t.Errorf("arrived after %v; want %v", w.e.at, w.want)
			}
		}
	})
}

func TestTTLZero_StaysOnTheHost(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		a, b := n.Host("a"), n.Host("b")
		own, other := listen(member(t, a, group, transport.SocketOptions{})), listen(member(t, b, group, transport.SocketOptions{}))
		say(t, speaker(t, a, transport.SocketOptions{TTL: -1}), group, 0, 1, 100)
		after(time.Second)
		if len(own.packets) != 1 || len(other.packets) != 0 {
			t.Errorf("own host heard %d, the other %d; want 1, 0", len(own.packets), len(other.packets))
		}
	})
}

// The upper layers must check Dst; here they can be shown to.
func TestCrossTalk_LetsOtherGroupsIn(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		a, b := n.Host("a"), n.Host("b")
		other := netip.AddrPortFrom(group.Addr().Next(), group.Port())
		e := listen(member(t, b, group, transport.SocketOptions{}))
		s := speaker(t, a, transport.SocketOptions{})
		say(t, s, other, 0, 1, 100)
		after(time.Second)
		n.CrossTalk(true)
		say(t, s, other, 1, 1, 100)
		say(t, s, netip.AddrPortFrom(other.Addr(), other.Port()+1), 2, 1, 100)
		after(time.Second)
		n.CrossTalk(false)
		say(t, s, other, 3, 1, 100)
		after(time.Second)
		if got := e.numbers(); !slices.Equal(got, []int{1}) {
			t.Errorf("heard %v of another group; want [1]", got)
		}
		for _, d := range e.buffers {
			if d.Dst != other.Addr() {
				t.Errorf("Dst = %v; want %v", d.Dst, other.Addr())
			}
		}
	})
}

func TestSegments_AreMergedUnlessTheyAreNot(t *testing.T) {
	plain := transport.SocketOptions{NoOffload: true}
	for _, c := range []struct {
		name         string
		out, in      transport.SocketOptions
		segment, mtu int
		buffers      int
	}{
		{"both sides with offload", transport.SocketOptions{}, transport.SocketOptions{}, 1400, 1500, 1},
		{"sender without", plain, transport.SocketOptions{}, 1400, 1500, 45},
		{"receiver without", transport.SocketOptions{}, plain, 1400, 1500, 45},
		{"segments longer than the link's packets", transport.SocketOptions{}, transport.SocketOptions{}, 1400, 1300, 45},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
				a, b := n.Host("a", simnet.HostConfig{MTU: c.mtu}), n.Host("b")
				e := listen(member(t, b, group, c.in))
				write(t, speaker(t, a, c.out), transport.Datagram{B: numbered(0, 45, c.segment), Segment: c.segment, Addr: group})
				after(time.Second)
				if len(e.packets) != 45 || len(e.buffers) != c.buffers {
					t.Errorf("%d packets in %d buffers; want 45 in %d", len(e.packets), len(e.buffers), c.buffers)
				}
			})
		})
	}
}

func TestSegments_AroundALossStayMerged(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		a, b := n.Host("a"), n.Host("b")
		n.SetLink("a", "b", simnet.Link{Every: 20})
		e := listen(member(t, b, group, transport.SocketOptions{}))
		write(t, speaker(t, a, transport.SocketOptions{}), transport.Datagram{B: numbered(0, 45, 1400), Segment: 1400, Addr: group})
		after(time.Second)
		want := slices.Concat(upTo(0, 19), upTo(20, 39), upTo(40, 45))
		if got := e.numbers(); !slices.Equal(got, want) || len(e.buffers) != 3 {
			t.Errorf("%v in %d buffers; want %v in 3", got, len(e.buffers), want)
		}
	})
}

func upTo(from, to int) (ns []int) {
	for i := from; i < to; i++ {
		ns = append(ns, i)
	}
	return ns
}

func TestEmptyDatagram_Arrives(t *testing.T) {
	inBubble(t, simnet.Link{Duplicate: 1}, func(t *testing.T, n *simnet.Net) {
		a, b := n.Host("a"), n.Host("b")
		e := listen(member(t, b, group, transport.SocketOptions{}))
		write(t, speaker(t, a, transport.SocketOptions{}), transport.Datagram{Addr: group})
		after(time.Second)
		if len(e.packets) != 2 || len(e.packets[0]) != 0 {
			t.Errorf("heard %q; want an empty packet, twice", e.packets)
		}
	})
}

func TestTwoSegments_AreTwoNetworks(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		both := simnet.HostConfig{Segments: []string{"wire", "air"}}
		a, b := n.Host("a", both), n.Host("b", both)
		c := n.Host("c", simnet.HostConfig{Segments: []string{"air"}})
		n.SetLink("a%sim1", "b", simnet.Link{Delay: 20 * time.Millisecond})
		wire := listen(member(t, b, group, transport.SocketOptions{}))
		conn, err := b.OpenGroup(t.Context(), transport.Group{Addr: group, Interface: "sim1"}, transport.SocketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		air, onlyAir := listen(conn), listen(member(t, c, group, transport.SocketOptions{}))
		say(t, speaker(t, a, transport.SocketOptions{}), group, 1, 1, 100)
		say(t, speaker(t, a, transport.SocketOptions{Interface: "sim1"}), group, 2, 1, 100)
		after(time.Second)
		if !slices.Equal(wire.numbers(), []int{1}) || !slices.Equal(air.numbers(), []int{2}) || !slices.Equal(onlyAir.numbers(), []int{2}) {
			t.Errorf("heard %v by wire, %v by air, %v by air only", wire.numbers(), air.numbers(), onlyAir.numbers())
		}
		if air.at[0] != 20*time.Millisecond {
			t.Errorf("by air after %v; want 20ms", air.at)
		}
		if c.Addr().String() != "10.0.1.3" || a.Addr6().String() != "fd00::1" {
			t.Errorf("addresses are %v and %v", c.Addr(), a.Addr6())
		}
		_, _, err = c.Route(a.Addr()) // of the wire
		wantCode(t, "Route to another segment", err, transport.WSAENETUNREACH)
		if i, src, err := c.Route(netip.MustParseAddr("10.0.1.1")); err != nil || i != 2 || src != c.Addr() {
			t.Errorf("Route on the own segment = %d, %v, %v", i, src, err)
		}
	})
}

func TestInterface_DownAndUpKeepsMembershipsButRecreateLosesThem(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		a, b := n.Host("a"), n.Host("b")
		e, s := listen(member(t, b, group, transport.SocketOptions{})), speaker(t, a, transport.SocketOptions{})
		step := func(number int, change func()) {
			change()
			say(t, s, group, number, 1, 100)
			after(time.Second)
		}
		step(1, func() { b.SetUp("sim0", false) })
		step(2, func() { b.SetUp("sim0", true) })
		step(3, func() { b.Recreate("sim0") })
		if !slices.Equal(e.numbers(), []int{2}) {
			t.Errorf("heard %v; want [2]", e.numbers())
		}
		ifs, _ := b.Interfaces()
		if ifs[1].Index != 3 {
			t.Errorf("index %d after Recreate; want 3", ifs[1].Index)
		}
		again := listen(member(t, b, group, transport.SocketOptions{}))
		step(4, func() {})
		if !slices.Equal(again.numbers(), []int{4}) || again.buffers[0].IfIndex != 3 {
			t.Errorf("heard %v after joining again", again.numbers())
		}
		a.SetUp("sim0", false)
		_, err := s.WriteBatch([]transport.Datagram{{B: []byte("x"), Addr: group}})
		wantCode(t, "write by an interface that is down", err, transport.WSAENETUNREACH)
	})
}

func TestLoopback_IsAnInterfaceLikeLinux(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		a := n.Host("a")
		open := func(local string, iface string) transport.PacketConn {
			c, err := a.OpenUnicast(t.Context(), netip.MustParseAddrPort(local), transport.SocketOptions{Interface: iface})
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		one, two := open("127.0.0.1:0", "lo"), open("127.0.0.2:7001", "lo")
		c, err := a.OpenGroup(t.Context(), transport.Group{Addr: group, Interface: "lo"}, transport.SocketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		members, single := listen(c), listen(two)
		say(t, one, group, 1, 1, 100)
		say(t, one, two.LocalAddr(), 2, 1, 100)
		after(time.Second)
		if !slices.Equal(members.numbers(), []int{1}) || !slices.Equal(single.numbers(), []int{2}) {
			t.Errorf("heard %v and %v; want [1] and [2]", members.numbers(), single.numbers())
		}
		six := open("[::1]:0", "lo")
		_, err = six.WriteBatch([]transport.Datagram{{B: []byte("x"), Addr: netip.MustParseAddrPort("[ff15::1]:7000")}})
		wantCode(t, "IPv6 group by lo", err, transport.WSAENETUNREACH)
	})
}

func TestWrite_RefusesWhatCannotBeSent(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		a := n.Host("a")
		c, err := a.OpenUnicast(t.Context(), netip.AddrPortFrom(a.Addr(), 0), transport.SocketOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for to, code := range map[string]transport.Code{
			"239.192.7.1:7000": transport.WSAENETUNREACH, // no interface
			"192.0.2.1:9":      transport.WSAENETUNREACH,
			"10.0.0.9:0":       transport.WSAEADDRNOTAVAIL,
			"0.0.0.0:9":        transport.WSAEADDRNOTAVAIL,
			"[fd00::9]:9":      transport.WSAEAFNOSUPPORT,
		} {
			_, err := c.WriteBatch([]transport.Datagram{{B: []byte("x"), Addr: netip.MustParseAddrPort(to)}})
			wantCode(t, "write to "+to, err, code)
		}
		write(t, c, transport.Datagram{B: []byte("x"), Addr: netip.MustParseAddrPort("10.0.0.9:9")})
		synctest.Wait()
		after(time.Second)
		if got := n.Stats().Dropped[simnet.DropNobody]; got != 1 {
			t.Errorf("%d packets found nobody; want 1", got)
		}
	})
}
