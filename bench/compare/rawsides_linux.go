package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/joinleaf/joinleaf/bench/bulk"
	"github.com/joinleaf/joinleaf/transport/netlab"
)

const (
	rawSize  = 1400
	rawBatch = 64
)

var rawGroup = netip.MustParseAddrPort("239.192.77.3:7003")

// rawWork is one side of the plain sockets.
type rawWork struct {
	Send    bool
	Packets int
}

// rawGot is what a receiver counted; Seconds from its first batch to its last,
// Later what came after the first.
type rawGot struct {
	Packets, Later int
	Seconds        float64
}

// work is a side of one of the peers that are this program.
type work struct {
	Bulk *bulk.Side
	Raw  *rawWork
}

func (w work) do() error {
	switch {
	case w.Bulk != nil:
		return w.Bulk.Do()
	case w.Raw != nil && w.Raw.Send:
		return w.Raw.send()
	case w.Raw != nil:
		return w.Raw.receive()
	}
	return fmt.Errorf("a side without work")
}

// mmsghdr is struct mmsghdr of sendmmsg(2).
type mmsghdr struct {
	head unix.Msghdr
	n    uint32
}

// batch is 64 datagrams' worth of headers over as many buffers. The calls
// below are direct, because package x/net allocates two objects for each
// datagram that it reads, and this is to be the limit.
type batch struct {
	heads [rawBatch]mmsghdr
	iov   [rawBatch]unix.Iovec
	bytes [rawBatch][2048]byte
}

func newBatch(size int, to *unix.RawSockaddrInet4) *batch {
	b := new(batch)
	for i := range b.heads {
		b.iov[i].Base = &b.bytes[i][0]
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

func (w *rawWork) send() error {
	fd, device, err := rawSocket()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(device)}); err != nil {
		return err
	}
	to := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: rawGroup.Addr().As4()}
	port := (*[2]byte)(unsafe.Pointer(&to.Port))
	port[0], port[1] = byte(rawGroup.Port()>>8), byte(rawGroup.Port())
	b := newBatch(rawSize, &to)
	for left := w.Packets; left > 0; {
		n, err := b.call(unix.SYS_SENDMMSG, fd, min(left, rawBatch), 0)
		if err != nil {
			return fmt.Errorf("sendmmsg: %w", err)
		}
		left -= n
	}
	return nil
}

// receive counts until nothing has come for a while.
func (w *rawWork) receive() error {
	fd, device, err := rawSocket()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20); err != nil {
		return err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(rawGroup.Port()), Addr: rawGroup.Addr().As4()}); err != nil {
		return err
	}
	if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: rawGroup.Addr().As4(), Ifindex: int32(device)}); err != nil {
		return err
	}
	idle := unix.NsecToTimeval(int64(400 * time.Millisecond))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &idle); err != nil {
		return err
	}
	fmt.Println("listening")
	b := newBatch(2048, nil)
	var got rawGot
	var first, last time.Time
	for got.Packets < w.Packets {
		n, err := b.call(unix.SYS_RECVMMSG, fd, rawBatch, unix.MSG_WAITFORONE)
		if err == unix.EAGAIN {
			if first.IsZero() {
				continue // the sender has not begun; the side's limit ends this
			}
			break
		}
		if err != nil {
			return fmt.Errorf("recvmmsg: %w", err)
		}
		if last = time.Now(); first.IsZero() {
			first = last
		} else {
			got.Later += n
		}
		got.Packets += n
	}
	got.Seconds = last.Sub(first).Seconds()
	return json.NewEncoder(os.Stdout).Encode(got)
}

func rawSocket() (fd, device int, err error) {
	d, err := net.InterfaceByName(netlab.Device)
	if err != nil {
		return 0, 0, err
	}
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	return fd, d.Index, err
}
