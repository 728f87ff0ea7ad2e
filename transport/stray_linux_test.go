package transport_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/netlab"
	"github.com/joinleaf/joinleaf/transport/session"
)

// watch is a Sealer that opens nothing and notes what it was asked to open, by the
// first byte: whatever is not there was dropped before any key was touched.
type watch struct {
	mu   sync.Mutex
	seen map[byte]int
}

func (w *watch) Overhead() int { return 40 }
func (w *watch) SealAll(dst []byte, _ uint32, _, _ uint8, payloads [][]byte) ([]byte, error) {
	for _, p := range payloads {
		dst = append(append(dst, make([]byte, 40)...), p...)
	}
	return dst, nil
}
func (w *watch) Open(p []byte) (o session.Opened, drop uint8) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen[p[0]]++
	return o, uint8(session.DropForged)
}
func (w *watch) count(b byte) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[b]
}

// yard is a lab of two segments: the honest root and a leaf in one, with somebody
// else, and a stranger in the other, behind a router.
type yard struct {
	*testing.T
	*netlab.Lab
	group transport.Group
	watch *watch
	s     *session.Session
}

func newYard(t *testing.T, port uint16) *yard {
	netlab.Require(t)
	y := &yard{T: t, Lab: netlab.New(t, netlab.Options{Hosts: []string{"root", "leaf", "eve"}, Segments: 2}), watch: &watch{seen: map[byte]int{}}}
	y.must2(y.AddHost("stranger", 1))
	router, err := y.AddRouter("router")
	y.must(err)
	root, leaf := y.Host("root"), y.Host("leaf")
	y.group = transport.Group{Addr: netip.AddrPortFrom(netip.MustParseAddr("232.1.2.3"), port), Source: root.Addr4(), Interface: netlab.Device}
	for _, h := range []string{"root", "stranger"} {
		y.must(router.Route(y.Host(h), y.group.Addr.Addr()))
	}
	ctx := t.Context()
	unicast, err := leaf.Network().OpenUnicast(ctx, netip.AddrPortFrom(leaf.Addr4(), 0), transport.SocketOptions{Interface: netlab.Device})
	y.must(err)
	group, err := leaf.Network().OpenGroup(ctx, y.group, transport.SocketOptions{})
	y.must(err)
	y.s, err = session.New(session.Config{Self: 2, Sealer: y.watch, Unicast: unicast, Group: group, GroupAddr: y.group.Addr, Hub: 1, To: 1,
		Symbol: flow.SymbolSize(1500, 40, false), Streams: []flow.Class{flow.Reliable}})
	y.must(err)
	t.Cleanup(func() { y.s.Close() })
	return y
}

func (y *yard) must(err error) {
	y.Helper()
	if err != nil {
		y.Fatal(err)
	}
}

func (y *yard) must2(_ any, err error) { y.Helper(); y.must(err) }

// send has a host send n packets that begin with a mark.
func (y *yard) send(host string, ttl int, mark byte, to netip.AddrPort, n, size int) {
	y.Helper()
	h := y.Host(host)
	var c *net.UDPConn
	y.must(h.Do(func() (err error) {
		ifi, err := net.InterfaceByName(netlab.Device)
		if err != nil {
			return err
		}
		if c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(h.Addr4(), 0))); err != nil {
			return err
		}
		p := ipv4.NewPacketConn(c)
		return errors.Join(p.SetMulticastInterface(ifi), p.SetMulticastTTL(ttl), p.SetTTL(ttl), fragmenting(c))
	}))
	defer c.Close()
	b := make([]byte, size)
	b[0] = mark
	for range n {
		if _, err := c.WriteToUDPAddrPort(b, to); err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
			y.Fatal(err)
		}
	}
}

// fragmenting lets the kernel cut what is too long for the link.
func fragmenting(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return errors.Join(raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT)
	}), err)
}

