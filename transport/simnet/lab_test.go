package simnet_test

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const seed = 20260731

var group = netip.MustParseAddrPort("239.192.7.1:7000")

// inBubble runs a story on a new network in a bubble, closes it and checks its
// books.
func inBubble(t *testing.T, l simnet.Link, story func(t *testing.T, n *simnet.Net)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(seed, l)
		defer func() {
			if t.Failed() {
				t.Logf("seed %d; %v", uint64(seed), n.Stats())
			}
		}()
		defer check(t, n)
		defer n.Close()
		story(t, n)
	})
}

func check(t *testing.T, n *simnet.Net) {
	t.Helper()
	if err := n.Stats().Check(); err != nil {
		t.Error(err)
	}
}

func member(t *testing.T, h *simnet.Host, g netip.AddrPort, o transport.SocketOptions) transport.PacketConn {
	t.Helper()
	c, err := h.OpenGroup(t.Context(), transport.Group{Addr: g, Interface: "sim0"}, o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func speaker(t *testing.T, h *simnet.Host, o transport.SocketOptions) transport.PacketConn {
	t.Helper()
	if o.Interface == "" {
		o.Interface = "sim0"
	}
	c, err := h.OpenUnicast(t.Context(), netip.AddrPortFrom(h.Addr(), 0), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// an ear keeps what a socket reads, until the socket is closed.
type ear struct {
	packets [][]byte
	at      []time.Duration // when each was read, since the ear began
	buffers []transport.Datagram
}

// listen reads c in a goroutine. Look at the ear after synctest.Wait only.
func listen(c transport.PacketConn) *ear {
	e := &ear{}
	began := time.Now()
	go func() {
		ds := make([]transport.Datagram, 16)
		room := make([]byte, len(ds)<<16)
		for {
			for i := range ds {
				ds[i] = transport.Datagram{B: room[i<<16:][:1<<16]}
			}
			n, err := c.ReadBatch(ds)
			if err != nil {
				return
			}
			for _, d := range ds[:n] {
				e.keep(d, time.Since(began))
			}
		}
	}()
	return e
}

func (e *ear) keep(d transport.Datagram, at time.Duration) {
	whole := d
	whole.B = nil
	e.buffers = append(e.buffers, whole)
	for rest, first := d.B, true; first || len(rest) > 0; first = false {
		n := len(rest)
		if d.Segment > 0 {
			n = min(n, d.Segment)
		}
		e.packets = append(e.packets, append([]byte(nil), rest[:n]...))
		e.at = append(e.at, at)
		rest = rest[n:]
	}
}

// numbers are the packets that numbered made, in order of arrival.
func (e *ear) numbers() (ns []int) {
	for _, p := range e.packets {
		ns = append(ns, int(binary.BigEndian.Uint32(p)))
	}
	return ns
}

// numbered are count packets of size bytes, back to back, from number first.
func numbered(first, count, size int) []byte {
	b := make([]byte, count*size)
	for i := range count {
		binary.BigEndian.PutUint32(b[i*size:], uint32(first+i))
	}
	return b
}

// say writes count numbered packets, each a Datagram.
func say(t *testing.T, c transport.PacketConn, to netip.AddrPort, first, count, size int) {
	t.Helper()
	for i := range count {
		write(t, c, transport.Datagram{B: numbered(first+i, 1, size), Addr: to})
	}
}

func write(t *testing.T, c transport.PacketConn, ds ...transport.Datagram) {
	t.Helper()
	if n, err := c.WriteBatch(ds); n != len(ds) || err != nil {
		t.Fatalf("WriteBatch = %d, %v; want %d", n, err, len(ds))
	}
}

// after lets time pass, and everything come to rest.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func wantCode(t *testing.T, what string, err error, c transport.Code) {
	t.Helper()
	if transport.CodeOf(err) != c {
		t.Errorf("%s: %v; want %s", what, err, c.Name())
	}
}
