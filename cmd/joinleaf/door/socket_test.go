package door

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/joinleaf/joinleaf/transport"
)

// fakeNet is a host with two interfaces whose sockets are scripts.
type fakeNet struct {
	transport.Network // what is not needed panics

	group   transport.Group
	unicast netip.AddrPort
	options transport.SocketOptions
	conn    *fakeConn
}

func (f *fakeNet) Interfaces() ([]transport.Interface, error) {
	return []transport.Interface{
		{Name: "lo", Index: 1, Up: true, Loopback: true, Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
		{Name: "eth7", Index: 7, Up: true, Multicast: true, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.5/24")}},
	}, nil
}

func (f *fakeNet) Route(netip.Addr) (int, netip.Addr, error) {
	return 7, netip.MustParseAddr("10.0.0.5"), nil
}

func (f *fakeNet) OpenGroup(_ context.Context, g transport.Group, o transport.SocketOptions) (transport.PacketConn, error) {
	f.group, f.options = g, o
	return f.conn, nil
}

func (f *fakeNet) OpenUnicast(_ context.Context, a netip.AddrPort, o transport.SocketOptions) (transport.PacketConn, error) {
	f.unicast, f.options = a, o
	return f.conn, nil
}

// fakeConn reads from a channel and remembers what was written.
type fakeConn struct {
	transport.PacketConn
	in     chan transport.Datagram
	closed chan struct{}
	out    []transport.Datagram
}

func newFakeConn() *fakeConn {
	return &fakeConn{in: make(chan transport.Datagram), closed: make(chan struct{})}
}

func (c *fakeConn) ReadBatch(ds []transport.Datagram) (int, error) {
	select {
	case d := <-c.in:
		n := copy(ds[0].B, d.B)
		d.B = ds[0].B[:n]
		ds[0] = d
		return 1, nil
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

func (c *fakeConn) WriteBatch(ds []transport.Datagram) (int, error) {
	for _, d := range ds {
		d.B = bytes.Clone(d.B)
		c.out = append(c.out, d)
	}
	return len(ds), nil
}

func (c *fakeConn) Close() error { close(c.closed); return nil }

func TestSocket_GroupIsOpenedOnANamedInterface(t *testing.T) {
	for _, c := range []struct{ url, command, want string }{
		{"udp://239.192.1.1:5000", "lo", "lo"},
		{"udp://239.192.1.1:5000?iface=eth7", "lo", "eth7"},
		{"udp://239.192.1.1:5000?localaddr=10.0.0.5", "", "eth7"},
		{"udp://239.192.1.1:5000?iface=1", "", "lo"},
		{"udp://239.192.1.1:5000", "auto", "eth7"}, // as the route says
	} {
		for _, dir := range []Direction{In, Out} {
			e, err := Parse(dir, c.url)
			if err != nil {
				t.Fatal(err)
			}
			f := &fakeNet{conn: newFakeConn()}
			h := House{Network: f, Interface: c.command}
			if _, err := h.open(t.Context(), &e, dir); err != nil {
				t.Fatal(err)
			}
			if got := f.options.Interface; got != c.want {
				t.Errorf("%s, direction %d: opened on %q, want %q", c.url, dir, got, c.want)
			}
			if dir == In && (f.group.Interface != c.want || f.group.Addr != e.Addr) {
				t.Errorf("%s: group %v", c.url, f.group)
			}
			if dir == Out && f.unicast != netip.MustParseAddrPort("0.0.0.0:0") {
				t.Errorf("%s: sends from %v", c.url, f.unicast)
			}
		}
	}
}

func TestSocket_UnknownInterfaceNamesTheOnesThereAre(t *testing.T) {
	e, _ := Parse(In, "udp://239.192.1.1:5000?iface=wlan3")
	_, err := House{Network: &fakeNet{}}.OpenInput(t.Context(), &e)
	if err == nil || !strings.Contains(err.Error(), "no interface wlan3; there are: lo (loopback), eth7") {
		t.Fatal(err)
	}
}

func TestSocketInput_SplitsFiltersAndCounts(t *testing.T) {
	e, err := Parse(In, "udp://127.0.0.1:5000?block=10.0.0.9")
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeNet{conn: newFakeConn()}
	in, err := House{Network: f}.OpenInput(t.Context(), &e)
	if err != nil {
		t.Fatal(err)
	}
	from := func(s, a string, segment int, overflow uint32) {
		f.conn.in <- transport.Datagram{B: []byte(s), Addr: netip.MustParseAddrPort(a), Segment: segment, Overflow: overflow}
	}
	from("too early", "10.0.0.1:9", 0, 70)
	from("too early", "10.0.0.1:9", 0, 75)
	// Only when a datagram has been handed over is the one before it dealt with,
	// so the last before Start is one that is kept out anyway.
	from("blocked", "10.0.0.9:9", 0, 75)
	in.Start()
	from("one", "10.0.0.1:9", 0, 75)
	from("blocked", "10.0.0.9:9", 0, 75)
	from("twothrfo", "10.0.0.1:9", 3, 78)
	var got []string
	p := make([]byte, 100)
	for range 4 {
		n, cut, err := in.Next(t.Context(), p)
		if err != nil || cut.At.IsZero() {
			t.Fatal(err, cut)
		}
		if s := string(p[:n]); s != "too early" {
			got = append(got, s)
		} else {
			t.Fatal("heard what came before Start")
		}
	}
	if s := strings.Join(got, " "); s != "one two thr fo" {
		t.Fatal(s)
	}
	if in.Dropped() != 3 {
		t.Fatalf("dropped %d, want the 3 that the kernel counted since", in.Dropped())
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := in.Next(t.Context(), p); !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
}

func TestSocketInput_SilentForTheTimeoutIsItsEnd(t *testing.T) {
	e, _ := Parse(In, "udp://127.0.0.1:5000?timeout=1ms")
	in, err := House{Network: &fakeNet{conn: newFakeConn()}}.OpenInput(t.Context(), &e)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	in.Start()
	if _, _, err := in.Next(t.Context(), make([]byte, 100)); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
}

func TestSocketOutput_DatagramsStayWholeAndStreamsAreCut(t *testing.T) {
	e, _ := Parse(Out, "udp://127.0.0.1:5000?pkt_size=1400&pace=none")
	f := &fakeNet{conn: newFakeConn()}
	o, err := House{Network: f}.OpenOutput(t.Context(), &e, "")
	if err != nil {
		t.Fatal(err)
	}
	big := make([]byte, 9000)
	for _, p := range []Piece{{B: big, Whole: true}, {B: big[:1500]}, {B: transportStream(10)}, {B: nil, Whole: true}} {
		if err := o.Write(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	var sizes []int
	for _, d := range f.conn.out {
		if d.Addr != e.Addr {
			t.Fatal(d.Addr)
		}
		sizes = append(sizes, len(d.B))
	}
	want := []int{9000, 1400, 100, 1316, 564, 0}
	if len(sizes) != len(want) {
		t.Fatal(sizes)
	}
	for i := range want {
		if sizes[i] != want[i] {
			t.Fatalf("%v, want %v", sizes, want)
		}
	}
}
