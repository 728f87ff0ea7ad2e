package transport

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// talk is a sender and a receiver on lo: of a group of this process, or of
// ::1, since lo carries no IPv6 groups.
type talk struct {
	from, to *batchConn
	dst      netip.AddrPort
}

func newTalk(t *testing.T, ipv6 bool, o SocketOptions) talk {
	t.Helper()
	o.Interface = "lo"
	var to PacketConn
	var err error
	local, pid := "127.0.0.1", os.Getpid()
	group := netip.AddrFrom4([4]byte{239, 195, byte(pid >> 8), byte(pid)})
	g := Group{Addr: netip.AddrPortFrom(group, 17411), Interface: "lo"}
	if ipv6 {
		local = "::1"
		to, err = Kernel{}.OpenUnicast(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(local), 0), o)
	} else {
		to, err = Kernel{}.OpenGroup(t.Context(), g, o)
	}
	if err != nil {
		t.Fatal(err)
	}
	from, err := Kernel{}.OpenUnicast(t.Context(), netip.AddrPortFrom(netip.MustParseAddr(local), 0), o)
	if err != nil {
		to.Close()
		t.Fatal(err)
	}
	giveUp := time.AfterFunc(10*time.Second, func() { to.Close() }) // a lost packet fails the test, it does not hang it
	t.Cleanup(func() { giveUp.Stop(); from.Close(); to.Close() })
	return talk{from.(*batchConn), to.(*batchConn), to.LocalAddr()}
}

// read reads until so many bytes have come, and returns the packets.
func (k talk) read(t *testing.T, ds []Datagram, total int) (packets []int) {
	t.Helper()
	for got := 0; got < total; {
		for i := range ds {
			ds[i] = Datagram{B: ds[i].B[:cap(ds[i].B)]}
		}
		n, err := k.to.ReadBatch(ds)
		if err != nil {
			t.Fatalf("%d of %d bytes arrived: %v", got, total, err)
		}
		for _, d := range ds[:n] {
			got += len(d.B)
			for rest := len(d.B); rest > 0; {
				p := rest
				if d.Segment > 0 {
					p = min(p, d.Segment)
				}
				packets = append(packets, p)
				rest -= p
			}
		}
	}
	return packets
}

func room(n int) []Datagram {
	ds := make([]Datagram, n)
	for i := range ds {
		ds[i].B = make([]byte, 1<<16)
	}
	return ds
}

func TestBatch_AllocatesNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		ipv6 bool
		o    SocketOptions
		ds   []Datagram
	}{
		{"segments", false, SocketOptions{}, []Datagram{{B: make([]byte, 44*1448), Segment: 1448}}},
		{"segments, no offload", false, SocketOptions{NoOffload: true}, []Datagram{{B: make([]byte, 44*1448), Segment: 1448}}},
		{"plain batch", false, SocketOptions{}, []Datagram{{B: make([]byte, 100)}, {B: make([]byte, 200)}, {B: make([]byte, 300)}}},
		{"segments, IPv6", true, SocketOptions{}, []Datagram{{B: make([]byte, 20*1000), Segment: 1000}, {B: make([]byte, 10)}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newTalk(t, c.ipv6, c.o)
			total := 0
			for i := range c.ds {
				c.ds[i].Addr = k.dst
				total += len(c.ds[i].B)
			}
			in := room(8)
			allocs := testing.AllocsPerRun(300, func() {
				if n, err := k.from.WriteBatch(c.ds); n != len(c.ds) || err != nil {
					t.Fatalf("WriteBatch = %d, %v", n, err)
				}
				for got := 0; got < total; {
					for i := range in {
						in[i].B = in[i].B[:cap(in[i].B)]
					}
					n, err := k.to.ReadBatch(in)
					if err != nil {
						t.Fatalf("after %d of %d bytes: %v", got, total, err)
					}
					for i := range in[:n] {
						got += len(in[i].B)
					}
				}
			})
			if allocs != 0 {
				t.Errorf("%v allocations for a batch sent and received; want none", allocs)
			}
		})
	}
}

func TestBatch_OffloadReadsSegmentsInOneBuffer(t *testing.T) {
	k := newTalk(t, false, SocketOptions{})
	if i := k.to.Info(); !i.ReceiveOffload || !i.SegmentOffload {
		t.Skipf("this kernel has no UDP offload: %+v", i)
	}
	b := bytes.Repeat([]byte{7}, 30*1000+1)
	if n, err := k.from.WriteBatch([]Datagram{{B: b, Segment: 1000, Addr: k.dst}}); n != 1 || err != nil {
		t.Fatalf("WriteBatch = %d, %v", n, err)
	}
	in := room(4)
	n, err := k.to.ReadBatch(in)
	if err != nil || n != 1 || len(in[0].B) != len(b) || in[0].Segment != 1000 {
		t.Errorf("ReadBatch = %d, %v: %d bytes in segments of %d; want one buffer of %d in segments of 1000", n, err, len(in[0].B), in[0].Segment, len(b))
	}
}

