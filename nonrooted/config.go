package nonrooted

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// Role is what a member does in the data plane.
type Role = control.Role

// The roles; the zero value is Both.
const (
	Both        = control.Both
	SendOnly    = control.SendOnly
	ReceiveOnly = control.ReceiveOnly
)

// DataPlane says who hears whom.
type DataPlane uint8

const (
	// NonrootedData: what any member sends reaches all others (R238).
	NonrootedData DataPlane = iota
	// RootedData: the coordinator's data reaches all, the others' only the
	// coordinator. When it goes, the next oldest member is the data's root, in a
	// session that succeeds this one.
	RootedData
)

// MaxData is the most caller and callee data, in bytes.
const MaxData = control.MaxEqualData

// Config configures a member. Identity is required; every other field may stay
// zero. It is never written to. What the session is, as opposed to this member,
// is decided by whoever founds it: Plane, Ordered, Streams, Latency, MTU, MaxMessage,
// Window, Name, Limit and Admins of later members are not looked at.
type Config struct {
	// Network is where sockets come from. nil is the kernel.
	Network transport.Network
	// Identity proves this member and judges the others: a join code, or a
	// certificate and CAs, all for client authentication. Required.
	Identity crypto.Identity
	// Authorize judges who has proven itself. With a join code it may be nil;
	// with certificates it is required.
	Authorize func(ctx context.Context, peer crypto.PeerInfo) error
	// Admins are the fingerprints of who may evict, beside the coordinator; with
	// certificates. At most 16.
	Admins []crypto.Pin

	// Interface is a name, index or address; "" and "auto" let Choose decide.
	Interface string
	// Name is the session's name. Up to 255 bytes.
	Name string
	// Data is what this member says of itself on the way in: all others see it.
	// Callee is what it says to who comes in while it is the coordinator. At most
	// MaxData bytes each; nil is none (R179).
	Data, Callee []byte
	// Role is what this member does.
	Role Role
	// Loopback gives this member what it sends itself as well (R249).
	Loopback bool
	// Limit is how many members there may be. Zero is 256, the most.
	Limit int

	// Ordered gives all members the messages of all senders in one order, which the
	// coordinator tells: see transport/session. Data is nonrooted and all streams
	// reliable, all members send and receive, and their own messages come back to
	// them. When the coordinator goes, a session that succeeds this one begins; what
	// has no place by then is missed by all: see the package's guide.
	Ordered bool
	// Plane is the data plane.
	Plane DataPlane
	// Streams is the class of each stream. nil is one reliable stream.
	Streams []flow.Class
	// Latency is how long a message of a flow.Deadline stream may be waited for:
	// whole milliseconds, at most 65 s; zero is 200 ms.
	Latency time.Duration
	// MaxMessage and Window are the longest message and the bytes under way of
	// each sender. Zero is 1 MiB and 8 MiB.
	MaxMessage, Window int
	// MTU bounds packets. Zero and less is the interface's, at most 9000, and 1500
	// on loopback.
	MTU int

	// Budget bounds the receive buffers for all senders together, in bytes; zero
	// means 64 MiB.
	Budget int
	// TTL, DSCP, NoOffload, NoBatch and ReadBuffer are the data sockets', see
	// transport.SocketOptions. TTL is the membership's as well; where it lets
	// routers forward the group, strangers off the local network are answered.
	TTL, DSCP  int
	NoOffload  bool
	NoBatch    bool
	ReadBuffer int
	// BusyPoll is how long a Recv that finds nothing keeps looking before it sleeps: a
	// message then comes to it without a thread that must be woken, for a processor that
	// is busy that long. The sockets have it as SO_BUSY_POLL too. It is for round trips
	// that count each microsecond, on Linux, without an order. Zero is none.
	BusyPoll time.Duration
	// Rate bounds what this member sends, bytes a second on the wire; zero leaves
	// it to the receivers' credit and to RateLaw; see rooted.Config.
	Rate    int64
	RateLaw flow.RateLaw
	// Quarantine lets this member go on without one that drags it: that alone holds
	// it up for a second out of two, or loses a tenth of the packets and far more
	// than the others. Such a member is sent what it lacks within a tenth of the
	// bytes, and told the rest as missed. The zero value waits for everybody: what
	// is reliable comes whole, and a member that is in and does not read holds up
	// all who send, until it reads, goes, or is evicted. Who sends must receive
	// at the same time.
	Quarantine bool

	// Silence is how long a member may say nothing before it counts as gone.
	// Zero is 2 s.
	Silence time.Duration
	// FoundAfter is how long a session is looked for before this member founds
	// one. Zero is 600 ms.
	FoundAfter time.Duration
	// JoinTimeout bounds Join, and how long an interface that was deleted is waited
	// for. Zero is 30 s.
	JoinTimeout time.Duration
	// Logger hears of state changes. nil is silence.
	Logger *slog.Logger
}

