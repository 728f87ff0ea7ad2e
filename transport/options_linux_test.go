package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// option reads a socket option back from the kernel.
func (c *batchConn) option(t *testing.T, level, name int) int {
	t.Helper()
	var v int
	var failed error
	if err := c.raw.Control(func(fd uintptr) { v, failed = unix.GetsockoptInt(int(fd), level, name) }); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	return v
}

func TestOptions_AreWhatTheKernelHas(t *testing.T) {
	g := Group{Addr: netip.MustParseAddrPort("239.195.255.1:17412"), Interface: "lo"}
	const ip, ip6, so = unix.IPPROTO_IP, unix.IPPROTO_IPV6, unix.SOL_SOCKET
	type want struct{ level, name, value int }
	for _, c := range []struct {
		name  string
		local string // empty: a group socket
		o     SocketOptions
		want  []want
	}{
		{"group", "", SocketOptions{}, []want{
			{so, unix.SO_REUSEADDR, 1}, {so, unix.SO_REUSEPORT, 0}, // F-10
			{ip, unix.IP_MULTICAST_ALL, 0}, {ip, unix.IP_MULTICAST_TTL, 1}, {ip, unix.IP_MULTICAST_LOOP, 1},
			{ip, unix.IP_TOS, 0}, {unix.SOL_UDP, unix.UDP_GRO, 1},
		}},
		{"unicast", "127.0.0.1:0", SocketOptions{Interface: "lo", TTL: 7, DSCP: 46, NoLoopback: true, NoOffload: true}, []want{
			{so, unix.SO_REUSEADDR, 0}, {so, unix.SO_REUSEPORT, 0},
			{ip, unix.IP_MULTICAST_ALL, 0}, {ip, unix.IP_MULTICAST_TTL, 7}, {ip, unix.IP_MULTICAST_LOOP, 0},
			{ip, unix.IP_TOS, 46 << 2}, {unix.SOL_UDP, unix.UDP_GRO, 0},
		}},
		{"this host only", "127.0.0.1:0", SocketOptions{Interface: "lo", TTL: -1}, []want{{ip, unix.IP_MULTICAST_TTL, 0}}},
		{"IPv6", "[::1]:0", SocketOptions{Interface: "lo", TTL: 9, DSCP: 10, NoLoopback: true}, []want{
			{ip6, unix.IPV6_V6ONLY, 1}, {ip6, unix.IPV6_MULTICAST_ALL, 0}, {ip6, unix.IPV6_MULTICAST_HOPS, 9},
			{ip6, unix.IPV6_MULTICAST_LOOP, 0}, {ip6, unix.IPV6_TCLASS, 10 << 2},
		}},
	} {
		var pc PacketConn
		var err error
		if c.local == "" {
			pc, err = Kernel{}.OpenGroup(t.Context(), g, c.o)
		} else {
			pc, err = Kernel{}.OpenUnicast(t.Context(), netip.MustParseAddrPort(c.local), c.o)
		}
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		s := pc.(*batchConn)
		for _, w := range c.want {
			if got := s.option(t, w.level, w.name); got != w.value {
				t.Errorf("%s: option %d/%d is %d; want %d", c.name, w.level, w.name, got, w.value)
			}
		}
		pc.Close()
	}
	for _, o := range []SocketOptions{{TTL: 256}, {DSCP: 64}, {DSCP: -1}} {
		if _, err := (Kernel{}).OpenUnicast(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), o); CodeOf(err) != WSAEINVAL {
			t.Errorf("%+v: %v; want WSAEINVAL", o, err)
		}
	}
}

