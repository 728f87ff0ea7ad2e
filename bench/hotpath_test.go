package bench

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
	"github.com/joinleaf/joinleaf/transport/session"
)

// Payload of a full packet at MTU 1500, less the length of the record.
const payload = 1384 - 2

// station is a member on loopback with its own keys and sockets.
type station struct {
	ring *crypto.Ring
	s    *session.Session
	addr netip.AddrPort
}

// hall makes the keys of one session and its members.
type hall struct {
	b     *testing.B
	group transport.Group
	o     transport.SocketOptions
	id    crypto.SessionID
	epoch *crypto.Epoch
	class flow.Class
}

func newHall(b *testing.B, port uint16, offload bool, class flow.Class) *hall {
	b.Helper()
	h := &hall{b: b, class: class, o: transport.SocketOptions{Interface: "lo", NoOffload: !offload}}
	h.group = transport.Group{Addr: netip.AddrPortFrom(netip.MustParseAddr("239.192.200.1"), port), Interface: "lo"}
	var err error
	if h.id, err = crypto.NewSessionID(); err == nil {
		h.epoch, err = crypto.FirstEpoch(h.id, [32]byte{}, crypto.Roster([]uint32{1}))
	}
	if err != nil {
		b.Fatal(err)
	}
	return h
}

// member opens member id; hears says whether it joins the group.
func (h *hall) member(id uint32, hears bool) *station {
	h.b.Helper()
	ctx, n := context.Background(), transport.Kernel{}
	ring, err := crypto.NewRing(crypto.RingConfig{Session: h.id, Self: id, Group: h.group.Addr})
	if err == nil {
		err = ring.Add(h.epoch)
	}
	if err == nil {
		err = ring.Activate(h.epoch.Number())
	}
	if err == nil {
		err = ring.Admit(1)
	}
	if err == nil {
		err = ring.Admit(2)
	}
	if err != nil {
		h.b.Fatal(err)
	}
	c := session.Config{
		Self: id, Sealer: ring, GroupAddr: h.group.Addr, Symbol: flow.SymbolSize(1500, ring.Overhead(), false),
		Streams: []flow.Class{h.class}, ReceiveOnly: hears,
	}
	if c.Unicast, err = n.OpenUnicast(ctx, netip.MustParseAddrPort("127.0.0.1:0"), h.o); err != nil {
		h.b.Skipf("no socket: %v", err)
	}
	if hears {
		if c.Group, err = n.OpenGroup(ctx, h.group, h.o); err != nil {
			h.b.Skipf("no group: %v", err)
		}
	}
	s, err := session.New(c)
	if err != nil {
		h.b.Fatal(err)
	}
	h.b.Cleanup(func() { s.Close() })
	return &station{ring, s, c.Unicast.LocalAddr()}
}

func report(b *testing.B, packets int) {
	sec := b.Elapsed().Seconds()
	b.ReportMetric(float64(packets)/sec, "packets/s")
	b.ReportMetric(float64(packets)*payload*8/sec/1e9, "Gbit/s")
}

// BenchmarkSealSend is the way out: message to sealed batch to the system. No
// one listens.
func BenchmarkSealSend(b *testing.B) {
	for name, offload := range map[string]bool{"offload": true, "plain": false} {
		b.Run(name, func(b *testing.B) {
			m := newHall(b, 7201, offload, flow.BestEffort).member(1, false)
			ctx, p := context.Background(), make([]byte, payload)
			b.ReportAllocs()
			b.SetBytes(payload)
			for b.Loop() {
				if err := m.s.Send(ctx, 0, p); err != nil {
					b.Fatal(err)
				}
			}
			report(b, b.N)
		})
	}
}

// BenchmarkReceiveOpen is the way in, from the system to the message, with a
// sender in the same process that keeps it busy.
func BenchmarkReceiveOpen(b *testing.B) {
	for name, offload := range map[string]bool{"offload": true, "plain": false} {
		for class, c := range map[string]flow.Class{"reliable": flow.Reliable, "best-effort": flow.BestEffort} {
			b.Run(name+"/"+class, func(b *testing.B) { receiveOpen(b, offload, c) })
		}
	}
}

func receiveOpen(b *testing.B, offload bool, class flow.Class) {
	h := newHall(b, 7202, offload, class)
	from, to := h.member(1, false), h.member(2, true)
	edges := from.s.AddMember(2, to.addr, flow.Admission{RTT: time.Millisecond})
	if err := to.s.AdmitSender(1, from.addr, edges); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p := make([]byte, payload)
		for from.s.Send(ctx, 0, p) == nil && ctx.Err() == nil {
		}
	}()
	p := make([]byte, 64<<10)
	b.ReportAllocs()
	b.SetBytes(payload)
	missed := uint64(0)
	for b.Loop() {
		m, err := to.s.Recv(ctx, p)
		if err != nil {
			b.Fatal(err)
		}
		missed += m.Missed
	}
	report(b, b.N)
	b.ReportMetric(float64(missed)/float64(b.N)*100, "%missed")
	cancel()
	from.s.Close()
	<-done
}
