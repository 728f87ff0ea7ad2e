package simnet

import (
	"net/netip"

	"github.com/joinleaf/joinleaf/transport"
)

// WriteBatch sends ds in order. It waits while what has been written and has
// not left fills the write buffer.
func (s *socket) WriteBatch(ds []transport.Datagram) (int, error) {
	for i := range ds {
		if err := s.write(&ds[i]); err != nil {
			return i, err
		}
	}
	return len(ds), nil
}

func (s *socket) write(d *transport.Datagram) error {
	to := netip.AddrPortFrom(d.Addr.Addr().Unmap().WithZone(""), d.Addr.Port())
	n := s.host.net
	n.mu.Lock()
	err := s.waitForRoom(len(d.B))
	n.mu.Unlock()
	if err == nil {
		err = s.check(d, to)
	}
	if err != nil {
		return err
	}
	p := n.pool.take(d.B, d.Segment) // copied outside the lock
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := s.address(p, to); err != nil {
		p.release()
		return err
	}
	s.waiting += len(p.b)
	s.out.put(p)
	return nil
}

func (s *socket) waitForRoom(size int) error {
	for {
		if err := s.ended("write"); err != nil {
			return err
		}
		if !s.host.paused && (s.waiting == 0 || s.waiting+size <= s.room) {
			return nil
		}
		s.writable.Wait()
	}
}

// check refuses what no network would carry.
func (s *socket) check(d *transport.Datagram, to netip.AddrPort) error {
	switch {
	case !to.Addr().IsValid() || to.Port() == 0 || to.Addr().IsUnspecified():
		return fail(writeTo(d.Addr), transport.WSAEADDRNOTAVAIL, "a datagram needs an address and a port to go to")
	case to.Addr().Is4() != s.local.Addr().Is4():
		return fail(writeTo(d.Addr), transport.WSAEAFNOSUPPORT, "the socket is bound to %v, of the other family", s.local.Addr())
	case len(d.B) > maxUDP:
		return fail(writeTo(d.Addr), transport.WSAEMSGSIZE, "%d bytes; a datagram holds %d", len(d.B), maxUDP)
	}
	return nil
}

func writeTo(to netip.AddrPort) string { return "write to " + to.String() }

// address finds the way that p leaves by, and fills in what its receivers see.
func (s *socket) address(p *packet, to netip.AddrPort) error {
	if err := s.ended("write"); err != nil {
		return err
	}
	i := s.iface
	switch a := to.Addr(); {
	case !a.IsMulticast():
		if i = s.host.route(a); i == nil {
			return unroutable(writeTo(to), a)
		}
	case i == nil:
		return fail(writeTo(to), transport.WSAENETUNREACH, "the socket was opened without an interface; name one")
	case !i.up || i.loopback() && a.Is6():
		return fail(writeTo(to), transport.WSAENETUNREACH, "the interface %s is down, or carries no such groups", i.name)
	}
	src := s.local.Addr()
	if src.IsMulticast() || src.IsUnspecified() {
		if src = i.addr(src); to.Addr().IsLoopback() {
			src = to.Addr()
		}
	}
	p.src, p.dst, p.from = netip.AddrPortFrom(src, s.local.Port()), to, i
	p.local = to.Addr().IsMulticast() && s.o.TTL < 0
	p.muted = s.o.NoLoopback
	p.single = !s.info.SegmentOffload || p.seg > i.mtu-headers(src)
	return nil
}

func headers(a netip.Addr) int {
	if a.Is4() {
		return 28
	}
	return 48
}

// left gives the room back when a packet is out: at once, or when the uplink
// has served it.
func (s *socket) left(bytes int, now, through int64) {
	if through <= now {
		s.release(bytes)
		return
	}
	s.sent.push(sending{through, bytes})
	if s.through.index == 0 {
		s.host.net.arm(&s.through, through)
	}
}

func (s *socket) isThrough(at int64) {
	for s.sent.len() > 0 && s.sent.at(0).at <= at {
		s.release(s.sent.pop().bytes)
	}
	if s.sent.len() > 0 {
		s.host.net.arm(&s.through, s.sent.at(0).at)
	}
}

func (s *socket) release(bytes int) {
	s.waiting -= bytes
	s.writable.Signal()
}
