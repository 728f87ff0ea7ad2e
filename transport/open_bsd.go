//go:build unix && !linux

package transport

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// bound opens the socket by hand, as package net would bind a group's socket
// to the wildcard, where it hears other groups too (F-4). BSD and macOS share
// a port only between sockets that set both options (F-10).
func (p *plan) bound() (*net.UDPConn, error) {
	domain := unix.AF_INET6
	if p.bind.Addr().Is4() {
		domain = unix.AF_INET
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM, 0)
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "udp "+p.bind.String())
	defer f.Close() // FilePacketConn takes a duplicate
	var opts [][2]int
	if p.group.Addr.IsValid() {
		opts = append(opts, [2]int{unix.SOL_SOCKET, unix.SO_REUSEADDR}, [2]int{unix.SOL_SOCKET, unix.SO_REUSEPORT})
	}
	if domain == unix.AF_INET6 {
		opts = append(opts, [2]int{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY})
	}
	for _, o := range opts {
		if err := unix.SetsockoptInt(fd, o[0], o[1], 1); err != nil {
			return nil, err
		}
	}
	if err := unix.Bind(fd, p.sockaddr()); err != nil {
		return nil, err
	}
	pc, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	return pc.(*net.UDPConn), nil
}

func (p *plan) sockaddr() unix.Sockaddr {
	a := p.bind.Addr()
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(p.bind.Port()), Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: int(p.bind.Port()), Addr: a.As16(), ZoneId: uint32(p.bindZone)}
}

// setBuffers asks for the buffers and reads back what was granted.
func (p *plan) setBuffers(c *net.UDPConn, info *SocketInfo) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		info.ReadBuffer = p.setBuffer(int(fd), unix.SO_RCVBUF, p.readSize)
		info.WriteBuffer = p.setBuffer(int(fd), unix.SO_SNDBUF, p.writeSize)
	})
	const remedy = "sudo sysctl -w kern.ipc.maxsockbuf=%d"
	for _, w := range []string{
		bufferWarning("receive", p.readSize, info.ReadBuffer, remedy),
		bufferWarning("send", p.writeSize, info.WriteBuffer, remedy),
	} {
		if w != "" {
			info.Warnings = append(info.Warnings, w)
		}
	}
}

// setBuffer halves what it asks for until the system agrees: BSD refuses a
// size above its limit where Linux cuts it.
func (p *plan) setBuffer(fd, name, want int) int {
	for n := want; n > 0 && unix.SetsockoptInt(fd, unix.SOL_SOCKET, name, n) != nil; n /= 2 {
		continue
	}
	got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, name)
	if err != nil {
		return 0
	}
	return got
}
