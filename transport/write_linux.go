package transport

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchConn is the fast path: recvmmsg with UDP_GRO, sendmmsg with
// UDP_SEGMENT, waiting in the netpoller, nothing allocated on the way.
type batchConn struct {
	*socket
	raw     syscall.RawConn
	r       *reader
	w       *writer
	segment atomic.Bool // UDP_SEGMENT works on this socket, as far as known
}

// newBatch finishes a socket for the fast path, if the system has it.
func newBatch(s *socket) (*batchConn, error) {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var probe unix.Errno
	err = raw.Control(func(fd uintptr) { // no messages: it only asks whether the call is there
		_, _, probe = unix.Syscall6(unix.SYS_RECVMMSG, fd, 0, 0, unix.MSG_DONTWAIT, 0, 0)
	})
	if err == nil && (probe == unix.ENOSYS || probe == unix.EPERM) {
		err = probe
	}
	if err != nil {
		return nil, err
	}
	c := &batchConn{socket: s, raw: raw, r: newReader(), w: newWriter()}
	c.segment.Store(s.info.SegmentOffload)
	return c, nil
}

func (c *batchConn) Info() SocketInfo {
	i := c.info
	i.SegmentOffload = c.segment.Load()
	return i
}

// What one UDP_SEGMENT message may carry: 64 segments on kernels before 6.9,
// and one IPv6 packet's worth of bytes in all.
const (
	segmentsMax = 64
	superMax    = 65535 - 40 - 8
)

// mark is a place in a batch: so many elements, and so many bytes of the next.
type mark struct{ element, byte int }

// writer holds the arrays of sendmmsg, made once like the reader's.
type writer struct {
	hdrs  [batchMax]mmsghdr
	iovs  [batchMax]unix.Iovec
	names [batchMax]sockaddr
	ctls  [batchMax][3]uint64 // one UDP_SEGMENT message: 24 bytes
	ends  [batchMax]mark      // where the batch stands after each message

	call  func(fd uintptr) (done bool)
	count int
	sent  int
	errno unix.Errno
}

func newWriter() *writer {
	w := &writer{}
	for i := range w.hdrs {
		h := &w.hdrs[i].hdr
		h.Name = (*byte)(unsafe.Pointer(&w.names[i]))
		h.Iov = &w.iovs[i]
		h.SetIovlen(1)
		c := (*unix.Cmsghdr)(unsafe.Pointer(&w.ctls[i]))
		c.Level, c.Type = unix.SOL_UDP, unix.UDP_SEGMENT
		c.SetLen(unix.CmsgLen(2))
	}
	w.call = w.sendmmsg
	return w
}

// sendmmsg is what the netpoller calls, raw for the reason that recvmmsg gives.
func (w *writer) sendmmsg(fd uintptr) bool {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&w.hdrs[0])), uintptr(w.count), unix.MSG_DONTWAIT, 0, 0)
		switch e {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false
		}
		w.sent, w.errno = int(n), e
		if e != 0 {
			w.sent = 0
		}
		return true
	}
}

// WriteBatch sends with as few system calls as there can be: one, for up to
// batchMax messages of up to 64 segments.
func (c *batchConn) WriteBatch(ds []Datagram) (int, error) {
	w := c.w
	at := mark{}
	plain, suspect := -1, false // an element whose segments were refused
	for full := 0; at.element < len(ds); {
		if err := c.fill(ds, at, plain); err != nil {
			return at.element, err
		}
		if err := c.raw.Write(w.call); err != nil {
			return at.element, c.writeFailed(ds[at.element].Addr, err)
		}
		if w.errno == 0 && w.sent > 0 {
			at, full = w.ends[w.sent-1], 0
			if suspect {
				c.segment.Store(false) // plain it went: the system cannot segment here
				suspect = false
			}
			continue
		}
		switch {
		case w.hdrs[0].hdr.Control != nil && refusesSegments(w.errno):
			plain, suspect = at.element, w.errno != unix.EMSGSIZE
		case w.errno == unix.ENOBUFS && full < fullTries:
			full++
			time.Sleep(time.Millisecond)
		default:
			return at.element, c.writeFailed(ds[at.element].Addr, w.errno)
		}
	}
	return len(ds), nil
}

// refusesSegments: EIO from a device or a path without checksum offload,
// EINVAL from kernels with other limits, EMSGSIZE for a segment longer than
// the path carries; the latter says nothing about the next one.
func refusesSegments(e unix.Errno) bool {
	return e == unix.EIO || e == unix.EINVAL || e == unix.EMSGSIZE
}

// fill prepares messages for the batch from at on, until the arrays or the
// batch end. An element that is unfit ends it early, and is an error when it
// is the first.
func (c *batchConn) fill(ds []Datagram, at mark, plain int) error {
	w := c.w
	w.count = 0
	for at.element < len(ds) && w.count < batchMax {
		d := &ds[at.element]
		if err := c.target(d); err != nil {
			if w.count > 0 {
				return nil
			}
			return err
		}
		i := w.count
		rest := d.B[at.byte:]
		n, segment := c.cut(d, len(rest), at.element == plain)
		w.iovs[i].Base = unsafe.SliceData(rest)
		w.iovs[i].SetLen(n)
		h := &w.hdrs[i].hdr
		h.Namelen = c.destination(&w.names[i], d.Addr)
		h.Control = nil
		h.SetControllen(0)
		if segment > 0 {
			h.Control = (*byte)(unsafe.Pointer(&w.ctls[i]))
			h.SetControllen(unix.CmsgSpace(2))
			binary.NativeEndian.PutUint16(unsafe.Slice(h.Control, unix.CmsgSpace(2))[unix.SizeofCmsghdr:], uint16(segment))
		}
		if at.byte += n; at.byte >= len(d.B) {
			at = mark{at.element + 1, 0}
		}
		w.ends[i] = at
		w.count++
	}
	return nil
}

// cut says how many bytes of an element the next message takes, and with
// which segment size; zero is a single packet.
func (c *batchConn) cut(d *Datagram, rest int, plain bool) (n, segment int) {
	s := d.Segment
	if s <= 0 || rest <= s {
		return rest, 0
	}
	header := 20 + 8
	if d.Addr.Addr().Is6() {
		header = 40 + 8
	}
	if plain || !c.segment.Load() || c.info.MTU > 0 && s+header > c.info.MTU || 2*s > superMax {
		return s, 0
	}
	return min(rest, min(segmentsMax, superMax/s)*s), s
}

// destination writes a socket address and returns its length.
func (c *batchConn) destination(n *sockaddr, to netip.AddrPort) uint32 {
	a := to.Addr().Unmap()
	*n = sockaddr{}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&n.Port))[:], to.Port())
	if a.Is4() {
		n.Family = unix.AF_INET
		(*unix.RawSockaddrInet4)(unsafe.Pointer(n)).Addr = a.As4()
		return unix.SizeofSockaddrInet4
	}
	n.Family, n.Addr, n.Scope_id = unix.AF_INET6, a.As16(), uint32(c.plan.scope(a))
	return unix.SizeofSockaddrInet6
}