// AuthorizeAnyVerified authorizes everybody whose certificate was verified.
func AuthorizeAnyVerified(_ context.Context, peer crypto.PeerInfo) error {
	if peer.Certificate == nil {
		return errors.New("no verified certificate")
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Network == nil {
		c.Network = transport.Kernel{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if len(c.Streams) == 0 {
		c.Streams = []flow.Class{flow.Reliable}
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = 1 << 20
	}
	if c.Window == 0 {
		c.Window = max(8<<20, 2*c.MaxMessage)
	}
	if c.Latency == 0 {
		c.Latency = 200 * time.Millisecond
	}
	if c.Limit == 0 {
		c.Limit = control.MaxEquals
	}
	if c.JoinTimeout <= 0 {
		c.JoinTimeout = 30 * time.Second
	}
	return c
}

func (c Config) check() error {
	fail := func(code transport.Code, f string, a ...any) error {
		return &transport.Error{Op: "join", Code: code, Err: fmt.Errorf(f, a...)}
	}
	switch {
	case len(c.Data) > MaxData || len(c.Callee) > MaxData:
		return fail(transport.WSAEFAULT, "caller and callee data are limited to %d bytes", MaxData)
	case len(c.Name) > control.MaxName:
		return fail(transport.WSAEINVAL, "Config.Name has %d bytes; at most %d", len(c.Name), control.MaxName)
	case c.Limit < 1 || c.Limit > control.MaxEquals:
		return fail(transport.WSAEINVAL, "Config.Limit is %d; 1 to %d are possible", c.Limit, control.MaxEquals)
	case len(c.Admins) > control.MaxAdmins:
		return fail(transport.WSAEINVAL, "Config.Admins has %d; at most %d", len(c.Admins), control.MaxAdmins)
	case c.Latency < time.Millisecond || c.Latency > math.MaxUint16*time.Millisecond, c.RateLaw > flow.Fixed, c.Plane > RootedData,
		c.Role > ReceiveOnly, c.MaxMessage < 0, c.MaxMessage > math.MaxInt32, c.Window < 0, c.Window > math.MaxInt32:
		return fail(transport.WSAEINVAL, "one of Config's Latency, RateLaw, Plane, Role, MaxMessage and Window is out of range")
	}
	if why := orderNeeds(c.Ordered, c.Plane == RootedData, c.Streams, c.MaxMessage); why != "" {
		return fail(transport.WSAEINVAL, "a total order takes %s", why)
	}
	return nil
}

// law is the rate law of this member.
func (c Config) law() flow.RateLaw {
	if c.RateLaw == flow.LAN && c.TTL > 1 {
		return flow.TFMCC
	}
	return c.RateLaw
}

func (c Config) socketOptions(iface string) transport.SocketOptions {
	return transport.SocketOptions{
		Interface: iface, TTL: c.TTL, DSCP: c.DSCP, ReadBuffer: c.ReadBuffer, NoOffload: c.NoOffload, NoBatch: c.NoBatch,
		BusyPoll: c.BusyPoll,
	}
}

// membershipGroup is where members and strangers talk about membership: the
// next port, so that it never waits behind data in a socket's buffer.
func membershipGroup(g transport.Group) transport.Group {
	port := g.Addr.Port() + 1
	if port == 0 {
		port = g.Addr.Port() - 1
	}
	return transport.Group{Addr: netip.AddrPortFrom(g.Addr.Addr(), port), Interface: g.Interface}
}
