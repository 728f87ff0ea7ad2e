package joinleaf

import (
	"context"
	"net"
	"net/netip"
	"sync"

	"github.com/joinleaf/joinleaf/transport"
)

// view is the network as one socket's session sees it: streams come from the
// socket's name and can be cut off, and a c_root's control listener is closed to
// the world until the socket listens (R73).
type view struct {
	transport.Network
	from netip.AddrPort // dialled from; the port only where it is free
	door *door          // c_root; nil: listening is done at once

	mu    sync.Mutex
	conns map[net.Conn]struct{}
	cut   bool
}

func newView(n transport.Network, from netip.AddrPort) *view {
	return &view{Network: n, from: from, conns: make(map[net.Conn]struct{})}
}

// Dial comes from the socket's own port, so that the other side sees its name.
// While an earlier connection still has that, it is another port.
func (v *view) Dial(ctx context.Context, _, remote netip.AddrPort) (net.Conn, error) {
	from := v.from
	if v.door != nil {
		from = netip.AddrPortFrom(from.Addr(), 0) // a c_root calls many, and may listen there
	}
	if from.Addr().IsUnspecified() && from.Port() == 0 {
		from = netip.AddrPort{}
	}
	c, err := v.Network.Dial(ctx, from, remote)
	if code := transport.CodeOf(err); from.Port() != 0 && (code == transport.WSAEADDRINUSE || code == transport.WSAEADDRNOTAVAIL) {
		from = netip.AddrPortFrom(from.Addr(), 0)
		if from.Addr().IsUnspecified() {
			from = netip.AddrPort{}
		}
		c, err = v.Network.Dial(ctx, from, remote)
	}
	if err != nil {
		return nil, err
	}
	return v.watch(c), nil
}

// Listen gives a c_root its door, others a listener.
func (v *view) Listen(ctx context.Context, local netip.AddrPort) (net.Listener, error) {
	if v.door != nil {
		v.door.addr = net.TCPAddrFromAddrPort(local)
		return v.door, nil
	}
	l, err := v.Network.Listen(ctx, local)
	if err != nil {
		return nil, err
	}
	return watched{l, v}, nil
}

// open lets the door of a c_root be knocked at.
func (v *view) open(ctx context.Context, at netip.AddrPort) error {
	l, err := v.Network.Listen(ctx, at)
	if err != nil {
		return err
	}
	v.door.open(watched{l, v})
	return nil
}

// watch notes a stream, to be cut off by abort.
func (v *view) watch(c net.Conn) net.Conn {
	w := &stream{Conn: c, v: v}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.cut {
		c.Close()
	}
	v.conns[w] = struct{}{}
	return w
}

// abort cuts every stream off without a word: the other sides see a reset
// (R223).
func (v *view) abort() {
	v.mu.Lock()
	var all []net.Conn
	for c := range v.conns {
		all = append(all, c)
	}
	v.cut = true
	v.mu.Unlock()
	for _, c := range all {
		c.(*stream).reset()
	}
}

// stream is a control connection that its view knows of.
type stream struct {
	net.Conn
	v *view
}

func (s *stream) Close() error {
	s.v.mu.Lock()
	delete(s.v.conns, s)
	s.v.mu.Unlock()
	return s.Conn.Close()
}

// CloseWrite is for TLS, which asks for it.
func (s *stream) CloseWrite() error {
	if c, ok := s.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

func (s *stream) reset() {
	if c, ok := s.Conn.(*net.TCPConn); ok {
		c.SetLinger(0)
	}
	s.Close()
}

type watched struct {
	net.Listener
	v *view
}

func (w watched) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return w.v.watch(c), nil
}

// door is a listener that nobody can reach before it is opened.
type door struct {
	addr   net.Addr
	opened chan struct{}
	shut   chan struct{}

	mu   sync.Mutex
	real net.Listener
	done bool
}

func newDoor() *door { return &door{opened: make(chan struct{}), shut: make(chan struct{})} }

func (d *door) open(l net.Listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done {
		l.Close()
		return
	}
	d.real = l
	close(d.opened)
}

// Accept waits for the door to be opened, then for a connection.
func (d *door) Accept() (net.Conn, error) {
	select {
	case <-d.opened:
		return d.real.Accept()
	case <-d.shut:
		return nil, net.ErrClosed
	}
}

// Close shuts it for good.
func (d *door) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.done {
		return nil
	}
	d.done = true
	close(d.shut)
	if d.real != nil {
		return d.real.Close()
	}
	return nil
}

// Addr is the name that it listens at, or will.
func (d *door) Addr() net.Addr { return d.addr }
