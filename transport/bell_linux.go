package transport

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// bell rings once when its socket has something to read, and only after it was
// set: it stands between the socket and the netpoller.
//
// The netpoller watches a descriptor edge-triggered and both ways. A socket of
// its own would wake a thread of the runtime for each packet that comes in
// while the reader is busy, and for each that leaves the device: at speed more
// than a context switch a packet, for nothing. So the socket is watched by an
// epoll instance of its own, for one event at a time, and the netpoller watches
// that. A socket may have several bells: a packet rings those that are set.
type bell struct {
	f      *os.File // the epoll instance; it counts who is in it
	raw    syscall.RawConn
	socket uintptr // valid as long as f is in use
	isSet  bool    // by who waits, and no ring was taken since
	event  unix.EpollEvent

	waits        func(fd uintptr) bool // made once, see reader
	sets, unsets func(fd uintptr)
	leaves       func(fd uintptr)
	first, asks  bool // the wait begins, and sets the bell
	errno        unix.Errno
}

// What epoll_ctl reads; the kernel writes to neither.
var (
	oneRing = unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT}
	noRing  = unix.EpollEvent{Events: unix.EPOLLONESHOT}
)

func newBell(socket int) (*bell, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.EpollCtl(fd, unix.EPOLL_CTL_ADD, socket, &unix.EpollEvent{Events: unix.EPOLLONESHOT}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil { // for os: the netpoller is to have it
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
	}
	b := &bell{f: os.NewFile(uintptr(fd), "bell"), socket: uintptr(socket)}
	if b.raw, err = b.f.SyscallConn(); err != nil {
		b.f.Close()
		return nil, err
	}
	b.waits = b.rung
	b.sets = func(fd uintptr) { _ = b.ring(fd) } // what fails leaves the bell unset, and the reader waits for Wake
	b.unsets = func(fd uintptr) { _ = b.control(fd, unix.EPOLL_CTL_MOD, &noRing) }
	b.leaves = func(fd uintptr) { _ = b.control(fd, unix.EPOLL_CTL_DEL, nil) }
	return b, nil
}

func (b *bell) control(fd, op uintptr, e *unix.EpollEvent) unix.Errno {
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, fd, op, b.socket, uintptr(unsafe.Pointer(e)), 0, 0)
	return errno
}

// ring asks for one ring, from the socket or from one that it was detached from.
func (b *bell) ring(fd uintptr) unix.Errno {
	e := b.control(fd, unix.EPOLL_CTL_MOD, &oneRing)
	if e == unix.ENOENT {
		e = b.control(fd, unix.EPOLL_CTL_ADD, &oneRing)
	}
	return e
}

// set asks for one ring. What has come since the socket was last read rings at
// once.
func (b *bell) set(fd uintptr) unix.Errno {
	e := b.ring(fd)
	b.isSet = e == 0
	return e
}

// taken takes the ring back, if there was one.
func (b *bell) taken(fd uintptr) {
	if b.isSet {
		b.take(fd)
		b.isSet = false
	}
}

// take takes a ring and reports whether there was one: whether the socket has
// something to read, and the bell was set.
func (b *bell) take(fd uintptr) bool {
	n, _, e := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&b.event)), 1, 0, 0, 0)
	return e == 0 && n > 0
}

// rung looks whether the wait is over; it is called anew whenever the netpoller
// has seen something. Before the first call the netpoller forgets what it saw,
// so a bell that another goroutine may have set is looked at then too; and a
// ring that an earlier wait left behind is taken, or the new one would not be seen.
func (b *bell) rung(fd uintptr) bool {
	if b.first && b.asks {
		b.first = false
		b.taken(fd)
		b.errno = b.set(fd)
		return b.errno != 0
	}
	if !b.take(fd) {
		return false
	}
	b.isSet = false
	return true
}

// Wait is Bell's.
func (b *bell) Wait(set bool) (bool, error) {
	b.first, b.asks, b.errno = true, set, 0
	switch err := b.raw.Read(b.waits); {
	case err == nil && b.errno != 0:
		return false, os.NewSyscallError("epoll_ctl", b.errno)
	case err == nil:
		return true, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		// A Wake that comes before the next line ends this wait as well.
		_ = b.f.SetReadDeadline(time.Time{})
		return false, nil
	}
	return false, net.ErrClosed
}

// Set, Unset, Detach and Wake are Bell's. They do nothing once it is closed.
func (b *bell) Set()    { _ = b.raw.Control(b.sets) }
func (b *bell) Unset()  { _ = b.raw.Control(b.unsets) }
func (b *bell) Detach() { _ = b.raw.Control(b.leaves) }
func (b *bell) Wake()   { _ = b.f.SetReadDeadline(longAgo) }

var longAgo = time.Unix(1, 0)

// Close ends the wait of who waits.
func (b *bell) Close() error { return b.f.Close() }
