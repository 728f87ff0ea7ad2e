package rooted

import (
	"cmp"
	"context"
	"errors"
	"net/netip"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/session"
)

// path is a session's second path: what sends to it, what hears it.
type path struct {
	addr           netip.AddrPort
	unicast, group transport.PacketConn
}

// checkSecond reports a second group that cannot carry what the first does.
func (c Config) checkSecond(g transport.Group) error {
	if !c.Second.Addr.IsValid() {
		return nil
	}
	why := ""
	switch a := c.Second.Addr.Addr(); {
	case g.Source.IsValid() || c.Second.Source.IsValid():
		why = "a source-specific session has one path"
	case a.Is4() != g.Addr.Addr().Is4():
		why = "the second group is of another family than the first"
	case c.Second.Addr == g.Addr:
		why = "the second group is the first; another address or port tells the paths apart"
	default:
		return c.Second.Check()
	}
	return &transport.Error{Op: "listen", Group: c.Second, Code: transport.WSAEINVAL, Err: errors.New(why)}
}

// secondPath opens the sockets of a second path on its own interface.
func (c Config) secondPath(ctx context.Context, addr netip.AddrPort, hears, sends bool) (p path, err error) {
	want := cmp.Or(c.SecondInterface, c.Second.Interface)
	choice, err := transport.Choose(c.Network, want, addr.Addr(), netip.Addr{})
	if err != nil {
		return p, err
	}
	o := c.socketOptions(choice.Interface.Name)
	if sends {
		local, err := localAddr(choice.Interface, addr.Addr())
		if err != nil {
			return p, err
		}
		if p.unicast, err = c.Network.OpenUnicast(ctx, local, o); err != nil {
			return p, err
		}
	}
	if hears {
		if p.group, err = c.Network.OpenGroup(ctx, transport.Group{Addr: addr, Interface: choice.Interface.Name}, o); err != nil {
			p.close()
			return path{}, err
		}
	}
	p.addr = addr
	return p, nil
}

func (p path) apply(c *session.Config) {
	if p.unicast != nil {
		c.SecondUnicast = p.unicast
	}
	if p.group != nil {
		c.SecondGroup = p.group
	}
	c.SecondAddr = p.addr
}

func (p path) close() error {
	closeAll(p.unicast, p.group)
	return nil
}

func closeAll(conns ...transport.PacketConn) {
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
}
