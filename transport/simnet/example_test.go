package simnet_test

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// A sender, a member that hears everything, and one behind a link that loses
// each third packet. In a test this stands inside synctest.Test.
func Example() {
	n := simnet.New(1, simnet.Link{Delay: time.Millisecond})
	defer n.Close()
	sender, near, far := n.Host("sender"), n.Host("near"), n.Host("far")
	n.SetLink("sender", "far", simnet.Link{Delay: 20 * time.Millisecond, Every: 3})

	ctx := context.Background()
	g := transport.Group{Addr: netip.MustParseAddrPort("239.192.7.1:7000"), Interface: "sim0"}
	var members []transport.PacketConn
	for _, h := range []*simnet.Host{near, far} {
		c, err := h.OpenGroup(ctx, g, transport.SocketOptions{})
		if err != nil {
			fmt.Println(err)
			return
		}
		members = append(members, c)
	}
	out, err := sender.OpenUnicast(ctx, netip.AddrPortFrom(sender.Addr(), 0), transport.SocketOptions{Interface: "sim0"})
	if err != nil {
		fmt.Println(err)
		return
	}
	out.WriteBatch([]transport.Datagram{{B: []byte("one  two  threefour five six  "), Segment: 5, Addr: g.Addr}})

	for i, c := range members {
		ds := []transport.Datagram{{B: make([]byte, 1<<16)}}
		for heard := 0; heard < 6-2*i; {
			if _, err := c.ReadBatch(ds); err != nil {
				fmt.Println(err)
				return
			}
			packets := max(1, len(ds[0].B)/5)
			fmt.Printf("member %d: %d packets, %q\n", i, packets, ds[0].B)
			heard += packets
			ds[0].B = ds[0].B[:cap(ds[0].B)]
		}
	}
	fmt.Println(n.Stats())
	// Output:
	// member 0: 6 packets, "one  two  threefour five six  "
	// member 1: 2 packets, "one  two  "
	// member 1: 2 packets, "four five "
	// sent 6, copies 12, delivered 10, loss 2
}
