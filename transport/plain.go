package transport

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// plainConn is the portable path: one datagram a call, on every system, over
// x/net's control messages where the system has them.
type plainConn struct {
	*socket
	conn *net.UDPConn
	v4   *ipv4.PacketConn
	v6   *ipv6.PacketConn
}

// newPlain finishes a socket for the portable path.
func (p *plan) newPlain(conn *net.UDPConn, info SocketInfo) *plainConn {
	s := p.socket(info, conn.LocalAddr().(*net.UDPAddr).AddrPort().Port())
	s.info.SegmentOffload, s.info.ReceiveOffload, s.info.OverflowSeen = false, false, false
	c := &plainConn{socket: s, conn: conn}
	if s.plan.bind.Addr().Is4() {
		c.v4 = ipv4.NewPacketConn(conn)
		s.info.DestinationSeen = c.v4.SetControlMessage(ipv4.FlagDst|ipv4.FlagInterface, true) == nil
	} else {
		c.v6 = ipv6.NewPacketConn(conn)
		s.info.DestinationSeen = c.v6.SetControlMessage(ipv6.FlagDst|ipv6.FlagInterface, true) == nil
	}
	return c
}

func (c *plainConn) Info() SocketInfo { return c.info }

// Close unblocks ReadBatch and WriteBatch. A second Close does nothing.
func (c *plainConn) Close() error {
	if err := c.conn.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return Explain("close", c.plan.group, err)
	}
	return nil
}

// ReadBatch fills one element.
func (c *plainConn) ReadBatch(ds []Datagram) (int, error) {
	if len(ds) == 0 {
		return 0, nil
	}
	d := &ds[0]
	for {
		n, from, dst, index, err := c.readOne(d.B)
		if err != nil && codeFor(err) == WSAEMSGSIZE {
			continue // Windows: longer than its room, and its source is not told
		}
		if err != nil {
			return 0, c.readFailed(err)
		}
		*d = Datagram{B: d.B[:n], Addr: c.zoned(from, index), Dst: dst, IfIndex: index}
		return 1, nil
	}
}

func (c *plainConn) readOne(b []byte) (n int, from netip.AddrPort, dst netip.Addr, index int, err error) {
	var src net.Addr
	if c.v4 != nil {
		var cm *ipv4.ControlMessage
		n, cm, src, err = c.v4.ReadFrom(b)
		if cm != nil {
			dst, _ = netip.AddrFromSlice(cm.Dst)
			index = cm.IfIndex
		}
	} else {
		var cm *ipv6.ControlMessage
		n, cm, src, err = c.v6.ReadFrom(b)
		if cm != nil {
			dst, _ = netip.AddrFromSlice(cm.Dst)
			index = cm.IfIndex
		}
	}
	if ua, ok := src.(*net.UDPAddr); ok {
		from = ua.AddrPort()
	}
	return n, from, dst.Unmap(), index, err
}

// zoned gives a link-local source the zone of the interface it came in by
// (F-19), in place of the one that package net found in today's namespace.
func (c *plainConn) zoned(from netip.AddrPort, index int) netip.AddrPort {
	a := from.Addr().Unmap()
	if needsScope(a) && index != 0 {
		a = a.WithZone(c.plan.names.name(index))
	}
	return netip.AddrPortFrom(a, from.Port())
}

// WriteBatch sends packet by packet.
func (c *plainConn) WriteBatch(ds []Datagram) (int, error) {
	for i := range ds {
		d := &ds[i]
		if err := c.target(d); err != nil {
			return i, err
		}
		to := c.numbered(d.Addr)
		for rest, first := d.B, true; first || len(rest) > 0; first = false {
			n := len(rest)
			if d.Segment > 0 {
				n = min(n, d.Segment)
			}
			if err := c.writeOne(rest[:n], to); err != nil {
				return i, c.writeFailed(d.Addr, err)
			}
			rest = rest[n:]
		}
	}
	return len(ds), nil
}

// How often a full interface queue is asked again, a millisecond apart: BSD
// and macOS answer ENOBUFS where Linux waits.
const fullTries = 50

func (c *plainConn) writeOne(b []byte, to netip.AddrPort) error {
	for try := 0; ; try++ {
		_, err := c.conn.WriteToUDPAddrPort(b, to)
		if err == nil || try >= fullTries || errors.Is(err, net.ErrClosed) || codeFor(err) != WSAENOBUFS {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// numbered makes a zone a number, so that package net need not look the name
// up in what may be another namespace by now.
func (c *plainConn) numbered(to netip.AddrPort) netip.AddrPort {
	a := to.Addr().Unmap()
	if a.Zone() != "" || needsScope(a) {
		a = a.WithZone("")
		if i := c.plan.scope(to.Addr()); i != 0 {
			a = a.WithZone(strconv.Itoa(i))
		}
	}
	return netip.AddrPortFrom(a, to.Port())
}
