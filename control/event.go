package control

import (
	"fmt"
	"net/netip"

	"github.com/joinleaf/joinleaf/transport"
)

// Output is what a machine wants done: a frame written to a connection, or an
// event raised; never both.
type Output struct {
	To    uint32 // root: the connection; leaf: RootID
	Frame []byte // a whole frame; the shell may keep it, and must not write into it: others may be sent the same bytes
	Event Event  // Kind 0: this is a frame
}

// EventKind says what happened.
type EventKind uint8

// What a Root raises; ID names the connection.
const (
	Requested   EventKind = iota + 1 // a join request waits for the next accept call: Join
	Withdrawn                        // it went away unanswered: Shown, and Code for the accept call
	Accepted                         // an invited leaf says yes, with callee data in Join: answer with Answer
	Failed                           // an admitted or invited leaf does not come in: Code, Text
	EpochWanted                      // answer with SetEpoch: Joining, Fresh
	EpochReady                       // Epoch may be used; the leaves in Joining wait for Start, and are named again until it comes
	Joined                           // the leaf is a member: Join, Addr
	Left                             // a member is gone: Code, Text, Edges, Own
	Lagging                          // a leaf has missed an epoch: answer with Grant
	Hangup                           // write out what is queued, then close this connection; exactly once, and nothing follows for this id
)

// What a Leaf raises.
const (
	Invited  EventKind = iota + 16 // answer with Answer: Invite
	Welcomed                       // open sockets, join the group, then call Ready: Welcome
	Rekeying                       // take up the epoch that was granted, then call Rekeyed: Rekey
	SendersChanged
	Noticed // the root waits for this leaf no more, or again: Notice
	Started // a member from here: Epoch, Edges
	Closed  // it is over; exactly once, and nothing follows: Code, Text, Edges, Own. Write out what is queued, close
)

// What both raise.
const (
	Chatted EventKind = iota + 32 // a side chat message: Data
	Beaten                        // how far the other side has sent: Epoch, Edges
)

var eventNames = map[EventKind]string{
	Requested: "requested", Withdrawn: "withdrawn", Accepted: "accepted", Failed: "failed",
	EpochWanted: "epoch wanted", EpochReady: "epoch ready", Joined: "joined", Left: "left", Lagging: "lagging", Hangup: "hang up",
	Invited: "invited", Welcomed: "welcomed", Rekeying: "rekeying", SendersChanged: "senders changed",
	Noticed: "noticed", Started: "started", Closed: "closed", Chatted: "chatted", Beaten: "beaten",
}

// String names the kind in a word.
func (k EventKind) String() string {
	if n, ok := eventNames[k]; ok {
		return n
	}
	return "nothing"
}

// Event is what happened. Which fields are set stands beside each kind. What
// an event points to is never changed by the machine and is not for others to
// change either: several events may share it.
type Event struct {
	Kind    EventKind
	ID      uint32         // root: the connection, which is also the member's id
	Addr    netip.AddrPort // Requested, Accepted: the connection's other end; Joined: where the leaf hears unicast
	Code    transport.Code // Left, Closed: 0 is a close in good order
	Text    string         // the reason in words; from the other side unless Own
	Own     bool           // this side ended it (R139)
	Shown   bool           // Withdrawn: an accept call had seen the request (R101)
	Fresh   bool           // EpochWanted: somebody left, a Step will not do
	Epoch   uint64
	Joining []uint32
	Edges   []Edge
	Data    []byte
	Join    *Join
	Invite  *Invite
	Welcome *Welcome
	Rekey   *Rekey
	Senders *Senders
	Notice  *Notice
}

// String is the kind and the id, without what was said: logs see events.
func (e Event) String() string { return fmt.Sprintf("%s(%d)", e.Kind, e.ID) }

// outbox holds outputs until they are polled.
type outbox struct {
	list []Output
	next int
}

func (o *outbox) frame(to uint32, frame []byte) {
	o.list = append(o.list, Output{To: to, Frame: frame})
}

func (o *outbox) event(e Event) { o.list = append(o.list, Output{To: e.ID, Event: e}) }

func (o *outbox) poll() (Output, bool) {
	if o.next == len(o.list) {
		return Output{}, false
	}
	out := o.list[o.next]
	o.list[o.next] = Output{} // let go of what it points to
	o.next++
	if o.next == len(o.list) {
		o.next = 0
		if o.list = o.list[:0]; cap(o.list) > 1024 {
			o.list = nil // a rekey of thousands is over
		}
	}
	return out, true
}
