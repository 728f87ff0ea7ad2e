package joinleaf

import (
	"context"
	"errors"
	"net/netip"

	"github.com/joinleaf/joinleaf/transport"
)

// name is a socket's local name. It is a UDP port of the host, held open and
// not read while the descriptor lives, so that it is unique on the host and not
// just here (R29); the control channel uses the same port number of TCP.
type name struct {
	addr netip.AddrPort
	held []transport.PacketConn
	// wild is a name that is bound to any address while somebody else holds a
	// definite one: what Unix refuses at once and Winsock lets happen. Whether it
	// clashes shows when a definite address is needed (R33, R263).
	wild bool
}

func (n *name) free() {
	for _, c := range n.held {
		c.Close()
	}
	n.held = nil
}

// Bind gives the socket a local name. Port 0 is any.
func (s *Socket) Bind(a Sockaddr) error {
	const op = "bind"
	if err := s.begin(op, callBind); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.name != nil {
		return fail(op, transport.WSAEINVAL, errors.New("the socket is bound already"))
	}
	at, code := a.read()
	switch {
	case code == transport.WSAEAFNOSUPPORT, code == 0 && a.Family() != s.entry.AddressFamily:
		return fail(op, transport.WSAEFAULT, errors.New("the address is not of the socket's family")) // R38
	case code != 0:
		return fail(op, code, nil)
	}
	n, err := s.p.hold(s.ctx, at, s.reuse, s.kind == kindRoot || s.kind == kindLeaf)
	if err != nil {
		return err
	}
	s.name, s.owns = n, true
	return nil
}

// hold takes a name; listens is for one that a control channel may be awaited
// at.
func (p *Provider) hold(ctx context.Context, at netip.AddrPort, reuse, listens bool) (*name, error) {
	for tries := 0; ; tries++ {
		c, err := p.openName(ctx, at)
		switch {
		case err == nil && at.Port() == 0 && listens && tries < 8 && !p.free(ctx, c.LocalAddr()):
			c.Close() // somebody listens at that port of TCP: take another
			continue
		case err == nil:
			return &name{addr: netip.AddrPortFrom(at.Addr(), c.LocalAddr().Port()), held: []transport.PacketConn{c}}, nil
		case transport.CodeOf(err) != transport.WSAEADDRINUSE:
			return nil, err
		case reuse:
			return &name{addr: at}, nil // shared with who holds it (R34)
		case at.Addr().IsUnspecified():
			return p.holdRest(ctx, at, err)
		}
		return nil, err
	}
}

func (p *Provider) openName(ctx context.Context, at netip.AddrPort) (transport.PacketConn, error) {
	return p.network.OpenUnicast(ctx, at, transport.SocketOptions{ReadBuffer: 1, WriteBuffer: 1, NoOffload: true, NoBatch: true})
}

// free reports whether TCP has the port as well.
func (p *Provider) free(ctx context.Context, at netip.AddrPort) bool {
	l, err := p.network.Listen(ctx, at)
	if err == nil {
		l.Close()
	}
	return err == nil
}

// holdRest takes every address of the host that a wildcard name can still have.
// Where it can have none, somebody else holds the wildcard: that clashes now.
func (p *Provider) holdRest(ctx context.Context, at netip.AddrPort, why error) (*name, error) {
	all, err := p.network.Interfaces()
	if err != nil {
		return nil, err
	}
	n := &name{addr: at, wild: true}
	for _, i := range all {
		for _, a := range i.Addrs {
			ip := a.Addr().Unmap()
			if ip.Is4() != at.Addr().Is4() || ip.IsLinkLocalUnicast() {
				continue
			}
			if c, err := p.openName(ctx, netip.AddrPortFrom(ip, at.Port())); err == nil {
				n.held = append(n.held, c)
			}
		}
	}
	if len(n.held) == 0 {
		return nil, why
	}
	return n, nil
}

// commit fixes the local address that a join to dst is to come from: an unbound
// socket is bound (R29), a wildcard name that clashes there is WSAEADDRINUSE
// (R33). The caller holds the lock.
func (s *Socket) commit(op string, dst netip.Addr) error {
	_, src, err := s.p.network.Route(dst)
	if s.name == nil {
		if err != nil || !src.IsValid() { // the join will say so; or the route names no source
			src = anyOf(s.entry.AddressFamily)
		}
		n, err := s.p.hold(s.ctx, netip.AddrPortFrom(src, 0), s.reuse, s.kind != kindPeer)
		if err != nil {
			return err
		}
		s.name, s.owns = n, true
		return nil
	}
	if !s.name.wild || s.reuse || err != nil || !src.IsValid() {
		return nil
	}
	return s.clash(op, src)
}

// clash reports whether somebody else holds the port at ip, a definite address
// that a wildcard name is to be fixed to.
func (s *Socket) clash(op string, ip netip.Addr) error {
	for _, c := range s.name.held {
		if c.LocalAddr().Addr().Unmap() == ip.Unmap() {
			return nil
		}
	}
	return fail(op, transport.WSAEADDRINUSE, errors.New("another socket holds this port at the address that is needed here"))
}
