package transport

import (
	"cmp"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchConn is the fast path: recvmmsg with UDP_GRO, sendmmsg with
// UDP_SEGMENT, nothing allocated on the way.
type batchConn struct {
	*socket
	f       *os.File // blocking, so not the netpoller's: see bell; it counts who writes
	raw     syscall.RawConn
	bell    *bell
	r       *reader
	w       *writer
	segment atomic.Bool // UDP_SEGMENT works on this socket, as far as known

	mu     sync.Mutex
	lent   bool    // the one above is NewBell's first: each costs every packet some time
	bells  []*bell // the others
	closed bool
}

var _ TurnConn = (*batchConn)(nil)

// newBatch finishes a socket for the fast path, if the system has it.
func (p *plan) newBatch(f *os.File, info SocketInfo) (*batchConn, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, err
	}
	var probe unix.Errno
	var port int
	var bell *bell
	var failed error
	err = raw.Control(func(fd uintptr) { // no messages: it only asks whether the call is there
		_, _, probe = unix.Syscall6(unix.SYS_RECVMMSG, fd, 0, 0, unix.MSG_DONTWAIT, 0, 0)
		switch a, _ := unix.Getsockname(int(fd)); a := a.(type) {
		case *unix.SockaddrInet4:
			port = a.Port
		case *unix.SockaddrInet6:
			port = a.Port
		}
		bell, failed = newBell(int(fd))
	})
	if err == nil {
		err = failed
	}
	if err == nil && (probe == unix.ENOSYS || probe == unix.EPERM) {
		bell.Close()
		err = probe
	}
	if err != nil {
		return nil, err
	}
	c := &batchConn{socket: p.socket(info, uint16(port)), f: f, raw: raw, bell: bell, r: newReader(), w: newWriter()}
	c.r.bell = bell
	c.segment.Store(c.info.SegmentOffload)
	return c, nil
}

// NewBell is TurnConn's.
func (c *batchConn) NewBell() (Bell, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, c.readFailed(net.ErrClosed)
	}
	if !c.lent {
		c.lent = true
		return c.bell, nil
	}
	var b *bell
	var failed error
	err := c.raw.Control(func(fd uintptr) { b, failed = newBell(int(fd)) })
	if err = cmp.Or(err, failed); err != nil {
		return nil, c.readFailed(err)
	}
	c.bells = append(c.bells, b)
	return b, nil
}

// Close unblocks ReadBatch, WriteBatch and the bells. A second Close does nothing.
func (c *batchConn) Close() error {
	c.mu.Lock()
	c.closed = true
	for _, b := range c.bells {
		b.Close()
	}
	c.bells = nil
	c.mu.Unlock()
	if err := c.bell.Close(); err != nil { // it waits for the reader to be out of the socket
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		return Explain("close", c.plan.group, err)
	}
	// Closing a descriptor wakes nobody who waits in it. Shutting the socket
	// down does, though it answers ENOTCONN on a socket without a peer.
	_ = c.raw.Control(func(fd uintptr) { _ = unix.Shutdown(int(fd), unix.SHUT_RDWR) })
	if err := c.f.Close(); err != nil {
		return Explain("close", c.plan.group, err)
	}
	return nil
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

	call  func(fd uintptr) bool
	room  [1]unix.PollFd
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

// sendmmsg sends what it can and waits only for room for the first message. It
// is raw for the reason that recvmmsg gives.
func (w *writer) sendmmsg(fd uintptr) bool {
	for {
		n, _, e := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&w.hdrs[0])), uintptr(w.count), unix.MSG_DONTWAIT, 0, 0)
		switch e {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			w.room[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}
			_, _ = unix.Poll(w.room[:], -1) // what came of it, the next call tells
			continue
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
		if err := c.raw.Write(w.call); err != nil || w.errno == unix.EPIPE {
			return at.element, c.writeFailed(ds[at.element].Addr, net.ErrClosed)
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
