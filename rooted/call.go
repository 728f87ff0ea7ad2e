package rooted

import (
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/transport"
)

// AcceptOptions are one accept call's own.
type AcceptOptions struct {
	// Condition decides instead of Config.Condition. nil accepts.
	Condition func(*Request) Verdict
	// NoWait fails with WSAEWOULDBLOCK where no request waits (R83). One that
	// does is let in as ever, which takes some round trips.
	NoWait bool
}

// Invitation is what the root says to one leaf that it invites.
type Invitation struct {
	Data       []byte // caller data; nil is none
	Role       Role   // the root's towards this leaf (R192)
	CalleeRoom int    // bytes of callee data that it takes; -1 is none
	QoS        []byte // flow specifications, opaque; nil states none
	// DataRoot tells by the flow specifications that an invited leaf answers with
	// whether it is to be the data's root, see Request.DataRoot. It must neither wait
	// nor call the session. nil: no leaf is.
	DataRoot func(qos []byte) bool
}

// SetBacklog changes how many requests may wait for Accept, as Config.Backlog
// says it.
func (r *Root) SetBacklog(n int) {
	r.do(func(_ time.Time, m *control.Root) { m.SetBacklog(n) })
}

// Waiting tells how many requests wait, and whether the first was deferred.
func (r *Root) Waiting() (n int, deferred bool) {
	r.do(func(_ time.Time, m *control.Root) { n, deferred = m.Waiting() })
	return n, deferred
}

// roleOf is what a leaf that asked for a role really does.
func (r *Root) roleOf(id uint32, asked Role) Role {
	info, ok := r.machine.Leaf(id)
	if !ok || r.nonrooted() {
		return asked
	}
	return control.Narrow(asked, info.Role)
}

// Limit holds the data that the root sends, headers, repairs and parity included, to
// burst + rate*t bytes on the wire in any time t, beside Config.Rate. A burst is a full
// packet at least. Rate 0 is no limit.
func (r *Root) Limit(rate int64, burst int) { r.s.Limit(rate, burst) }

// Limit is as Root.Limit.
func (l *Leaf) Limit(rate int64, burst int) { l.s.Limit(rate, burst) }

// Wire is what a message of n bytes takes on the wire at most, when it is sent
// alone, and in how many packets, but for that of its proof.
func (r *Root) Wire(n int) (bytes, packets int) {
	bytes, packets = wireOf(r.params, n)
	if SourceLevel(r.params.Level) != Group {
		bytes += proofAlone + packets*proofEach
	}
	return bytes, packets
}

// Wire is as Root.Wire.
func (l *Leaf) Wire(n int) (bytes, packets int) { return wireOf(l.params, n) }

// What flow adds: to a message, and to each packet's symbol.
const (
	recordMost = 4
	symbolHead = 8
)

// What a proof takes: a packet with a signature in it, and a hash of each symbol.
const (
	proofAlone = 176
	proofEach  = 16
)

func wireOf(p control.Params, n int) (bytes, packets int) {
	room := int(p.Symbol) - symbolHead
	packets = (n + recordMost + room - 1) / room
	return n + recordMost + packets*(int(p.MTU)-room), packets
}

func (c Config) tellWaiting() {
	if c.Waiting != nil {
		c.Waiting()
	}
}

// QoS is the flow specifications that hold, as the other side has left them,
// opaque. nil is none.
func (l *Leaf) QoS() []byte { return l.qos }

// RootRole is the root's role towards this leaf.
func (l *Leaf) RootRole() Role { return l.theirs }

// DataPlane is the session's.
func (l *Leaf) DataPlane() DataPlane { return DataPlane(l.params.Plane) }

// AddrOf is where a member is: the root's control address, or where another
// member of a nonrooted data plane hears unicast. It is not valid for strangers.
func (l *Leaf) AddrOf(id uint32) (a netip.AddrPort) {
	if id == control.RootID {
		return l.Root()
	}
	l.do(func(time.Time, *control.Leaf) { a = l.peers[id].Addr })
	return a
}

// errGone is what an accept call answers for a request that went away.
func errGone(code transport.Code) error {
	return refused("accept invitation", code, "the invitation went away before it was answered")
}
