package transport

import (
	"os"
	"syscall"
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
// that.
type bell struct {
	f      *os.File // the epoll instance; it counts who is in it
	raw    syscall.RawConn
	socket uintptr // valid as long as f is in use
	isSet  bool
	event  unix.EpollEvent
}

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
	return b, nil
}

// set asks for one ring. What has come since the socket was last read rings at
// once.
func (b *bell) set(fd uintptr) unix.Errno {
	b.event = unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLONESHOT}
	_, _, e := unix.RawSyscall6(unix.SYS_EPOLL_CTL, fd, unix.EPOLL_CTL_MOD, b.socket, uintptr(unsafe.Pointer(&b.event)), 0, 0)
	b.isSet = e == 0
	return e
}

// taken takes the ring back, if there was one.
func (b *bell) taken(fd uintptr) {
	if b.isSet {
		_, _, _ = unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&b.event)), 1, 0, 0, 0)
		b.isSet = false
	}
}

// Close ends the wait of who waits.
func (b *bell) Close() error { return b.f.Close() }
