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
	unicast transport.PacketConn
	group   transport.PacketConn
	to      netip.AddrPort
	near    []netip.Prefix // who may be answered; nil: everybody
	zone    string         // of link-local addresses, which travel without

	mu sync.Mutex // of sending
	ds [1]transport.Datagram

	budget struct {
		sync.Mutex
		since time.Time
		n     int
	}
	counts wireCounts
}

type wireCounts struct{ sent, sentBytes, heard, far, flood atomic.Uint64 }

// open opens both. The group is joined before anybody is asked anything.
func (w *wires) open(ctx context.Context, c Config, g transport.Group, i transport.Interface) error {
	bind, err := localAddr(i, g.Addr.Addr())
	if err != nil {
		return err
	}
	o := c.socketOptions(g.Interface)
	o.NoOffload = true
	m := membershipGroup(g)
	w.to, w.zone = m.Addr, i.Name
	if c.TTL <= 1 {
		w.near = i.Addrs
	}
	if w.unicast, err = c.Network.OpenUnicast(ctx, bind, o); err != nil {
		return err
	}
	if w.group, err = c.Network.OpenGroup(ctx, m, o); err != nil {
		w.unicast.Close()
		return err
	}
	return nil
}

func (w *wires) close() {
	w.unicast.Close()
	w.group.Close()
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
	if err == nil {
		w.counts.sent.Add(1)
		w.counts.sentBytes.Add(uint64(len(packet)))
	}
	return err
}

// mayHear is the bound of what strangers make this member do.
func (w *wires) mayHear(now time.Time, from netip.AddrPort) bool {
	if w.near != nil && !near(w.near, from.Addr()) {
		w.counts.far.Add(1)
		return false
	}
	b := &w.budget
	b.Lock()
	defer b.Unlock()
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
func (w *wires) read(conn transport.PacketConn, channels *dtls.Endpoint, plain func([]byte, netip.AddrPort), log *slog.Logger) {
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
			w.hand(d, conn == w.group, channels, plain)
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
		switch {
		case dtls.Owns(p) && !group:
			channels.Handle(p, d.Addr)
		case !dtls.Owns(p) && w.mayHear(time.Now(), d.Addr):
			plain(append([]byte(nil), p...), d.Addr)
		}
	}
}
