package simnet

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"github.com/joinleaf/joinleaf/transport"
)

// listener takes streams in.
type listener struct {
	host    *Host
	local   netip.AddrPort // :: stands for all addresses of both families
	closed  bool
	queue   fifo[*conn]
	pending int // on their way into the queue
	ready   sync.Cond
}

const defaultBacklog = 128

// Listen opens a listener. An invalid address or :: stands for all addresses
// of both families, 0.0.0.0 for those of IPv4.
func (h *Host) Listen(ctx context.Context, local netip.AddrPort) (net.Listener, error) {
	a, port := local.Addr().Unmap().WithZone(""), local.Port()
	if !a.IsValid() {
		a = netip.IPv6Unspecified()
	}
	op := "listen on " + netip.AddrPortFrom(a, port).String()
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if err := h.gone(op, transport.Group{}); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, transport.Explain(op, transport.Group{}, err)
	}
	if !h.owns(a) {
		return nil, fail(op, transport.WSAEADDRNOTAVAIL, "%v is no address of host %s", a, h.name)
	}
	if port == 0 {
		port, _ = freePort(&h.nextTCP, h.tcpTaken)
	}
	for _, other := range h.listeners[port] {
		if both(a) || both(other.local.Addr()) || overlap(a, other.local.Addr()) {
			return nil, fail(op, transport.WSAEADDRINUSE, "TCP port %d is taken; choose another port, or 0 for any", port)
		}
	}
	if port == 0 || h.tcpPorts[port] > 0 && len(h.listeners[port]) == 0 && h.dialedFrom(port) {
		return nil, fail(op, transport.WSAEADDRINUSE, "TCP port %d is taken; choose another port, or 0 for any", port)
	}
	l := &listener{host: h, local: netip.AddrPortFrom(a, port)}
	l.ready.L = &h.net.mu
	h.listeners[port] = append(h.listeners[port], l)
	return l, nil
}

func both(a netip.Addr) bool { return a == netip.IPv6Unspecified() }

// dialedFrom tells whether a stream that this host dialed has the port.
// Streams that an earlier listener accepted do not stand in the way.
func (h *Host) dialedFrom(port uint16) bool {
	for _, d := range h.dials {
		if d.local.Port() == port {
			return true
		}
	}
	for _, c := range h.conns {
		if c.local.Port() == port && c.accepting.fire == nil {
			return true
		}
	}
	return false
}

// listening finds the listener for an address.
func (h *Host) listening(at netip.AddrPort) *listener {
	for _, l := range h.listeners[at.Port()] {
		if both(l.local.Addr()) || overlap(l.local.Addr(), at.Addr()) {
			return l
		}
	}
	return nil
}

// full: a listener that nobody accepts from answers no more, and dialers try
// again.
func (l *listener) full() bool {
	most := l.host.config.Backlog
	if most == 0 {
		most = defaultBacklog
	}
	return l.queue.len()+l.pending >= most
}

// offer puts a connection into the queue.
func (l *listener) offer(c *conn) {
	l.pending--
	if l.closed {
		c.abort()
		return
	}
	l.queue.push(c)
	l.ready.Signal()
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	mu := &l.host.net.mu
	mu.Lock()
	defer mu.Unlock()
	for {
		err := l.host.gone("accept", transport.Group{})
		if err == nil && l.closed {
			err = net.ErrClosed
		}
		if err != nil {
			return nil, &net.OpError{Op: "accept", Net: "tcp", Addr: l.Addr(), Err: err}
		}
		if l.queue.len() > 0 && !l.host.paused {
			return l.queue.pop(), nil
		}
		l.ready.Wait()
	}
}

// Close ends Accept. Connections that nobody accepted are reset.
func (l *listener) Close() error {
	l.host.net.mu.Lock()
	defer l.host.net.mu.Unlock()
	if l.closed {
		return &net.OpError{Op: "close", Net: "tcp", Addr: l.Addr(), Err: net.ErrClosed}
	}
	list := l.host.listeners[l.local.Port()]
	for i, other := range list {
		if other == l {
			l.host.listeners[l.local.Port()] = append(list[:i:i], list[i+1:]...)
		}
	}
	l.shut()
	for l.queue.len() > 0 {
		l.queue.pop().abort()
	}
	return nil
}

func (l *listener) shut() {
	l.closed = true
	l.ready.Broadcast()
}

func (l *listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }
