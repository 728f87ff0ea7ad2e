package transport

import (
	"encoding/binary"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchMax is how many messages one system call carries. With offload each
// stands for up to 64 KiB of packets; more would only make calls longer.
const batchMax = 64

// mmsghdr is struct mmsghdr of recvmmsg(2).
type mmsghdr struct {
	hdr unix.Msghdr
	len uint32
}

// readControl holds what may come along: destination and interface (40 bytes
// at most), segment size and drop count (24 each). As uint64 it is aligned.
type readControl [16]uint64

// sockaddr has room for both families; the family field leads in both.
type sockaddr = unix.RawSockaddrInet6

// reader holds the arrays of recvmmsg, made once. The function that makes the
// call is made once too: a closure for each call would be an allocation for
// each call, so what it needs and gives stands in fields.
type reader struct {
	hdrs  [batchMax]mmsghdr
	iovs  [batchMax]unix.Iovec
	names [batchMax]sockaddr
	ctls  [batchMax]readControl

	bell  *bell
	call  func(fd uintptr) bool
	now   func(fd uintptr)
	asked int
	got   int
	errno unix.Errno
	short bool // the read before took all there was, in all likelihood

	lastName sockaddr // the source before, and what it was read as
	lastAddr netip.AddrPort
}

func newReader() *reader {
	r := &reader{}
	for i := range r.hdrs {
		h := &r.hdrs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&r.ctls[i]))
	}
	r.call, r.now = r.await, r.recvmmsg
	return r
}

// await takes what is there; false means wait for the bell. After a read that
// took all it need not be tried: what has come since rings the bell at once.
func (r *reader) await(bell uintptr) bool {
	r.bell.taken(bell)
	if !r.short {
		r.recvmmsg(r.bell.socket)
	}
	if r.short || r.errno == unix.EAGAIN {
		r.short = false
		r.got, r.errno = 0, r.bell.set(bell)
		return r.errno != 0
	}
	return true
}

// recvmmsg takes what is there. The call never blocks, so the scheduler is not
// told of it: it would hand the processor to another thread in the middle of a
// batch, and both would then compete for it.
func (r *reader) recvmmsg(socket uintptr) {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_RECVMMSG, socket, uintptr(unsafe.Pointer(&r.hdrs[0])), uintptr(r.asked), unix.MSG_DONTWAIT, 0, 0)
		if e == unix.EINTR {
			continue
		}
		r.got, r.errno = int(n), e
		if e != 0 {
			r.got = 0
		}
		return
	}
}

// ReadBatch fills up to batchMax elements.
func (c *batchConn) ReadBatch(ds []Datagram) (int, error) {
	if len(ds) == 0 {
		return 0, nil
	}
	r := c.r
	r.offer(ds)
	if err := c.bell.raw.Read(r.call); err != nil {
		return 0, c.readFailed(net.ErrClosed)
	}
	if r.errno != 0 {
		return 0, c.readFailed(r.errno)
	}
	r.take(ds, c.plan.names)
	r.short = r.got == 1 && r.asked > 1 && ds[0].Segment == 0
	return r.got, nil
}

// ReadNow is TurnConn's.
func (c *batchConn) ReadNow(ds []Datagram) (int, error) {
	if len(ds) == 0 {
		return 0, nil
	}
	r := c.r
	r.offer(ds)
	if err := c.raw.Control(r.now); err != nil {
		return 0, c.readFailed(net.ErrClosed)
	}
	if r.errno == unix.EAGAIN {
		return 0, nil
	}
	if r.errno != 0 {
		return 0, c.readFailed(r.errno)
	}
	r.take(ds, c.plan.names)
	return r.got, nil
}

// offer lays out the room.
func (r *reader) offer(ds []Datagram) {
	r.asked = min(len(ds), batchMax)
	for i := range ds[:r.asked] {
		h := &r.hdrs[i].hdr
		h.Namelen = uint32(unsafe.Sizeof(sockaddr{}))
		h.SetControllen(len(r.ctls[i]) * 8)
		r.iovs[i].Base = unsafe.SliceData(ds[i].B)
		r.iovs[i].SetLen(len(ds[i].B))
	}
}

// take says what came.
func (r *reader) take(ds []Datagram, names interfaceNames) {
	for i := range ds[:r.got] {
		d := &ds[i]
		*d = Datagram{B: d.B[:min(int(r.hdrs[i].len), len(d.B))]}
		r.control(i, d)
		d.Addr = r.source(i, d.IfIndex, names)
	}
}

// source reads the sender's address; mostly it is the one before.
func (r *reader) source(i, ifIndex int, names interfaceNames) netip.AddrPort {
	if r.names[i] == r.lastName {
		return r.lastAddr
	}
	n := &r.names[i]
	r.lastName = *n
	port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&n.Port))[:])
	switch n.Family {
	case unix.AF_INET:
		r.lastAddr = netip.AddrPortFrom(netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(n)).Addr), port)
	case unix.AF_INET6:
		a := netip.AddrFrom16(n.Addr)
		if n.Scope_id != 0 {
			a = a.WithZone(names.name(int(n.Scope_id)))
		} else if needsScope(a) && ifIndex != 0 {
			a = a.WithZone(names.name(ifIndex))
		}
		r.lastAddr = netip.AddrPortFrom(a, port)
	default:
		r.lastAddr = netip.AddrPort{}
	}
	return r.lastAddr
}

// control reads what the kernel told beside the data.
func (r *reader) control(i int, d *Datagram) {
	const head = unix.SizeofCmsghdr
	b := unsafe.Slice((*byte)(unsafe.Pointer(&r.ctls[i])), len(r.ctls[i])*8)
	b = b[:min(int(r.hdrs[i].hdr.Controllen), len(b))]
	for len(b) >= head {
		h := (*unix.Cmsghdr)(unsafe.Pointer(unsafe.SliceData(b)))
		if int(h.Len) < head || int(h.Len) > len(b) {
			return
		}
		data := b[head:int(h.Len)]
		switch {
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_ORIGDSTADDR && len(data) >= unix.SizeofSockaddrInet4:
			d.Dst = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(unsafe.SliceData(data))).Addr)
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			p := (*unix.Inet6Pktinfo)(unsafe.Pointer(unsafe.SliceData(data)))
			d.Dst, d.IfIndex = netip.AddrFrom16(p.Addr), int(p.Ifindex)
		case h.Level == unix.SOL_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			if n := int(binary.NativeEndian.Uint32(data)); n > 0 && n < len(d.B) {
				d.Segment = n
			}
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			d.Overflow = binary.NativeEndian.Uint32(data)
		}
		b = b[min(len(b), unix.CmsgSpace(len(data))):]
	}
}