// Without CAP_NET_ADMIN the kernel grants none beyond net.core.busy_read, and that is said.
func TestOptions_BusyPollIsGrantedOrSaid(t *testing.T) {
	pc, err := Kernel{}.OpenUnicast(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), SocketOptions{BusyPoll: 50 * time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	said := slices.ContainsFunc(pc.Info().Warnings, func(w string) bool { return strings.Contains(w, "SO_BUSY_POLL") })
	if got := pc.(*batchConn).option(t, unix.SOL_SOCKET, unix.SO_BUSY_POLL); (got == 50) == said {
		t.Errorf("SO_BUSY_POLL is %d; warnings: %q", got, pc.Info().Warnings)
	}
}

// F-12: a buffer that was cut says so once, with the sysctl that names it; one
// that was granted in full says nothing.
func TestOptions_BuffersAreReadBack(t *testing.T) {
	const asked = 1 << 29
	pc, err := Kernel{}.OpenUnicast(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), SocketOptions{ReadBuffer: asked, WriteBuffer: asked})
	if err != nil {
		t.Fatal(err)
	}
	defer pc.Close()
	i := pc.Info()
	for _, c := range []struct {
		got    int
		sysctl string
	}{{i.ReadBuffer, "net.core.rmem_max=536870912"}, {i.WriteBuffer, "net.core.wmem_max=536870912"}} {
		warned := strings.Count(strings.Join(i.Warnings, "\n"), c.sysctl)
		if cut := c.got < asked; cut != (warned == 1) || warned > 1 {
			t.Errorf("%d of %d bytes granted, and %d warnings with %s in %q", c.got, asked, warned, c.sysctl, i.Warnings)
		}
	}
	def, err := Kernel{}.OpenUnicast(t.Context(), netip.MustParseAddrPort("127.0.0.1:0"), SocketOptions{ReadBuffer: -1, WriteBuffer: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer def.Close()
	b, err := os.ReadFile("/proc/sys/net/core/rmem_default")
	if err != nil {
		t.Skipf("no /proc/sys to compare the default with: %v", err)
	}
	if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err != nil || def.Info().ReadBuffer != n/2 {
		t.Errorf("a negative ReadBuffer leaves %d usable bytes; want half of the system's %d, %v", def.Info().ReadBuffer, n, err)
	}
}

// F-10: a program that took the port for itself alone.
func TestOpenGroup_PortThatIsNotShared(t *testing.T) {
	alone, err := net.ListenUDP("udp4", &net.UDPAddr{})
	if err != nil {
		t.Fatal(err)
	}
	defer alone.Close()
	port := alone.LocalAddr().(*net.UDPAddr).AddrPort().Port()
	g := Group{Addr: netip.AddrPortFrom(netip.MustParseAddr("239.195.255.2"), port), Interface: "lo"}
	_, err = Kernel{}.OpenGroup(t.Context(), g, SocketOptions{})
	if !errors.Is(err, WSAEADDRINUSE) || !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "does not share it") {
		t.Errorf("OpenGroup = %v; want WSAEADDRINUSE and what to do", err)
	}
}

// inEmptyNamespace runs f in a network namespace of its own, with a lo that is
// down and nothing else. The thread is never unlocked, so it ends with f.
func inEmptyNamespace(t *testing.T, f func()) {
	t.Helper()
	made := make(chan error)
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_NEWNET)
		made <- err
		if err == nil {
			f()
		}
	}()
	err := <-made
	<-done
	if err == nil {
		return
	}
	why := fmt.Sprintf("a network namespace needs root: %v", err)
	if os.Getenv("JOINLEAF_REQUIRE_LAB") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

func TestEmptyNamespace_EveryRefusalSaysWhatToDo(t *testing.T) {
	inEmptyNamespace(t, func() {
		k, g := Kernel{}, Group{Addr: netip.MustParseAddrPort("239.195.255.3:17413"), Interface: "lo"}
		is := func(what string, err error, code Code, says string) {
			t.Helper()
			if !errors.Is(err, code) || !strings.Contains(fmt.Sprint(err), says) {
				t.Errorf("%s: %v; want %s and %q", what, err, code.Name(), says)
			}
		}
		_, err := k.OpenGroup(t.Context(), g, SocketOptions{})
		is("lo is down", err, WSAENETDOWN, "the interface lo is down; bring it up")
		_, _, err = k.Route(netip.MustParseAddr("192.0.2.1"))
		is("no routes", err, WSAENETUNREACH, "no route leads to 192.0.2.1")
		_, _, err = k.Route(netip.MustParseAddr("2001:db8::1"))
		is("no routes", err, WSAENETUNREACH, "no route leads to 2001:db8::1")
		_, err = k.Dial(t.Context(), netip.AddrPort{}, netip.MustParseAddrPort("192.0.2.1:9"))
		is("no routes", err, WSAENETUNREACH, "no route leads to 192.0.2.1")
		_, err = Choose(k, "", g.Addr.Addr(), netip.Addr{})
		is("nothing to choose from", err, WSAENETUNREACH, "lo (down)")

		c, err := k.OpenUnicast(t.Context(), netip.MustParseAddrPort("0.0.0.0:0"), SocketOptions{})
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, err = c.WriteBatch([]Datagram{{B: []byte("x"), Addr: g.Addr}})
		is("a group, and no interface named (F-7)", err, WSAENETUNREACH, "opened without an interface; name one")

		if err := lift("lo"); err != nil {
			t.Error(err)
			return
		}
		if err := os.WriteFile("/proc/sys/net/ipv4/igmp_max_memberships", []byte("0"), 0); err != nil {
			t.Error(err)
			return
		}
		_, err = k.OpenGroup(t.Context(), g, SocketOptions{})
		is("no membership left (F-6)", err, WSAENOBUFS, "sudo sysctl -w net.ipv4.igmp_max_memberships=")
	})
}

// lift brings an interface of the calling thread's namespace up.
func lift(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	r, err := unix.NewIfreq(name)
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, r)
}
