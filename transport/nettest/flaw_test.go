package nettest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/nettest"
)

// flaws are mistakes that a Network can make, and a case that must find each.
// They are made on top of the kernel's lo, which conforms without them.
var flaws = map[string]struct {
	network transport.Network
	caught  string
}{
	"no flaw":              {transport.Kernel{}, ""},
	"package net's groups": {wildcard{}, "OtherGroupsAndPortsStayOut/IPv4"},
	"segments kept whole":  {wrapped{write: wholeSegments}, "SegmentsArriveAsPackets/IPv4"},
	"segments not told":    {wrapped{read: untold}, "SegmentsArriveAsPackets/IPv4"},
	"wrong destination":    {wrapped{read: misdirected}, "GroupReachesItsMembersOnly/IPv4"},
	"wrong source":         {wrapped{read: anonymous}, "UnicastGoesBothWays/IPv4"},
	"batch backwards":      {wrapped{write: backwards}, "BatchKeepsItsOrder/IPv4"},
	"cut in silence":       {wrapped{write: shortened}, "TooLongIsRefusedAndTheRestStays/IPv4"},
	"drops not counted":    {wrapped{read: uncounted}, "FullBufferDropsAndCounts/IPv4"},
	"closed without a word": {wrapped{closed: func(error) error {
		return io.EOF
	}}, "CloseUnblocksRead/IPv4"},
	"source filter ignored": {wrapped{open: func(g transport.Group) transport.Group {
		g.Source = netip.Addr{}
		return g
	}}, "SourceSpecificJoinHearsOneSource/IPv4"},
	"refusal without code": {wrapped{dial: func(err error) error { return errors.New(err.Error()) }}, "StreamDialRefused/IPv4"},
}

const flawVariable = "NETTEST_FLAW"

// TestSuite_FindsEveryFlaw runs the suite against each flawed network in a
// process of its own, as a failing test cannot be taken back.
func TestSuite_FindsEveryFlaw(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the flawed networks live on Linux's lo")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, flaw := range flaws {
		t.Run(name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestFlawedNetwork$", "-test.v")
			cmd.Env = append(os.Environ(), flawVariable+"="+name)
			out, err := cmd.CombinedOutput()
			var failed []string
			for _, m := range regexp.MustCompile(`--- FAIL: TestFlawedNetwork/(\S+)`).FindAllStringSubmatch(string(out), -1) {
				failed = append(failed, m[1])
			}
			switch {
			case flaw.caught == "" && err != nil:
				t.Errorf("a network without a flaw fails: %v\n%s", err, out)
			case flaw.caught != "" && (err == nil || !slices.Contains(failed, flaw.caught)):
				t.Errorf("%s was to fail; failed: %q, %v\n%s", flaw.caught, failed, err, out)
			}
		})
	}
}

// TestFlawedNetwork is the body of those processes.
func TestFlawedNetwork(t *testing.T) {
	flaw, ok := flaws[os.Getenv(flawVariable)]
	if !ok {
		return // the ordinary run; TestSuite_FindsEveryFlaw starts this one
	}
	if flaw.caught != "" {
		nettest.Hurry()
	}
	pid := os.Getpid()
	l := nettest.Lab{SSM: true, OneHost: true,
		Group4: netip.AddrFrom4([4]byte{239, 194, byte(pid >> 6), byte(pid << 2)})}
	for _, a := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"} {
		l.Hosts = append(l.Hosts, nettest.Host{Network: flaw.network, Interface: "lo", Addr4: netip.MustParseAddr(a)})
	}
	for _, c := range nettest.Cases() {
		if flaw.caught == "" && strings.HasSuffix(c.Name, "IPv4") || c.Name == flaw.caught {
			t.Run(c.Name, func(t *testing.T) { c.Run(t, l) })
		}
	}
}

// wrapped is the kernel with a mistake.
type wrapped struct {
	transport.Kernel
	read   func(ds []transport.Datagram)
	write  func(ds []transport.Datagram) []transport.Datagram
	closed func(error) error
	open   func(transport.Group) transport.Group
	dial   func(error) error
}

