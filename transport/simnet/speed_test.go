package simnet_test

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/simnet"
)

// A packet's way through the network allocates nothing once it is warm, with
// loss and without.
func TestHotPath_AllocatesNothing(t *testing.T) {
	for name, l := range map[string]simnet.Link{
		"perfect": {}, "lossy": {Delay: time.Millisecond, Jitter: time.Millisecond, Loss: 0.1, Duplicate: 0.1}, "limited": {Bandwidth: 1e9},
	} {
		synctest.Test(t, func(t *testing.T) {
			n := simnet.New(seed, l)
			defer n.Close()
			s := speaker(t, n.Host("a"), transport.SocketOptions{})
			r := member(t, n.Host("b"), group, transport.SocketOptions{})
			out := []transport.Datagram{{B: make([]byte, 45*1400), Segment: 1400, Addr: group}, {B: make([]byte, 1400), Addr: group}}
			in := make([]transport.Datagram, 16)
			room := make([]byte, 1<<16)
			got := 0
			once := func() {
				for range 10 {
					s.WriteBatch(out)
				}
				time.Sleep(time.Second)
				for range 10 {
					for i := range in {
						in[i].B = room
					}
					k, _ := r.ReadBatch(in[:1])
					got += k
				}
			}
			for range 100 {
				once() // the queues grow to their size
			}
			if a := testing.AllocsPerRun(100, once); a != 0 {
				t.Errorf("%s: %v allocations for 460 packets", name, a)
			}
			if got < 1000 {
				t.Errorf("%s: read %d buffers", name, got)
			}
		})
	}
}

// BenchmarkGroup is one sender and fifteen receivers.
func BenchmarkGroup(b *testing.B) {
	for _, c := range []struct {
		name    string
		link    simnet.Link
		segment int
	}{
		{"Singles", simnet.Link{Delay: time.Millisecond}, 0},
		{"Singles/Loss", simnet.Link{Delay: time.Millisecond, Loss: 0.05}, 0},
		{"Segments", simnet.Link{Delay: time.Millisecond}, 1400},
		{"Segments/Loss", simnet.Link{Delay: time.Millisecond, Loss: 0.05}, 1400},
	} {
		b.Run(c.name, func(b *testing.B) {
			n := simnet.New(seed, c.link)
			defer n.Close()
			for i := range 15 {
				r, err := n.Host(fmt.Sprint("r", i)).OpenGroup(b.Context(), transport.Group{Addr: group, Interface: "sim0"}, transport.SocketOptions{})
				if err != nil {
					b.Fatal(err)
				}
				go drain(r)
			}
			s, err := n.Host("s").OpenUnicast(b.Context(), netip.MustParseAddrPort("0.0.0.0:0"), transport.SocketOptions{Interface: "sim0"})
			if err != nil {
				b.Fatal(err)
			}
			size, packets := 1400, 1
			if c.segment > 0 {
				size, packets = 45*c.segment, 45
			}
			ds := []transport.Datagram{{B: make([]byte, size), Segment: c.segment, Addr: group}}
			b.ReportAllocs()
			b.SetBytes(int64(size))
			sent := 0
			for b.Loop() {
				s.WriteBatch(ds)
				sent += packets
			}
			b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "packets/s")
		})
	}
}

func drain(r transport.PacketConn) {
	ds := make([]transport.Datagram, 16)
	room := make([]byte, len(ds)<<16)
	for {
		for i := range ds {
			ds[i].B = room[i<<16:][:1<<16]
		}
		if _, err := r.ReadBatch(ds); err != nil {
			return
		}
	}
}
