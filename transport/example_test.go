package transport_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"

	"github.com/joinleaf/joinleaf/transport"
)

// A member and a sender on one host, by way of lo.
func Example() {
	ctx := context.Background()
	network := transport.Kernel{}
	g := transport.Group{Addr: netip.MustParseAddrPort("239.192.7.21:7021"), Interface: loopback()}
	member, err := network.OpenGroup(ctx, g, transport.SocketOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer member.Close()
	local := netip.MustParseAddrPort("127.0.0.1:0")
	sender, err := network.OpenUnicast(ctx, local, transport.SocketOptions{Interface: g.Interface})
	if err != nil {
		log.Fatal(err)
	}
	defer sender.Close()

	out := []transport.Datagram{{B: []byte("hello, group"), Addr: g.Addr}}
	if _, err := sender.WriteBatch(out); err != nil {
		log.Fatal(err)
	}
	in := []transport.Datagram{{B: make([]byte, 1<<16)}}
	if _, err := member.ReadBatch(in); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s\n", in[0].B)
	// Output: hello, group
}

// A segmented datagram stands for several packets; they arrive as packets,
// merged or not.
func ExampleDatagram() {
	d := transport.Datagram{B: make([]byte, 3*1200+100), Segment: 1200}
	packets := 0
	for b := d.B; len(b) > 0; packets++ {
		b = b[min(len(b), d.Segment):]
	}
	fmt.Println(packets, "packets")
	// Output: 4 packets
}

// Choose names the interfaces there are when it cannot decide.
func ExampleChoose() {
	host := &paper{interfaces: []transport.Interface{
		nic(1, "lo", func(i *transport.Interface) { i.Loopback = true }, "127.0.0.1/8"),
		nic(2, "eth0", nil, "10.0.0.5/24"),
		nic(3, "docker0", func(i *transport.Interface) { i.Virtual = true }, "172.17.0.1/16"),
	}}
	group := netip.MustParseAddr("239.192.7.1")
	via := netip.MustParseAddr("10.0.0.5") // the control connection's local address

	c, err := transport.Choose(host, "auto", group, via)
	fmt.Println(c, err)
	_, err = transport.Choose(host, "eth7", group, via)
	fmt.Println(err)
	// Output:
	// eth0: the control connection uses it (10.0.0.5) (others: lo: loopback; docker0: virtual) <nil>
	// choose interface for 239.192.7.1: there is no interface eth7; there are: lo (loopback), eth0 (would do as well), docker0 (virtual) (WSAEADDRNOTAVAIL)
}

// Explain gives any error the code that fits.
func ExampleExplain() {
	err := transport.Explain("wait for the root", transport.Group{}, context.DeadlineExceeded)
	fmt.Println(err)
	fmt.Println(errors.Is(err, transport.WSAETIMEDOUT), errors.Is(err, context.DeadlineExceeded))
	// Output:
	// wait for the root: context deadline exceeded (WSAETIMEDOUT)
	// true true
}

// ParseGroup reads the forms that media tools use.
func ExampleParseGroup() {
	for _, s := range []string{"239.192.7.1:7000", "10.0.0.1@232.1.1.1:5004", "[ff15::7:1%eth0]:7000"} {
		g, err := transport.ParseGroup(s)
		fmt.Println(g.Addr, g.Source.IsValid(), g.Interface, err)
	}
	// Output:
	// 239.192.7.1:7000 false  <nil>
	// 232.1.1.1:5004 true  <nil>
	// [ff15::7:1]:7000 false eth0 <nil>
}
