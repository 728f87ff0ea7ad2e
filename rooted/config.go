package rooted

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

// DataPlane says who hears whom.
type DataPlane uint8

const (
	// RootedData: the root's data reaches every leaf, a leaf's only the root
	// (R233 to R235).
	RootedData DataPlane = iota
	// NonrootedData: what any member sends reaches all others (R238).
	NonrootedData
	// LeafRootedData: the data's root is a leaf, see Request.DataRoot. Its data
	// reaches all others, theirs it alone; while there is none they send to
	// nobody (R241).
	LeafRootedData
)

// Role is what a member does in the data plane.
type Role = control.Role

// The roles; the zero value is Both.
const (
	Both        = control.Both
	SendOnly    = control.SendOnly
	ReceiveOnly = control.ReceiveOnly
)

// Config configures a root or a leaf. Identity is required; every other field may
// stay zero. It is never written to.
type Config struct {
	// Network is where sockets come from. nil is the kernel.
	Network transport.Network
	// Identity proves this end and judges the other. Required.
	Identity crypto.Identity
	// Insecure, set to crypto.InsecurePlaintextForTesting at all ends and without an
	// Identity, takes all protection away: plain TCP and plain packets, Source Group.
	// Who has it and who has not never meet. For measurements.
	Insecure crypto.Insecure
	// Source is how data from the root is authenticated; the root decides, and a
	// leaf joins no session of a lower level than it says. Zero is Signed.
	Source SourceLevel
	// Authorize judges who has proven itself, before the condition sees it,
	// and fails closed. With a join code it may be nil; with certificates and
	// pinned keys a root needs one (AuthorizeAnyVerified lets in whoever the
	// certificate authority vouches for). It has 5 s, and at most 32 are asked at
	// once. The leaf may stay until then, the zero time being no end of its own;
	// it is asked again after a day, and by Root.Reauthorize. Setting the clock
	// moves none of these.
	Authorize func(ctx context.Context, peer crypto.PeerInfo, token []byte) (until time.Time, err error)
	// Condition decides each join request, in the goroutine that called Accept,
	// and writes the callee data. nil accepts everybody. Root, and LeafListener.
	Condition func(*Request) Verdict

	// Name is the session's name: a root tells it, a leaf that sets it joins no
	// other. Up to 255 bytes.
	Name string
	// Interface is a name, index or address; "" and "auto" let Choose decide.
	Interface string
	// Control is where a root listens. Zero is every address and any port.
	Control netip.AddrPort
	// Data is the data plane; the root decides for the session.
	Data DataPlane
	// Streams is the class of each stream; the root decides. nil is one
	// reliable stream.
	Streams []flow.Class
	// Ordered puts the messages of all senders into one order, the same at all
	// members, with joins and departures at their place in it; the root decides.
	// It needs NonrootedData, reliable streams, at most 15, the policy Slowest
	// (leaves keep to it too), a root that sends and receives, and no Replay. A
	// member's own messages come back to it.
	Ordered bool
	// Policy says whose pace the root keeps; zero is the slowest leaf's. Quorum
	// is for flow.Quorum. For flow.Tagged the condition tags leaves.
	Policy flow.Policy
	Quorum int
	// WaitFor is how many leaves a root waits for before its first Send goes
	// on; see Root.Begin. Zero waits for nobody.
	WaitFor int
	// NoQuarantine waits for a leaf that drags the others as for any other.
	// Otherwise it is served apart: it may miss messages, and is told how many.
	NoQuarantine bool
	// NoParity repairs by sending the lost packets themselves, never by parity.
	NoParity bool
	// Latency is how long a message of a flow.Deadline stream may be waited for;
	// the root decides. Whole milliseconds, at most 65 s; zero is 200 ms.
	Latency time.Duration
	// Replay is how much of what was delivered a root keeps for leaves that come
	// late and want it, in bytes a stream. Zero keeps nothing.
	Replay int
	// From is where a leaf wants the root's data to begin. Zero is what is sent
	// once it is in (R244). What the root does not keep is passed over.
	From flow.From
	// Role is what a leaf wants to do; at the root, what it does itself.
	Role Role
	// CalleeRoom is how many bytes of callee data a leaf takes, and a root that
	// invites: zero, and more than that, is 64 KiB, negative none.
	CalleeRoom int

	// Second is another path for the group's packets: an address of the same
	// family, and the root's interface for it ("" or "auto": Choose decides). The
	// root sends everything to both groups; a leaf that hears both asks only for
	// what both lost. Not with a source-specific group. Zero is one path.
	Second transport.Group
	// SecondInterface is where a leaf hears the second path; see Interface.
	SecondInterface string

	// TTL, DSCP, NoOffload, NoBatch and ReadBuffer are the data sockets', see
	// transport.SocketOptions.
	TTL, DSCP  int
	NoOffload  bool
	NoBatch    bool
	ReadBuffer int
	// BusyPoll is how long a Recv that finds nothing keeps looking before it sleeps: a
	// message then comes to it without a thread that must be woken, for a processor that
	// is busy that long. The sockets have it as SO_BUSY_POLL too. It is for round trips
	// that count each microsecond, on Linux, without an order. Zero is none.
	BusyPoll time.Duration
	// Rate bounds what this member sends, bytes a second on the wire; zero
	// leaves it to the receivers' credit and to RateLaw.
	Rate int64
	// RateLaw is how this member finds its rate below that. Zero, flow.LAN, goes
	// as fast as credit allows unless loss grows with the rate, and stands for
	// flow.TFMCC where TTL lets routers forward the group. flow.Fixed finds none.
	RateLaw flow.RateLaw
	// MTU bounds packets; the root decides. Zero and less is the interface's, at
	// most 9000, and 1500 on loopback.
	MTU int
	// MaxMessage and Window are the longest message and the bytes under way;
	// the root decides. Zero is 1 MiB and 8 MiB.
	MaxMessage, Window int
	// Backlog is how many requests may wait for Accept, see control.RootConfig;
	// for a LeafListener zero is 16.
	Backlog int
	// QoS is the flow specifications of a leaf that joins, opaque here. nil states
	// none.
	QoS []byte
	// Waiting is told that a request, or an invitation, has come. It must neither
	// wait nor call the session. nil: nobody asks.
	Waiting func()
	// Reach is told that the data's root has come or gone, with LeafRootedData. It must
	// neither wait nor call the session. nil: nobody asks.
	Reach func()
	// JoinTimeout bounds a join from the call to its end (R259). Zero is 60 s.
	JoinTimeout time.Duration
	// Silence is how long the other side may say nothing, neither on the control
	// channel nor with the data. Zero is 5 s.
	Silence time.Duration
	// Logger hears of state changes. nil is silence. Its handler must not call
	// the session that it hears of.
	Logger *slog.Logger

	// wall is the clock that certificates and authorizations are held against,
	// once, when a leaf comes in; from then on time only passes. nil is time.Now.
	wall func() time.Time
}

