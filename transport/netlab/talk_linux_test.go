package netlab

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"
)

// The tests talk over package net, so that a fault of theirs is not one of
// transport's.

var (
	group4 = netip.MustParseAddrPort("239.192.77.1:7000")
	group6 = netip.MustParseAddrPort("[ff15::77:1]:7000")
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ear counts what arrives at a socket, in a goroutine that ends with the test.
type ear struct {
	conn *net.UDPConn

	mu   sync.Mutex
	seen map[uint32]int // by number
}

// member joins g on the host and listens.
func member(t testing.TB, h *Host, g netip.AddrPort) *ear {
	t.Helper()
	var c *net.UDPConn
	must(t, h.Do(func() error {
		ifi, err := net.InterfaceByName(Device)
		if err != nil {
			return err
		}
		c, err = net.ListenMulticastUDP("udp", ifi, net.UDPAddrFromAddrPort(g))
		return err
	}))
	return listen(t, c)
}

func listen(t testing.TB, c *net.UDPConn) *ear {
	t.Helper()
	raw, err := c.SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20)
	}))
	e := &ear{conn: c, seen: make(map[uint32]int)}
	var done sync.WaitGroup
	done.Go(func() {
		b := make([]byte, 2048)
		for {
			n, _, err := c.ReadFromUDPAddrPort(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil || n < 4 {
				continue // an ICMP refusal of an earlier packet, at worst
			}
			e.mu.Lock()
			e.seen[binary.BigEndian.Uint32(b)]++
			e.mu.Unlock()
		}
	})
	t.Cleanup(func() {
		c.Close()
		done.Wait()
	})
	return e
}

// heard counts the numbers from first on that have arrived.
func (e *ear) heard(first uint32) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for number := range e.seen {
		if number >= first {
			n++
		}
	}
	return n
}

// mouth sends from a host. Numbers rise over all mouths, so that what was sent
// before some change is never taken for what was sent after it.
type mouth struct{ conn *net.UDPConn }

var numbers atomic.Uint32

// speaker opens an unconnected socket on one of the host's addresses whose
// group packets leave by its link.
func speaker(t testing.TB, h *Host, local netip.Addr, ttl int) *mouth {
	t.Helper()
	var c *net.UDPConn
	must(t, h.Do(func() error {
		ifi, err := net.InterfaceByName(Device)
		if err != nil {
			return err
		}
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
		if err != nil {
			return err
		}
		if local.Is4() {
			p := ipv4.NewPacketConn(c)
			return errors.Join(p.SetMulticastInterface(ifi), p.SetMulticastTTL(ttl))
		}
		p := ipv6.NewPacketConn(c)
		return errors.Join(p.SetMulticastInterface(ifi), p.SetMulticastHopLimit(ttl))
	}))
	t.Cleanup(func() { c.Close() })
	return &mouth{c}
}

// send sends n numbered packets, 100 at a time, and returns the first number.
func (m *mouth) send(t testing.TB, to netip.AddrPort, n int) (first uint32) {
	t.Helper()
	first = numbers.Load() + 1
	b := make([]byte, 400)
	for i := range n {
		binary.BigEndian.PutUint32(b, numbers.Add(1))
		if _, err := m.conn.WriteToUDPAddrPort(b, to); err != nil {
			t.Fatalf("send to %v: %v", to, err)
		}
		if i%100 == 99 {
			time.Sleep(time.Millisecond)
		}
	}
	return first
}

// reaches sends until the ear has heard one of the packets, at most for as long as
// a broken network deserves. A single packet may be lost on a busy machine.
func reaches(t testing.TB, m *mouth, to netip.AddrPort, e *ear) bool {
	t.Helper()
	return reachesWithin(t, m, to, e, 5*time.Second)
}

func reachesWithin(t testing.TB, m *mouth, to netip.AddrPort, e *ear, limit time.Duration) bool {
	t.Helper()
	first := numbers.Load() + 1
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		m.send(t, to, 1)
		if e.heard(first) > 0 {
			return true
		}
	}
	return false
}

// staysSilent sends for a while, some 25 packets, and tells whether nothing arrived.
func staysSilent(t testing.TB, m *mouth, to netip.AddrPort, e *ear) bool {
	t.Helper()
	return !reachesWithin(t, m, to, e, 150*time.Millisecond)
}

// families are what most tests run twice with.
var families = []struct {
	name  string
	group netip.AddrPort
	addr  func(*Host) netip.Addr
}{
	{"IPv4", group4, (*Host).Addr4},
	{"IPv6", group6, (*Host).Addr6},
}

// unicast listens at an address of the host.
func unicast(t testing.TB, h *Host, local netip.Addr) *ear {
	t.Helper()
	var c *net.UDPConn
	must(t, h.Do(func() (err error) {
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
		return err
	}))
	return listen(t, c)
}

func (e *ear) addr() netip.AddrPort { return e.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// batchOf sends n packets of 400 bytes by one call with UDP_SEGMENT.
func batchOf(t testing.TB, m *mouth, to netip.AddrPort, n int) {
	t.Helper()
	raw, err := m.conn.SyscallConn()
	must(t, err)
	segment := func(size int) {
		must(t, raw.Control(func(fd uintptr) {
			must(t, unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT, size))
		}))
	}
	segment(400)
	defer segment(0)
	if _, err := m.conn.WriteToUDPAddrPort(make([]byte, 400*n), to); err != nil {
		t.Fatalf("send a batch to %v: %v", to, err)
	}
}

// nobody is an address of the host where nobody listens.
func nobody(t testing.TB, h *Host) netip.AddrPort {
	t.Helper()
	e := unicast(t, h, h.Addr4())
	a := e.addr()
	must(t, e.conn.Close())
	return a
}
