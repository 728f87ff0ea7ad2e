package netlab

import (
	"context"
	"net"
	"net/netip"

	"github.com/joinleaf/joinleaf/transport"
)

// Within makes a network out of inner whose calls run inside the host, so that
// every socket opened through it is the host's and stays so.
func (h *Host) Within(inner transport.Network) transport.Network { return inside{h, inner} }

// inside carries every call of a Network into a host. A call that waits, such
// as Dial, keeps its thread there meanwhile.
type inside struct {
	host  *Host
	inner transport.Network
}

var _ transport.Network = inside{}

func (n inside) OpenGroup(ctx context.Context, g transport.Group, o transport.SocketOptions) (c transport.PacketConn, err error) {
	err = n.host.Do(func() error {
		c, err = n.inner.OpenGroup(ctx, g, o)
		return err
	})
	return c, err
}

func (n inside) OpenUnicast(ctx context.Context, local netip.AddrPort, o transport.SocketOptions) (c transport.PacketConn, err error) {
	err = n.host.Do(func() error {
		c, err = n.inner.OpenUnicast(ctx, local, o)
		return err
	})
	return c, err
}

func (n inside) Listen(ctx context.Context, local netip.AddrPort) (l net.Listener, err error) {
	err = n.host.Do(func() error {
		l, err = n.inner.Listen(ctx, local)
		return err
	})
	return l, err
}

func (n inside) Dial(ctx context.Context, local, remote netip.AddrPort) (c net.Conn, err error) {
	err = n.host.Do(func() error {
		c, err = n.inner.Dial(ctx, local, remote)
		return err
	})
	return c, err
}

func (n inside) Interfaces() (list []transport.Interface, err error) {
	err = n.host.Do(func() error {
		list, err = n.inner.Interfaces()
		return err
	})
	return list, err
}

func (n inside) Route(dst netip.Addr) (ifIndex int, src netip.Addr, err error) {
	err = n.host.Do(func() error {
		ifIndex, src, err = n.inner.Route(dst)
		return err
	})
	return ifIndex, src, err
}
