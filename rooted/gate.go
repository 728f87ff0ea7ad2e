package rooted

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Bounds of connections that have not proven who they are.
const (
	unprovenAll  = 256
	unprovenHost = 8               // of one address, in IPv6 of one /64
	provenWithin = 5 * time.Second // TLS and proofs
)

// gate holds the connections whose handshake runs. There are never too many:
// the oldest gives way to the newest, of its own address first, since an honest
// handshake takes milliseconds and only an idle one grows old. Nobody waits in
// line behind it.
type gate struct {
	mu      sync.Mutex
	order   list.List // *unproven, oldest first
	hosts   map[netip.Prefix]int
	closed  bool
	pushed  uint64 // closed to make room
	refused uint64 // not proven
}

type unproven struct {
	conn net.Conn
	host netip.Prefix
	at   *list.Element
}

// enter lets a connection in, at the expense of an older one if need be. It
// returns nil once the gate is closed.
func (g *gate) enter(conn net.Conn) *unproven {
	u := &unproven{conn: conn, host: hostOf(conn.RemoteAddr())}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil
	}
	if g.hosts == nil {
		g.hosts = make(map[netip.Prefix]int)
	}
	if g.hosts[u.host] >= unprovenHost {
		g.push(func(o *unproven) bool { return o.host == u.host })
	} else if g.order.Len() >= unprovenAll {
		g.push(func(*unproven) bool { return true })
	}
	u.at = g.order.PushBack(u)
	g.hosts[u.host]++
	return u
}

// push closes the oldest connection that fits.
func (g *gate) push(fits func(*unproven) bool) {
	for e := g.order.Front(); e != nil; e = e.Next() {
		if o := e.Value.(*unproven); fits(o) {
			g.remove(o)
			o.conn.Close()
			g.pushed++
			return
		}
	}
}

// leave takes a connection out: it is proven, or over.
func (g *gate) leave(u *unproven) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.remove(u)
}

func (g *gate) remove(u *unproven) {
	if u.at == nil {
		return
	}
	g.order.Remove(u.at)
	u.at = nil
	if g.hosts[u.host]--; g.hosts[u.host] == 0 {
		delete(g.hosts, u.host)
	}
}

// close ends all handshakes.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for e := g.order.Front(); e != nil; e = e.Next() {
		e.Value.(*unproven).conn.Close()
	}
}

func (g *gate) counts() (pushed, refused uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.pushed, g.refused
}

// hostOf is what counts as one address.
func hostOf(a net.Addr) netip.Prefix {
	var addr netip.Addr
	switch t := a.(type) {
	case *net.TCPAddr:
		addr = t.AddrPort().Addr()
	default:
		if ap, err := netip.ParseAddrPort(a.String()); err == nil {
			addr = ap.Addr()
		}
	}
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	p, _ := addr.Prefix(bits)
	return p
}

// refuse counts a connection that did not prove itself.
func (g *gate) refuse() {
	g.mu.Lock()
	g.refused++
	g.mu.Unlock()
}
