package door

import (
	"context"
	"io"
	"net/netip"

	"github.com/joinleaf/joinleaf/transport"
)

// House is what doors open on: the network, the process's own pipes, and the
// interface that the command was told to use.
type House struct {
	Network   transport.Network
	Interface string // of --iface; empty or auto: the route decides
	Stdin     io.Reader
	Stdout    io.Writer
}

// interfaceFor names the interface that e's group is opened on: the address's
// own, else the command's, else the one that the route names. It is never left
// open (F-2).
func (h House) interfaceFor(e *Endpoint) (string, error) {
	want := e.Interface
	if want == "" || want == "auto" {
		want = h.Interface
	}
	c, err := transport.Choose(h.Network, want, e.Addr.Addr(), netip.Addr{})
	return c.Interface.Name, err
}

// unspecified is where a socket that only sends to a is bound.
func unspecified(a netip.Addr) netip.AddrPort {
	if a.Is4() {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
}

// open opens e's socket: one that hears it, or one that sends to it.
func (h House) open(ctx context.Context, e *Endpoint, dir Direction) (transport.PacketConn, error) {
	o := transport.SocketOptions{TTL: e.TTL, DSCP: e.DSCP}
	if e.Buffer > 0 {
		o.ReadBuffer, o.WriteBuffer = e.Buffer, e.Buffer
	}
	if err := e.Resolve(ctx); err != nil {
		return nil, err
	}
	if !e.IsGroup() {
		local := e.Addr
		if dir == Out {
			local = unspecified(e.Addr.Addr())
		}
		return h.Network.OpenUnicast(ctx, local, o)
	}
	name, err := h.interfaceFor(e)
	if err != nil {
		return nil, err
	}
	o.Interface = name
	if dir == Out {
		return h.Network.OpenUnicast(ctx, unspecified(e.Addr.Addr()), o)
	}
	return h.Network.OpenGroup(ctx, e.group(name), o)
}