// AuthorizeAnyVerified authorizes everybody whose certificate was verified, for as
// long as that is good.
func AuthorizeAnyVerified(_ context.Context, peer crypto.PeerInfo, _ []byte) (until time.Time, err error) {
	if peer.Certificate == nil {
		return time.Time{}, errors.New("no verified certificate")
	}
	return peer.Certificate.NotAfter, nil
}

// Verdict is a condition's answer.
type Verdict int

// The verdicts, with the numbers of CF_ACCEPT, CF_REJECT and CF_DEFER.
const (
	Accept Verdict = 0
	Refuse Verdict = 1
	Defer  Verdict = 2 // Accept fails with WSATRY_AGAIN, the request stays first in line
)

// Request is what a condition sees: a join request, or an invitation.
type Request struct {
	From netip.AddrPort  // who asks
	Peer crypto.PeerInfo // as proven
	Name string          // the session that is meant
	Data []byte          // caller data; nil is none, which an empty one is not (R179)
	Role Role            // what the asking side will do
	Room int             // bytes of callee data that it takes; 0 is none
	QoS  []byte          // its flow specifications, opaque; nil is none. Accepted, what is left here holds (R207)
	// Callee is the condition's to fill in: callee data, at most Room bytes.
	Callee []byte
	// Reason is what a refused caller is told. Empty is a plain refusal.
	Reason string
	// Code is what a refused caller's join ends with. Zero is WSAECONNREFUSED.
	Code transport.Code
	// Tag is the condition's to set: with flow.Tagged the root waits for this leaf.
	Tag bool
	// DataRoot is the condition's to set, with LeafRootedData: this leaf is the data's
	// root. There is one at a time; another is refused (R240).
	DataRoot bool
}

