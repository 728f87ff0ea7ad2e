package transport

import (
	"context"
	"net"
	"net/netip"
	"strconv"
)

// Listen opens a TCP listener. An invalid address stands for all addresses of
// both families, :: likewise, 0.0.0.0 for those of IPv4; port 0 for any port.
func (Kernel) Listen(ctx context.Context, local netip.AddrPort) (net.Listener, error) {
	a := local.Addr().Unmap()
	network, at := "tcp4", netip.AddrPortFrom(a, local.Port())
	switch {
	case !a.IsValid():
		network, at = "tcp", netip.AddrPortFrom(netip.IPv6Unspecified(), local.Port())
	case a == netip.IPv6Unspecified():
		network = "tcp"
	case a.Is6():
		network = "tcp6"
	}
	op := "listen on " + at.String()
	bind, err := byIndex(op, at)
	if err != nil {
		return nil, err
	}
	var c net.ListenConfig
	c.SetMultipathTCP(false) // one path: its local address names the interface for the group
	l, err := c.Listen(ctx, network, bind.String())
	if err != nil && network == "tcp" && codeFor(err) == WSAEAFNOSUPPORT {
		l, err = c.Listen(ctx, "tcp4", netip.AddrPortFrom(netip.IPv4Unspecified(), local.Port()).String())
	}
	if err != nil {
		return nil, explain(op, Group{}, err, streamSentence(err, at, true))
	}
	return l, nil
}

// Dial connects to remote within ctx.
func (Kernel) Dial(ctx context.Context, local, remote netip.AddrPort) (net.Conn, error) {
	op := "dial " + remote.String()
	if !remote.Addr().IsValid() || remote.Port() == 0 {
		return nil, refuse(op, Group{}, WSAEADDRNOTAVAIL, "the other side needs an address and a port")
	}
	to, err := byIndex(op, netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port()))
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	d.SetMultipathTCP(false)
	if a := local.Addr().Unmap(); a.IsValid() {
		from, err := byIndex(op, netip.AddrPortFrom(a, local.Port()))
		if err != nil {
			return nil, err
		}
		d.LocalAddr = net.TCPAddrFromAddrPort(from)
	}
	c, err := d.DialContext(ctx, "tcp", to.String())
	if err == nil {
		return c, nil
	}
	if ctx.Err() == context.Canceled {
		return nil, refuse(op, Group{}, WSAEINTR, "cancelled: %w", context.Canceled)
	}
	at, listening := remote, false
	if codeFor(err) == WSAEADDRNOTAVAIL && local.Addr().IsValid() {
		at, listening = local, true // it is the local end that is not there
	}
	return nil, explain(op, Group{}, err, streamSentence(err, at, listening))
}

// byIndex makes a zone a number. Package net keeps names it has once seen, and
// they may be those of another namespace.
func byIndex(op string, a netip.AddrPort) (netip.AddrPort, error) {
	z := a.Addr().Zone()
	if z == "" {
		return a, nil
	}
	i := namesNow().index(z)
	if i == 0 {
		return a, noInterface(op, Group{}, z)
	}
	return netip.AddrPortFrom(a.Addr().WithZone(strconv.Itoa(i)), a.Port()), nil
}