// forge has eve send IPv4 packets that say they are the root's: whole ones, or the
// first fragments of packets whose rest never comes.
func (y *yard) forge(mark byte, n int, first bool) {
	y.Helper()
	eve, src, dst := y.Host("eve"), y.Host("root").Addr4().As4(), y.group.Addr.Addr().As4()
	y.must(eve.Do(func() error {
		ifi, err := net.InterfaceByName(netlab.Device)
		if err != nil {
			return err
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(ifi.Index)}); err != nil {
			return err
		}
		for i := range n {
			b := make([]byte, 20+8+400)
			b[0], b[8], b[9] = 0x45, 64, unix.IPPROTO_UDP
			binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
			binary.BigEndian.PutUint16(b[4:], uint16(i))
			udp := uint16(8 + 400)
			if first {
				b[6] = 0x20 // more fragments
				udp = 3000
			}
			copy(b[12:], src[:])
			copy(b[16:], dst[:])
			binary.BigEndian.PutUint16(b[20:], 4000)
			binary.BigEndian.PutUint16(b[22:], y.group.Addr.Port())
			binary.BigEndian.PutUint16(b[24:], udp)
			b[28] = mark
			if err := unix.Sendto(fd, b, 0, &unix.SockaddrInet4{Addr: dst}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// arrives sends honest packets until one is looked at.
func (y *yard) arrives(mark byte) {
	y.Helper()
	for range 200 {
		y.send("root", 1, mark, y.group.Addr, 1, 100)
		time.Sleep(10 * time.Millisecond)
		if y.watch.count(mark) > 0 {
			return
		}
	}
	y.Fatal("nothing of the root's arrives: the test would see nothing else either")
}

// What does not come from the session's source, to its group and port, in one piece
// is dropped by the kernel or by its length; no key is touched for it.
func TestM2_StrayPacketsAreDroppedBeforeAnyCrypto(t *testing.T) {
	const honest = 0xA0
	y := newYard(t, 7100)
	y.arrives(honest)

	// The leaf's host is in another group with the same port, for somebody else.
	other := netip.AddrPortFrom(netip.MustParseAddr("239.192.9.9"), y.group.Addr.Port())
	ear, err := y.Host("leaf").Network().OpenGroup(t.Context(), transport.Group{Addr: other, Interface: netlab.Device}, transport.SocketOptions{})
	y.must(err)
	t.Cleanup(func() { ear.Close() })
	heard := make(chan struct{})
	go func() {
		ds := []transport.Datagram{{B: make([]byte, 1<<16)}}
		if n, err := ear.ReadBatch(ds); n > 0 && err == nil {
			close(heard)
		}
	}()
	leafAtPort := netip.AddrPortFrom(y.Host("leaf").Addr4(), y.group.Addr.Port())
	for range 50 {
		y.send("eve", 255, 1, y.group.Addr, 5, 100)   // another source
		y.send("eve", 1, 2, y.group.Addr, 5, 100)     // the same, near
		y.send("root", 1, 3, other, 5, 100)           // another group, same port
		y.send("eve", 255, 4, leafAtPort, 5, 100)     // to the host itself
		y.send("eve", 255, 5, y.group.Addr, 2, 5000)  // another source, in fragments
		y.send("root", 1, 6, y.group.Addr, 2, 5000)   // the source's own, in fragments
		y.send("stranger", 1, 7, y.group.Addr, 2, 99) // too far for its TTL
		y.send("stranger", 255, 8, y.group.Addr, 2, 99)
		time.Sleep(5 * time.Millisecond)
	}
	y.forge(9, 2000, true) // first fragments in the root's name, and no more
	select {
	case <-heard:
	case <-time.After(5 * time.Second):
		t.Error("the other group's packets did not reach its own member: the test sends nothing")
	}
	y.arrives(honest + 1)
	st := y.s.Stats()
	for mark := byte(1); mark < 10; mark++ {
		if n := y.watch.count(mark); n != 0 {
			t.Errorf("%d packets of kind %d were tried with a key", n, mark)
		}
	}
	if long := st.Drops[session.DropKind]; long == 0 || st.PacketsHeard != long+st.Drops[session.DropForged] {
		t.Errorf("%d packets heard, %d too long, %d tried", st.PacketsHeard, long, st.Drops[session.DropForged])
	}

	// The source is a filter and no proof: who forges that gets as far as the keys.
	y.forge(10, 20, false)
	for range 100 {
		if y.watch.count(10) > 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("a forged source address does not arrive: the other cases may have failed for another reason")
}

// A session's own packets stay on the segment unless it says otherwise.
func TestM2_TheTTLKeepsPacketsWhereTheyBelong(t *testing.T) {
	y := newYard(t, 7101)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	far, err := y.Host("stranger").Network().OpenGroup(ctx, y.group, transport.SocketOptions{})
	y.must(err)
	t.Cleanup(func() { far.Close() })
	marks := make(chan byte, 4096)
	go func() {
		ds := []transport.Datagram{{B: make([]byte, 1<<16)}}
		for {
			n, err := far.ReadBatch(ds)
			if err != nil {
				return
			}
			if n > 0 {
				marks <- ds[0].B[0]
			}
			ds[0] = transport.Datagram{B: make([]byte, 1<<16)}
		}
	}()
	for _, o := range []struct {
		ttl  int
		mark byte
	}{{0, 1}, {255, 2}} { // zero is 1
		root := y.Host("root")
		c, err := root.Network().OpenUnicast(ctx, netip.AddrPortFrom(root.Addr4(), 0), transport.SocketOptions{Interface: netlab.Device, TTL: o.ttl})
		y.must(err)
		for range 50 {
			b := make([]byte, 100)
			b[0] = o.mark
			if _, err := c.WriteBatch([]transport.Datagram{{B: b, Addr: y.group.Addr}}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Millisecond)
		}
		c.Close()
	}
	select {
	case m := <-marks:
		if m != 2 {
			t.Errorf("a packet with a TTL of 1 crossed the router")
		}
	case <-ctx.Done():
		t.Error("nothing crossed the router, with a TTL of 255 either")
	}
}