func (c Config) withDefaults() Config {
	if c.Network == nil {
		c.Network = transport.Kernel{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.wall == nil {
		c.wall = time.Now
	}
	if len(c.Streams) == 0 {
		c.Streams = []flow.Class{flow.Reliable}
	}
	if c.Insecure != crypto.Protected {
		c.Source = Group // a signature of nobody's proves nothing
	}
	if c.MaxMessage == 0 {
		c.MaxMessage = 1 << 20
	}
	if c.Window == 0 {
		c.Window = max(8<<20, 2*c.MaxMessage)
	}
	if c.JoinTimeout <= 0 {
		c.JoinTimeout = time.Minute
	}
	c.Insecure.Warn(c.Logger)
	if c.Latency == 0 {
		c.Latency = 200 * time.Millisecond
	}
	switch {
	case c.CalleeRoom == 0:
		c.CalleeRoom = control.MaxConnectData
	case c.CalleeRoom < 0:
		c.CalleeRoom = -1
	default:
		c.CalleeRoom = min(c.CalleeRoom, control.MaxConnectData)
	}
	return c
}

// law is the rate law of this member.
func (c Config) law() flow.RateLaw {
	if c.RateLaw == flow.LAN && c.TTL > 1 {
		return flow.TFMCC
	}
	return c.RateLaw
}

func (c Config) check(op string, role crypto.Role) error {
	if err := c.Identity.CheckInsecure(role, c.Insecure); err != nil {
		return &transport.Error{Op: op, Code: transport.WSAEINVAL, Err: err}
	}
	if c.Source > Group {
		return &transport.Error{Op: op, Code: transport.WSAEINVAL, Err: fmt.Errorf("Config.Source is %v; there are Signed, SignedEager and Group", c.Source)}
	}
	if role == crypto.RoleRoot && c.Data != RootedData && c.Source != Group {
		return &transport.Error{Op: op, Code: transport.WSAEINVAL, Err: errors.New("unless the root is the data's root Config.Source must be Group: only the root's data can be signed in this version, so every member could pose as any other")}
	}
	if role == crypto.RoleRoot && c.Authorize == nil && c.Identity.Code.IsZero() && c.Insecure == crypto.Protected {
		return &transport.Error{Op: op, Code: transport.WSAEINVAL, Err: errors.New("without a join code Config.Authorize is required: it says who may come in; AuthorizeAnyVerified lets in every verified certificate")}
	}
	if len(c.Name) > control.MaxName {
		return &transport.Error{Op: op, Code: transport.WSAEINVAL, Err: fmt.Errorf("Config.Name has %d bytes; at most %d", len(c.Name), control.MaxName)}
	}
	if c.Latency < time.Millisecond || c.Latency > math.MaxUint16*time.Millisecond || c.From.Kind > flow.FromLast || c.RateLaw > flow.Fixed {
		return &transport.Error{Op: op, Code: transport.WSAEINVAL, Err: errors.New("one of Config's Latency, 1 ms to 65 s, From and RateLaw is out of range")}
	}
	if c.Role > ReceiveOnly || c.MaxMessage < 0 || c.MaxMessage > math.MaxInt32 || c.Window < 0 || c.Window > math.MaxInt32 {
		return &transport.Error{Op: op, Code: transport.WSAEINVAL, Err: errors.New("one of Config's Role, MaxMessage and Window is out of range")}
	}
	return nil
}

func (c Config) socketOptions(iface string) transport.SocketOptions {
	return transport.SocketOptions{
		Interface: iface, TTL: c.TTL, DSCP: c.DSCP, ReadBuffer: c.ReadBuffer,
		NoOffload: c.NoOffload, NoBatch: c.NoBatch, BusyPoll: c.BusyPoll,
	}
}
