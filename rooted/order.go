package rooted

import (
	"errors"

	"github.com/joinleaf/joinleaf/control"
	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// leastOrdered is the least MaxMessage of a session with a total order, which is
// told in messages of its own.
const leastOrdered = 64

// checkOrder reports what a root cannot put into one order.
func (c Config) checkOrder() error {
	if !c.Ordered {
		return nil
	}
	why := whyNoOrder(control.Params{Ordered: true, Plane: uint8(c.Data), Streams: classes(c.Streams), MaxMessage: uint32(c.MaxMessage)})
	switch {
	case why != "":
	case c.Role != Both:
		why = "a root that sends and receives: it is the sequencer"
	case c.Policy != flow.Slowest:
		why = "the policy Slowest: everybody waits for the same message"
	case c.Replay != 0:
		why = "no Replay: a late leaf has no place before it came in"
	default:
		return nil
	}
	return &transport.Error{Op: "listen", Code: transport.WSAEINVAL, Err: errors.New("Config.Ordered takes " + why)}
}

// whyNoOrder says what a session's parameters lack for a total order; "": they
// lack nothing, or want none.
func whyNoOrder(p control.Params) string {
	if !p.Ordered {
		return ""
	}
	switch {
	case DataPlane(p.Plane) != NonrootedData:
		return "nonrooted data: with rooted data nobody but the root hears two senders"
	case len(p.Streams) >= flow.MaxStreams:
		return "at most 15 streams: the order needs one"
	case p.MaxMessage < leastOrdered:
		return "a longest message of at least 64 bytes"
	}
	for _, class := range p.Streams {
		if flow.Class(class) != flow.Reliable {
			return "reliable streams only: what may be missing has no place"
		}
	}
	return ""
}

func classes(streams []flow.Class) (out []uint8) {
	for _, c := range streams {
		out = append(out, uint8(c))
	}
	return out
}

// viewed is session.Config.View: members come in and go between two messages.
func viewed(q *events) func(member uint32, in bool, at uint64) {
	return func(member uint32, in bool, at uint64) {
		kind := SenderLeft
		if in {
			kind = SenderJoined
		}
		if member != control.RootID {
			q.add(Event{Kind: kind, Member: member, Order: at})
		}
	}
}
