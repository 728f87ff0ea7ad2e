//go:build !linux

package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// open opens the portable path, the only one here.
func (p *plan) open() (PacketConn, error) {
	c, info, err := p.openUDP()
	if err != nil {
		return nil, err
	}
	return p.newPlain(c, info), nil
}

// openUDP opens and sets up a socket with x/net, one option a call.
func (p *plan) openUDP() (*net.UDPConn, SocketInfo, error) {
	var info SocketInfo
	c, err := p.bound()
	if err != nil {
		return nil, info, explain(p.op, p.group, err, openSentence(err, p.bind, p.group.Addr.IsValid()))
	}
	p.setBuffers(c, &info)
	if p.bind.Addr().Is4() {
		err = p.setUp4(ipv4.NewPacketConn(c), &info)
	} else {
		err = p.setUp6(ipv6.NewPacketConn(c), &info)
	}
	if err != nil {
		c.Close()
		return nil, info, err
	}
	return c, info, nil
}

func (p *plan) setUp4(c *ipv4.PacketConn, info *SocketInfo) error {
	if p.iface != nil {
		if err := c.SetMulticastInterface(p.iface); err != nil {
			return p.joinFailed(err)
		}
	}
	for _, err := range []error{c.SetMulticastTTL(p.ttl), c.SetMulticastLoopback(p.loop)} {
		if err != nil {
			return Explain(p.op, p.group, err)
		}
	}
	if p.tos != 0 {
		p.note(info, "DSCP", c.SetTOS(p.tos))
	}
	return p.join(&net.UDPAddr{IP: p.bind.Addr().AsSlice()}, c.JoinGroup, c.JoinSourceSpecificGroup)
}

func (p *plan) setUp6(c *ipv6.PacketConn, info *SocketInfo) error {
	if p.iface != nil {
		if err := c.SetMulticastInterface(p.iface); err != nil {
			return p.joinFailed(err)
		}
	}
	for _, err := range []error{c.SetMulticastHopLimit(p.ttl), c.SetMulticastLoopback(p.loop)} {
		if err != nil {
			return Explain(p.op, p.group, err)
		}
	}
	if p.tos != 0 {
		p.note(info, "DSCP", c.SetTrafficClass(p.tos))
	}
	return p.join(&net.UDPAddr{IP: p.bind.Addr().AsSlice()}, c.JoinGroup, c.JoinSourceSpecificGroup)
}

// join makes the membership of a group socket.
func (p *plan) join(group net.Addr, any func(*net.Interface, net.Addr) error, source func(*net.Interface, net.Addr, net.Addr) error) error {
	if !p.group.Addr.IsValid() {
		return nil
	}
	var err error
	if p.group.Source.IsValid() {
		err = source(p.iface, group, &net.UDPAddr{IP: p.group.Source.AsSlice()})
		if _, asked := errors.AsType[syscall.Errno](err); err != nil && !asked {
			err = WSAEOPNOTSUPP // x/net refuses by itself, without asking the system
		}
	} else {
		err = any(p.iface, group)
	}
	if err != nil {
		return p.joinFailed(err)
	}
	return nil
}

func (p *plan) joinFailed(err error) error {
	g := p.group
	if p.iface != nil {
		g.Interface = p.iface.Name
	}
	if !g.Addr.IsValid() {
		g.Addr = netip.AddrPortFrom(p.bind.Addr(), p.bind.Port())
	}
	return explain(p.op, p.group, err, joinSentence(err, g))
}

func (p *plan) note(info *SocketInfo, what string, err error) {
	if err != nil {
		info.Warnings = append(info.Warnings, fmt.Sprintf("this system does not set %s: %v", what, err))
	}
}
