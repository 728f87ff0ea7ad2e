package kernel

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/joinleaf/joinleaf/transport/netlab"
)

// Size is the bytes of a datagram.
const Size = 1400

const (
	window     = 8 << 20 // bytes of socket buffer, what joinleaf asks for
	quiet      = 400 * time.Millisecond
	singles    = 64
	supers     = 8
	mergedRoom = 64 << 10
	mergedRead = 16
)

var group = netip.MustParseAddrPort("239.192.77.3:7003")

// Spec is one run.
type Spec struct {
	Packets  int           // to send; zero: For says how long
	For      time.Duration // see Packets
	Size     int           // bytes of a packet; zero is the constant
	Segments int           // packets of one UDP_SEGMENT message; zero: single datagrams
	Rate     float64       // packets a second; zero is as fast as it goes
}

func (s Spec) size() int {
	if s.Size > 0 {
		return s.Size
	}
	return Size
}

// Side is one process of a run.
type Side struct {
	Spec Spec
	Send bool
}

// Sent is the sender's account.
type Sent struct {
	Packets int
	Seconds float64
}

// Got is what a receiver counted; Seconds from its first batch to its last,
// Later what came after the first.
type Got struct {
	Packets, Later int
	Seconds        float64
}

// Rate is packets a second.
func (g Got) Rate() float64 {
	if g.Seconds <= 0 {
		return 0
	}
	return float64(g.Later) / g.Seconds
}

// Do is the side's whole life. A receiver says a line when it listens; either
// ends with its account as JSON.
func (s Side) Do() (err error) {
	var account any
	if s.Send {
		account, err = s.Spec.send()
	} else {
		account, err = s.Spec.receive()
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(account)
}

func (s Spec) send() (sent Sent, err error) {
	fd, device, err := open()
	if err != nil {
		return sent, err
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(device)}); err != nil {
		return sent, err
	}
	each, length, most := 1, s.size(), singles
	if s.Segments > 0 {
		each, length, most = s.Segments, s.Segments*s.size(), supers
		if err := unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, s.size()); err != nil {
			return sent, fmt.Errorf("UDP_SEGMENT: %w", err)
		}
	}
	b := newBatch(most, length, destination(group))
	p, err := newPacer(s.Rate)
	if err != nil {
		return sent, err
	}
	for !s.over(sent, p.began) {
		n := most
		if s.Packets > 0 {
			n = min(most, (s.Packets-sent.Packets+each-1)/each)
		}
		n, err := b.call(unix.SYS_SENDMMSG, fd, n, 0)
		if err != nil {
			return sent, fmt.Errorf("sendmmsg: %w", err)
		}
		sent.Packets += n * each
		p.wait(sent.Packets)
	}
	sent.Seconds = time.Since(p.began).Seconds()
	return sent, nil
}

func (s Spec) over(sent Sent, began time.Time) bool {
	if s.Packets > 0 {
		return sent.Packets >= s.Packets
	}
	return time.Since(began) >= s.For
}

// receive counts until nothing has come for a while.
func (s Spec) receive() (got Got, err error) {
	fd, err := s.listen()
	if err != nil {
		return got, err
	}
	defer unix.Close(fd)
	fmt.Println("listening")
	b := newBatch(singles, 2048, nil)
	if s.Segments > 0 {
		b = newBatch(mergedRead, mergedRoom, nil)
	}
	var first, last time.Time
	for s.Packets == 0 || got.Packets < s.Packets {
		n, err := b.call(unix.SYS_RECVMMSG, fd, len(b.heads), unix.MSG_WAITFORONE)
		if err == unix.EAGAIN {
			if first.IsZero() {
				continue // the sender has not begun; the side's limit ends this
			}
			break
		}
		if err != nil {
			return got, fmt.Errorf("recvmmsg: %w", err)
		}
		if s.Segments > 0 {
			n = b.packets(n, s.size())
		}
		if last = time.Now(); first.IsZero() {
			first = last
		} else {
			got.Later += n
		}
		got.Packets += n
	}
	got.Seconds = last.Sub(first).Seconds()
	return got, nil
}

func (s Spec) listen() (int, error) {
	fd, device, err := open()
	if err != nil {
		return 0, err
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, window)
	if err == nil && s.Segments > 0 {
		err = unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1)
	}
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Port: int(group.Port()), Addr: group.Addr().As4()})
	}
	if err == nil {
		err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, &unix.IPMreqn{Multiaddr: group.Addr().As4(), Ifindex: int32(device)})
	}
	if err == nil {
		idle := unix.NsecToTimeval(int64(quiet))
		err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &idle)
	}
	if err != nil {
		unix.Close(fd)
	}
	return fd, err
}

func open() (fd, device int, err error) {
	d, err := net.InterfaceByName(netlab.Device)
	if err != nil {
		return 0, 0, err
	}
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	return fd, d.Index, err
}

// pacer holds a sender to a rate. Its goroutine keeps its thread, whose timer
// is made exact: by default the kernel may be 50 microseconds late.
type pacer struct {
	began time.Time
	rate  float64
}

func newPacer(rate float64) (*pacer, error) {
	if rate > 0 {
		runtime.LockOSThread()
		if err := unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0); err != nil {
			return nil, err
		}
	}
	return &pacer{time.Now(), rate}, nil
}

// wait sleeps until so many packets may have been sent.
func (p *pacer) wait(packets int) {
	if p.rate <= 0 {
		return
	}
	due := time.Duration(float64(packets) / p.rate * float64(time.Second))
	if d := due - time.Since(p.began); d > 0 {
		t := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&t, nil) // when a signal ends it, the next one is longer
	}
}
