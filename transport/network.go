package transport

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Network is where sessions get their sockets: the kernel's (see [Kernel]) or
// a host of simnet. One conformance suite (transport/nettest) holds both to
// the same behaviour.
type Network interface {
	// OpenGroup opens a socket that hears g and nothing else, on g.Interface,
	// which must be set: bound to the group where the system allows it, joined
	// to the group (source-specific when g.Source is set), with other groups'
	// packets kept out.
	OpenGroup(ctx context.Context, g Group, o SocketOptions) (PacketConn, error)
	// OpenUnicast opens a socket bound to local (port 0: any), through which a
	// member sends everything, group packets too, and hears what is sent to it
	// alone. o.Interface names the interface that group packets leave by.
	OpenUnicast(ctx context.Context, local netip.AddrPort, o SocketOptions) (PacketConn, error)
	// Listen and Dial carry the control channel: TCP.
	Listen(ctx context.Context, local netip.AddrPort) (net.Listener, error)
	// Dial connects to remote; a valid local address is bound first.
	Dial(ctx context.Context, local, remote netip.AddrPort) (net.Conn, error)
	// Interfaces lists the host's interfaces as they are now.
	Interfaces() ([]Interface, error)
	// Route tells which interface the host would use for dst, and the local
	// address it would send from. It sends nothing.
	Route(dst netip.Addr) (ifIndex int, src netip.Addr, err error)
}

// SocketOptions is one struct for both kinds of data socket; zero is the safe
// default everywhere.
type SocketOptions struct {
	// Interface is the name of the interface that group packets leave by.
	// OpenUnicast without it sends to no group; OpenGroup takes the group's.
	Interface string
	// TTL is the multicast TTL or hop limit. Zero means 1: the local link.
	// Negative means 0: this host only.
	TTL int
	// DSCP marks packets, 0 to 63. Zero is best effort.
	DSCP int
	// NoLoopback keeps the kernel from handing group packets to other sockets
	// of this host. Zero means loop: members on one host hear each other.
	NoLoopback bool
	// ReadBuffer and WriteBuffer are the kernel buffers to ask for, in bytes.
	// Zero means 8 MiB and 4 MiB; negative leaves the system's default.
	ReadBuffer, WriteBuffer int
	// BusyPoll is SO_BUSY_POLL, to the microsecond: who reads the socket and finds nothing
	// looks at the device's queue, without an interrupt, where the driver can do that.
	// Zero leaves the system's default, net.core.busy_read. It takes CAP_NET_ADMIN.
	BusyPoll time.Duration
	// NoOffload turns segmentation and receive offload off.
	NoOffload bool
	// NoBatch takes the portable path of one datagram a call as well.
	NoBatch bool
}

// Datagram is one buffer of a batch. With a Segment it stands for several
// packets: B holds packets of Segment bytes back to back, the last of which
// may be shorter.
type Datagram struct {
	B       []byte         // on read: room on the way in, what arrived on the way out
	Segment int            // zero: one packet
	Addr    netip.AddrPort // the other end: source on read, destination on write
	Dst     netip.Addr     // where it was sent to; invalid where the system cannot tell
	IfIndex int            // the interface it came in by; zero where unknown
	// Overflow is the socket's running count of buffers that the kernel dropped
	// for want of room, as it stood when this one was queued; it wraps.
	Overflow uint32
}

// PacketConn is a data socket, batch-shaped: a batch of one where the system
// has no more. ReadBatch may be called by one goroutine and WriteBatch by one
// other at the same time. After Close both return an error that matches
// net.ErrClosed.
type PacketConn interface {
	// ReadBatch waits for at least one datagram and returns how many elements
	// of ds it filled. A datagram longer than its room is cut; give 64 KiB.
	ReadBatch(ds []Datagram) (int, error)
	// WriteBatch sends ds in order, waiting for room where the socket has
	// none, and returns how many elements were sent whole. When a Segment is
	// refused by the system it falls back to plain datagrams by itself.
	WriteBatch(ds []Datagram) (int, error)
	// LocalAddr is the bound address; for a group socket the group's.
	LocalAddr() netip.AddrPort
	// Info tells what the system granted.
	Info() SocketInfo
	Close() error
}

// TurnConn is a PacketConn that several goroutines read in turn, each of which
// waits at a Bell of its own: a packet wakes the one whose bell is set, and
// nobody needs to be woken for the turn to move. Linux's batch path has it.
type TurnConn interface {
	PacketConn
	// ReadNow is ReadBatch without the wait: 0 and no error where nothing is
	// there. The goroutine whose turn it is calls it.
	ReadNow(ds []Datagram) (int, error)
	// NewBell makes a place to wait at, instead of in ReadBatch, which must not be
	// called any more. Closing the socket closes it.
	NewBell() (Bell, error)
}

// Bell is one goroutine's place to wait at a socket. Wait is for that goroutine
// alone; Set, Unset and Detach are for one goroutine at a time, Wake is for any.
type Bell interface {
	// Set has the bell ring once when there is something to read: at once if
	// something is there. Unset takes that back; a ring may be under way.
	Set()
	Unset()
	// Detach is Unset for long: until the bell is set again a packet costs nothing
	// on its account.
	Detach()
	// Wait waits for a ring. It sets the bell itself, where nobody else does, or
	// takes it as it is. It returns false and no error when a Wake ended it, and
	// an error that matches net.ErrClosed when the socket was closed.
	Wait(set bool) (rung bool, err error)
	// Wake ends the Wait that is under way, or else the next one.
	Wake()
}

// SocketInfo is what became of the options.
type SocketInfo struct {
	Interface       string
	IfIndex         int
	MTU             int
	ReadBuffer      int // usable bytes, not the doubled figure that Linux reports
	WriteBuffer     int
	SegmentOffload  bool // a Datagram with Segment leaves in one call
	ReceiveOffload  bool // the system may merge received packets
	DestinationSeen bool // Datagram.Dst is filled in on read
	OverflowSeen    bool // Datagram.Overflow is
	// Warnings are sentences for the log: a buffer that was cut and the sysctl
	// that would grant it, an option that the system lacks.
	Warnings []string
}

// Interface is what the choice of an interface needs to know of one.
type Interface struct {
	Name         string
	Index        int
	MTU          int
	Addrs        []netip.Prefix
	Up           bool
	Loopback     bool
	Multicast    bool
	PointToPoint bool
	Virtual      bool // a bridge of containers, a tunnel, a hypervisor's
	Wireless     bool
}
