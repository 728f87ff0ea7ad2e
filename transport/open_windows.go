package transport

import (
	"context"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/windows"
)

// bound opens the socket on the wildcard for a group: Windows refuses to bind
// to a group (10049), and gives a socket the groups that it joined and no
// others anyway (F-20).
func (p *plan) bound() (*net.UDPConn, error) {
	network, at := "udp6", netip.AddrPortFrom(netip.IPv6Unspecified(), p.bind.Port())
	if p.bind.Addr().Is4() {
		network, at = "udp4", netip.AddrPortFrom(netip.IPv4Unspecified(), p.bind.Port())
	}
	var lc net.ListenConfig
	if p.group.Addr.IsValid() {
		lc.Control = func(_, _ string, raw syscall.RawConn) error {
			var failed error
			err := raw.Control(func(fd uintptr) {
				failed = windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_REUSEADDR, 1)
			})
			if err == nil {
				err = failed
			}
			return err
		}
	} else {
		at = p.bind
	}
	pc, err := lc.ListenPacket(context.Background(), network, at.String())
	if err != nil {
		return nil, err
	}
	return pc.(*net.UDPConn), nil
}

// setBuffers asks for the buffers; Windows grants any size that memory allows.
func (p *plan) setBuffers(c *net.UDPConn, info *SocketInfo) {
	if p.readSize > 0 {
		p.note(info, "the receive buffer", c.SetReadBuffer(p.readSize))
	}
	if p.writeSize > 0 {
		p.note(info, "the send buffer", c.SetWriteBuffer(p.writeSize))
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		info.ReadBuffer, _ = windows.GetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_RCVBUF)
		info.WriteBuffer, _ = windows.GetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, windows.SO_SNDBUF)
	})
}
