package nonrooted

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/joinleaf/joinleaf/crypto/dtls"
	"github.com/joinleaf/joinleaf/transport"
)

// plainRate is how many plain packets a second are looked at at all. A session
// of 256 that begins at once says some four hundred in its busiest second.
const plainRate = 500

// wires are the membership's two sockets: one hears the group's membership port,
// one sends everything and hears what is sent to this member alone.
type wires struct {
	to   netip.AddrPort
	zone string // of link-local addresses, which travel without

	mu      sync.Mutex
	unicast transport.PacketConn
	group   transport.PacketConn
	failed  bool // the last packet could not be sent
	ds      [1]transport.Datagram

	budget struct {
		sync.Mutex
		near  []netip.Prefix // who may be answered; nil: everybody
		since time.Time
		n     int
	}
	counts wireCounts
}

type wireCounts struct{ sent, sentBytes, heard, shared, far, flood atomic.Uint64 } // shared: heard by the group's socket

// open opens both. The group is joined before anybody is asked anything.
func (w *wires) open(ctx context.Context, c Config, g transport.Group, i transport.Interface) error {
	bind, err := localAddr(i, g.Addr.Addr())
	if err != nil {
		return err
	}
	o := c.socketOptions(g.Interface)
	o.NoOffload = true
	m := membershipGroup(g)
	if w.zone == "" { // the same ever after
		w.to, w.zone = m.Addr, i.Name
	}
	if c.TTL <= 1 {
		w.budget.Lock()
		w.budget.near = i.Addrs
		w.budget.Unlock()
	}
	unicast, err := c.Network.OpenUnicast(ctx, bind, o)
	if err != nil {
		return err
	}
	group, err := c.Network.OpenGroup(ctx, m, o)
	if err != nil {
		unicast.Close()
		return err
	}
	w.mu.Lock()
	w.unicast, w.group, w.failed = unicast, group, false
	w.mu.Unlock()
	return nil
}

// now is the sockets as they are: they change when an interface is made anew.
func (w *wires) now() (unicast, group transport.PacketConn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.unicast, w.group
}

func (w *wires) local() netip.AddrPort {
	unicast, _ := w.now()
	return unicast.LocalAddr()
}

func (w *wires) close() {
	unicast, group := w.now()
	unicast.Close()
	group.Close()
}

// zoned is an address from a roster as this host writes it.
func (w *wires) zoned(a netip.AddrPort) netip.AddrPort {
	if ip := a.Addr(); ip.Is6() && ip.IsLinkLocalUnicast() && ip.Zone() == "" {
		return netip.AddrPortFrom(ip.WithZone(w.zone), a.Port())
	}
	return a
}

func (w *wires) send(packet []byte, to netip.AddrPort) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ds[0] = transport.Datagram{B: packet, Addr: to}
	_, err := w.unicast.WriteBatch(w.ds[:])
	if w.failed = err != nil; err == nil {
		w.counts.sent.Add(1)
		w.counts.sentBytes.Add(uint64(len(packet)))
	}
	return err
}

// mayHear is the bound of what strangers make this member do.
func (w *wires) mayHear(now time.Time, from netip.AddrPort) bool {
	b := &w.budget
	b.Lock()
	defer b.Unlock()
	if b.near != nil && !near(b.near, from.Addr()) {
		w.counts.far.Add(1)
		return false
	}
	if now.Sub(b.since) >= time.Second {
		b.since, b.n = now, 0
	}
	if b.n++; b.n > plainRate {
		w.counts.flood.Add(1)
		return false
	}
	return true
}

func near(ps []netip.Prefix, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range ps {
		if p.Masked().Contains(a) || a.Is6() && a.IsLinkLocalUnicast() {
			return true
		}
	}
	return false
}

// read hands on what one socket hears, until that is closed.
func (w *wires) read(conn transport.PacketConn, group bool, channels *dtls.Endpoint, plain func([]byte, netip.AddrPort), log *slog.Logger) {
	const room, batch = 4 << 10, 16
	buf := make([]byte, room*batch)
	ds := make([]transport.Datagram, batch)
	for {
		for i := range ds {
			ds[i] = transport.Datagram{B: buf[i*room : (i+1)*room]}
		}
		n, err := conn.ReadBatch(ds)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			log.Debug("reading fails; going on", "socket", conn.LocalAddr(), "cause", err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		for _, d := range ds[:n] {
			w.hand(d, group, channels, plain)
		}
	}
}

// hand gives each packet to who it is for. Channels are not spoken of to groups.
func (w *wires) hand(d transport.Datagram, group bool, channels *dtls.Endpoint, plain func([]byte, netip.AddrPort)) {
	step := d.Segment
	if step <= 0 {
		step = len(d.B)
	}
	for b := d.B; len(b) > 0; {
		p := b[:min(step, len(b))]
		b = b[len(p):]
		w.counts.heard.Add(1)
		if group {
			w.counts.shared.Add(1)
		}
		switch {
		case dtls.Owns(p) && !group:
			channels.Handle(p, d.Addr)
		case !dtls.Owns(p) && w.mayHear(time.Now(), d.Addr):
			plain(append([]byte(nil), p...), d.Addr)
		}
	}
}