func (w wrapped) OpenGroup(ctx context.Context, g transport.Group, o transport.SocketOptions) (transport.PacketConn, error) {
	if w.open != nil {
		g = w.open(g)
	}
	c, err := w.Kernel.OpenGroup(ctx, g, o)
	if err != nil {
		return nil, err
	}
	return wrappedConn{c, w}, nil
}

func (w wrapped) OpenUnicast(ctx context.Context, local netip.AddrPort, o transport.SocketOptions) (transport.PacketConn, error) {
	c, err := w.Kernel.OpenUnicast(ctx, local, o)
	if err != nil {
		return nil, err
	}
	return wrappedConn{c, w}, nil
}

func (w wrapped) Dial(ctx context.Context, local, remote netip.AddrPort) (net.Conn, error) {
	c, err := w.Kernel.Dial(ctx, local, remote)
	if err != nil && w.dial != nil {
		return nil, w.dial(err)
	}
	return c, err
}

type wrappedConn struct {
	transport.PacketConn
	w wrapped
}

func (c wrappedConn) ReadBatch(ds []transport.Datagram) (int, error) {
	n, err := c.PacketConn.ReadBatch(ds)
	if c.w.read != nil {
		c.w.read(ds[:n])
	}
	if err != nil && c.w.closed != nil {
		err = c.w.closed(err)
	}
	return n, err
}

func (c wrappedConn) WriteBatch(ds []transport.Datagram) (int, error) {
	if c.w.write != nil {
		ds = c.w.write(slices.Clone(ds))
	}
	return c.PacketConn.WriteBatch(ds)
}

func wholeSegments(ds []transport.Datagram) []transport.Datagram {
	for i := range ds {
		ds[i].Segment = 0
	}
	return ds
}

func backwards(ds []transport.Datagram) []transport.Datagram {
	slices.Reverse(ds)
	return ds
}

func shortened(ds []transport.Datagram) []transport.Datagram {
	for i := range ds {
		ds[i].B = ds[i].B[:min(len(ds[i].B), 65507)]
	}
	return ds
}

func untold(ds []transport.Datagram) {
	for i := range ds {
		ds[i].Segment = 0
	}
}

func misdirected(ds []transport.Datagram) {
	for i := range ds {
		ds[i].Dst = ds[i].Addr.Addr()
	}
}

func anonymous(ds []transport.Datagram) {
	for i := range ds {
		ds[i].Addr = netip.AddrPortFrom(netip.IPv4Unspecified(), ds[i].Addr.Port())
	}
}

func uncounted(ds []transport.Datagram) {
	for i := range ds {
		ds[i].Overflow = 0
	}
}

// wildcard is what everybody writes first: package net's multicast listener,
// which is bound to all groups there are (F-4).
type wildcard struct{ transport.Kernel }

func (w wildcard) OpenGroup(_ context.Context, g transport.Group, _ transport.SocketOptions) (transport.PacketConn, error) {
	i, err := net.InterfaceByName(g.Interface)
	if err != nil {
		return nil, err
	}
	c, err := net.ListenMulticastUDP("udp4", i, net.UDPAddrFromAddrPort(g.Addr))
	if err != nil {
		return nil, err
	}
	return listener{c}, nil
}

type listener struct{ *net.UDPConn }

func (l listener) ReadBatch(ds []transport.Datagram) (int, error) {
	n, from, err := l.ReadFromUDPAddrPort(ds[0].B)
	ds[0] = transport.Datagram{B: ds[0].B[:n], Addr: from}
	return 1, err
}

func (l listener) WriteBatch([]transport.Datagram) (int, error) { return 0, errors.ErrUnsupported }
func (l listener) Info() transport.SocketInfo                   { return transport.SocketInfo{} }

func (l listener) LocalAddr() netip.AddrPort {
	return l.UDPConn.LocalAddr().(*net.UDPAddr).AddrPort()
}
