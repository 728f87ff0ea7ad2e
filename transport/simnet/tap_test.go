package simnet_test

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// An attacker who records at the wire and sends it all again, from the source
// it had: receivers cannot tell by the address.
func TestTap_RecordsAndInjectReplays(t *testing.T) {
	inBubble(t, simnet.Link{Loss: 0.5}, func(t *testing.T, n *simnet.Net) {
		var recorded []simnet.Packet
		n.Tap(func(p simnet.Packet) {
			if p.From != "outside" {
				p.B = bytes.Clone(p.B)
				recorded = append(recorded, p)
			}
		})
		e := hear(t, n, 1000, "b")[0]
		passed := len(e.packets)
		if len(recorded) != 1000 {
			t.Fatalf("recorded %d of 1000 copies", len(recorded))
		}
		for _, p := range recorded {
			if p.From != "a" || p.To != "b" || p.Dst != group || (p.Fate == 0) == (p.Fate == simnet.DropLoss) {
				t.Fatalf("recorded %+v", p)
			}
			if err := n.Inject(p.Src, p.Dst, p.B); err != nil {
				t.Fatal(err)
			}
		}
		after(time.Second)
		if len(e.packets) != passed+1000 || e.buffers[0].Addr != e.buffers[passed].Addr {
			t.Errorf("%d heard after the replay; want %d, from %v", len(e.packets), passed+1000, e.buffers[0].Addr)
		}
		if s := n.StatsOf("outside", "*"); s.Sent != 1000 || s.Delivered != 1000 {
			t.Errorf("books of what was injected: %v", s)
		}
	})
}

// A hook may act on the network: here it cuts the link at the third packet.
func TestTap_MayChangeTheNetwork(t *testing.T) {
	inBubble(t, simnet.Link{Delay: time.Millisecond}, func(t *testing.T, n *simnet.Net) {
		seen := 0
		n.Tap(func(simnet.Packet) {
			if seen++; seen == 3 {
				n.Partition([]string{"a"})
				n.Inject(netip.MustParseAddrPort("10.0.0.9:9"), group, []byte("this is injected"))
			}
		})
		e := listen(member(t, n.Host("b"), group, transport.SocketOptions{}))
		s := speaker(t, n.Host("a"), transport.SocketOptions{})
		for i := range 10 {
			say(t, s, group, i, 1, 64)
			time.Sleep(10 * time.Millisecond)
		}
		after(time.Second)
		if len(e.packets) != 4 || string(e.packets[3]) != "this is injected" {
			t.Errorf("heard %q; want three and the injected one", e.packets)
		}
	})
}

func TestInject_ReachesOneHostToo(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		s := speaker(t, n.Host("a"), transport.SocketOptions{})
		e := listen(s)
		n.Inject(netip.MustParseAddrPort("203.0.113.5:53"), s.LocalAddr(), []byte("spoofed"))
		n.Inject(netip.MustParseAddrPort("203.0.113.5:53"), netip.MustParseAddrPort("10.0.0.200:1"), nil)
		after(time.Second)
		if len(e.packets) != 1 || e.buffers[0].Addr != netip.MustParseAddrPort("203.0.113.5:53") {
			t.Errorf("heard %q from %v", e.packets, e.buffers)
		}
		if got := n.Stats().Dropped[simnet.DropNobody]; got != 1 {
			t.Errorf("%d found nobody; want 1", got)
		}
		wantCode(t, "Inject from nowhere", n.Inject(netip.AddrPort{}, group, nil), transport.WSAEADDRNOTAVAIL)
		wantCode(t, "Inject too much", n.Inject(group, group, make([]byte, 65508)), transport.WSAEMSGSIZE)
	})
}

// The last packet and the first copy of its repair are lost, by a rule.
func TestFilter_DropsByRule(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		times := 0
		n.Filter(func(p simnet.Packet) bool {
			if p.To == "b" && p.B[3] == 9 {
				times++
				return times > 2
			}
			return true
		})
		b, c := listen(member(t, n.Host("b"), group, transport.SocketOptions{})), listen(member(t, n.Host("c"), group, transport.SocketOptions{}))
		s := speaker(t, n.Host("a"), transport.SocketOptions{})
		write(t, s, transport.Datagram{B: numbered(0, 10, 100), Segment: 100, Addr: group})
		for range 2 {
			say(t, s, group, 9, 1, 100)
		}
		after(time.Second)
		if !slices.Equal(b.numbers(), upTo(0, 10)) || len(c.packets) != 12 {
			t.Errorf("b heard %v, c %d", b.numbers(), len(c.packets))
		}
		if got := n.StatsOf("a", "b"); got.Dropped[simnet.DropFilter] != 2 || b.buffers[0].Segment != 100 {
			t.Errorf("books: %v; b's first buffer: %+v", got, b.buffers[0])
		}
	})
}

func TestMisuse_PanicsLoudly(t *testing.T) {
	inBubble(t, simnet.Link{}, func(t *testing.T, n *simnet.Net) {
		n.Host("a")
		for what, f := range map[string]func(){
			"unknown host":         func() { n.SetLoss("a", "nobody", 0.1) },
			"unknown in partition": func() { n.Partition([]string{"nobody"}) },
			"probability":          func() { n.SetLoss("a", "a", 1.1) },
			"negative delay":       func() { n.SetLink("a", "*", simnet.Link{Delay: -1}) },
			"uplink with delay":    func() { n.SetUplink("a", simnet.Link{Delay: 1}) },
			"second config":        func() { n.Host("a", simnet.HostConfig{}) },
			"name":                 func() { n.Host("*") },
			"interface":            func() { n.Host("a").SetUp("sim7", true) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic", what)
					}
				}()
				f()
			}()
		}
	})
}