// A socket without UDP checksums may not segment: the kernel answers EINVAL,
// as it answers EIO where the device cannot do checksums.
func TestBatch_RefusedSegmentsGoPlainFromThenOn(t *testing.T) {
	k := newTalk(t, false, SocketOptions{})
	if !k.from.Info().SegmentOffload {
		t.Skip("this kernel has no UDP_SEGMENT")
	}
	setNoChecksums(t, k.from)
	in := room(8)
	for range 2 {
		n, err := k.from.WriteBatch([]Datagram{
			{B: make([]byte, 50), Addr: k.dst},
			{B: make([]byte, 10*500+3), Segment: 500, Addr: k.dst},
			{B: make([]byte, 3*400), Segment: 400, Addr: k.dst},
		})
		if n != 3 || err != nil {
			t.Fatalf("WriteBatch = %d, %v; want 3, nil", n, err)
		}
		if got := k.read(t, in, 50+5003+1200); len(got) != 1+11+3 {
			t.Errorf("packets of %v bytes arrived; want 50, ten of 500, 3, three of 400", got)
		}
		if k.from.Info().SegmentOffload {
			t.Error("Info still promises segmentation after it was refused")
		}
	}
}

// An error that has nothing to do with segments leaves offload on.
func TestBatch_OtherErrorsLeaveOffloadOn(t *testing.T) {
	k := newTalk(t, false, SocketOptions{})
	if !k.from.Info().SegmentOffload {
		t.Skip("this kernel has no UDP_SEGMENT")
	}
	nowhere := netip.MustParseAddrPort("0.0.0.1:9") // EINVAL whether segmented or not
	n, err := k.from.WriteBatch([]Datagram{{B: make([]byte, 3000), Segment: 1000, Addr: nowhere}})
	if n != 0 || err == nil {
		t.Fatalf("WriteBatch to %v = %d, %v; want an error", nowhere, n, err)
	}
	if !k.from.Info().SegmentOffload {
		t.Errorf("offload is off after %v", err)
	}
}

func setNoChecksums(t *testing.T, c *batchConn) {
	t.Helper()
	var failed error
	if err := c.raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1)
	}); err != nil || failed != nil {
		t.Fatal(err, failed)
	}
}

func TestBatch_RefusesWhatHasNoDestination(t *testing.T) {
	k := newTalk(t, false, SocketOptions{})
	for _, c := range []struct {
		to   netip.AddrPort
		code Code
	}{
		{netip.AddrPort{}, WSAEADDRNOTAVAIL},
		{netip.MustParseAddrPort("127.0.0.1:0"), WSAEADDRNOTAVAIL},
		{netip.MustParseAddrPort("[::1]:9"), WSAEAFNOSUPPORT},
	} {
		n, err := k.from.WriteBatch([]Datagram{{B: []byte("one"), Addr: k.dst}, {B: []byte("two"), Addr: c.to}})
		if n != 1 || CodeOf(err) != c.code {
			t.Errorf("to %v: %d, %v; want 1 sent and %s", c.to, n, err, c.code.Name())
		}
	}
}

// FuzzReadControl: whatever stands in the control buffer, reading it does not
// panic, and a segment is never longer than the data.
func FuzzReadControl(f *testing.F) {
	one := func(level, kind int32, data ...byte) []byte {
		b := make([]byte, unix.CmsgSpace(len(data)))
		binary.NativeEndian.PutUint64(b, uint64(unix.CmsgLen(len(data))))
		binary.NativeEndian.PutUint32(b[unix.SizeofCmsghdr-8:], uint32(level))
		binary.NativeEndian.PutUint32(b[unix.SizeofCmsghdr-4:], uint32(kind))
		copy(b[unix.SizeofCmsghdr:], data)
		return b
	}
	f.Add(one(unix.SOL_UDP, unix.UDP_GRO, 0xe8, 3, 0, 0), 2000)
	f.Add(append(one(unix.IPPROTO_IP, unix.IP_PKTINFO, make([]byte, 12)...), one(unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1, 2, 3, 4)...), 10)
	f.Add(one(unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, make([]byte, 20)...), 0)
	f.Add([]byte{1}, 1)
	f.Add(bytes.Repeat([]byte{255}, 128), 1)
	r := newReader()
	data := make([]byte, 1<<16)
	f.Fuzz(func(t *testing.T, control []byte, n int) {
		raw := make([]byte, len(r.ctls[0])*8)
		r.hdrs[0].hdr.SetControllen(min(copy(raw, control), len(raw)))
		for i := range r.ctls[0] {
			r.ctls[0][i] = binary.NativeEndian.Uint64(raw[i*8:])
		}
		d := Datagram{B: data[:min(max(n, 0), len(data))]}
		r.control(0, &d)
		if d.Segment < 0 || d.Segment > len(d.B) {
			t.Errorf("a segment of %d bytes in %d", d.Segment, len(d.B))
		}
	})
}
