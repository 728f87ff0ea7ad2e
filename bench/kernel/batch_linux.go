package kernel

import (
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	head unix.Msghdr
	n    uint32
}

// batch is headers over as many buffers.
type batch struct {
	heads []mmsghdr
	iov   []unix.Iovec
	to    *unix.RawSockaddrInet4
}

func newBatch(n, size int, to *unix.RawSockaddrInet4) *batch {
	b := &batch{heads: make([]mmsghdr, n), iov: make([]unix.Iovec, n), to: to}
	bytes := make([]byte, n*size)
	for i := range b.heads {
		b.iov[i].Base = &bytes[i*size]
		b.iov[i].SetLen(size)
		b.heads[i].head.Iov = &b.iov[i]
		b.heads[i].head.SetIovlen(1)
		if to != nil {
			b.heads[i].head.Name = (*byte)(unsafe.Pointer(to))
			b.heads[i].head.Namelen = unix.SizeofSockaddrInet4
		}
	}
	return b
}

// call is sendmmsg or recvmmsg of the first n; it returns how many went.
func (b *batch) call(number uintptr, fd, n, flags int) (int, error) {
	for {
		done, _, errno := unix.Syscall6(number, uintptr(fd), uintptr(unsafe.Pointer(&b.heads[0])), uintptr(n), uintptr(flags), 0, 0)
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return 0, errno
		}
		return int(done), nil
	}
}

// packets is how many of that size the first n buffers hold.
func (b *batch) packets(n, size int) (all int) {
	for i := range b.heads[:n] {
		all += (int(b.heads[i].n) + size - 1) / size
	}
	return all
}

func destination(to netip.AddrPort) *unix.RawSockaddrInet4 {
	a := &unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.Addr().As4()}
	port := (*[2]byte)(unsafe.Pointer(&a.Port))
	port[0], port[1] = byte(to.Port()>>8), byte(to.Port())
	return a
}
