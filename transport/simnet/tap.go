package simnet

import (
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// Packet is one copy of one packet, as somebody who listens at the wire sees
// it. To is empty for one that found no host; From is "outside" for one that
// was injected.
type Packet struct {
	At       time.Duration // since New
	From, To string        // hosts
	Src, Dst netip.AddrPort
	B        []byte // only until the hook returns
	Fate     Drop   // zero: delivered
}

// Tap calls hook for each copy of each packet when its fate is settled, in the
// same order each time that a bubble runs with the same seed. The hook runs in
// the network's goroutine, without a lock: it may Inject, cut links and count,
// but must not wait. A nil hook ends it.
func (n *Net) Tap(hook func(Packet)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tap = hook
}

// Filter decides over each copy before its link does: false drops it. The
// function runs under the network's lock and must not call the network. Nil
// lets everything pass.
func (n *Net) Filter(pass func(Packet) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.filter = pass
}

// Event is something that happened, for traces: comparable, and the same each
// time that a bubble runs with the same seed.
type Event struct {
	At       time.Duration
	What     What
	From, To string
	Src, Dst netip.AddrPort
	Size     int
	Fate     Drop // of a Datagram
}

// What says what kind of Event it is.
type What uint8

// The kinds of events.
const (
	DatagramEnded What = iota + 1 // a copy of a packet was delivered or dropped
	StreamOpened                  // a dialer got its connection
	StreamArrived                 // Size more bytes arrived
	StreamReset                   // a connection was reset
)

// Trace calls hook for each event, as Tap does.
func (n *Net) Trace(hook func(Event)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.trace = hook
}

func (n *Net) view(p *pair, pk *packet, one run, fate Drop) Packet {
	v := Packet{At: time.Duration(one.at), From: p.from.host.name, Src: pk.src, Dst: pk.dst, B: pk.b[one.lo:one.hi:one.hi], Fate: fate}
	if p.to != nil {
		v.To = p.to.host.name
	}
	return v
}

// tell queues the hooks' calls for each packet of r.
func (n *Net) tell(p *pair, pk *packet, r run, fate Drop) {
	if n.tap == nil && n.trace == nil {
		return
	}
	tap, trace := n.tap, n.trace
	pk.split(r, func(one run) {
		v := n.view(p, pk, one, fate)
		pk.hold()
		n.calls = append(n.calls, func() {
			if trace != nil {
				trace(Event{v.At, DatagramEnded, v.From, v.To, v.Src, v.Dst, len(v.B), fate})
			}
			if tap != nil {
				tap(v)
			}
			pk.release()
		})
	})
}

// tellStream queues the trace of a stream's event.
func (n *Net) tellStream(at int64, what What, from, to *conn, size int) {
	if trace := n.trace; trace != nil {
		e := Event{At: time.Duration(at), What: what, From: from.host.name, To: to.host.name, Src: from.local, Dst: to.local, Size: size}
		n.calls = append(n.calls, func() { trace(e) })
	}
}

// Inject puts a packet on the wire with any source address: junk, a replay, a
// forgery. It reaches whom its destination reaches, on every segment and by
// perfect links; partitions do not stop it, downlinks and filters do.
func (n *Net) Inject(from, to netip.AddrPort, b []byte) error {
	to = netip.AddrPortFrom(to.Addr().Unmap().WithZone(""), to.Port())
	if !from.IsValid() || !to.IsValid() || to.Port() == 0 {
		return fail("inject", transport.WSAEADDRNOTAVAIL, "from and to need addresses, and to a port")
	}
	if len(b) > maxUDP {
		return fail("inject", transport.WSAEMSGSIZE, "%d bytes; a datagram holds %d", len(b), maxUDP)
	}
	p := n.pool.take(b, 0)
	p.src, p.dst, p.from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), to, n.outside
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.outside.host.gone("inject", transport.Group{}); err != nil {
		p.release()
		return err
	}
	n.injected.put(p)
	return nil
}
