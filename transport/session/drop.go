package session

import "github.com/joinleaf/joinleaf/transport/flow"

// Drop says why a packet was not handed on. Hostile or stray packets are never
// errors: they are counted, by reason.
type Drop uint8

// The reasons. The first nine are the sealer's and keep its numbers; from
// DropFlow on they are flow's, in flow's order: see FlowDrop.
const (
	DropNone        Drop = iota
	DropShort            // too short to be a packet
	DropVersion          // another version, or reserved bits set
	DropSession          // another session's
	DropKey              // a key that is not known here (yet)
	DropSender           // a sender that was not admitted
	DropReplay           // seen before, or too old to tell
	DropForged           // does not open
	DropClosed           // of an epoch that is over
	DropGeneration       // too far ahead to be tried now
	DropDestination      // not sent to this group or member
	DropKind             // a packet or frame that this member does not handle
	DropHeld             // before the sender's start was known, and no room to hold it
	DropFrame            // a frame of the session's own that is malformed, or before its time
	DropFlow             // DropFlow + d is flow's reason d
)

// NumDrops is the number of reasons, none included.
const NumDrops = int(DropFlow) + 17

var dropNames = [DropFlow]string{
	"none", "short", "version", "session", "key", "sender", "replay", "forged", "closed", "generation",
	"destination", "kind", "held", "frame",
}

// String is the reason in one word.
func (d Drop) String() string {
	if d < DropFlow {
		return dropNames[d]
	}
	return "flow " + flow.Drop(d-DropFlow).String()
}

// FlowDrop is the reason that flow gave.
func FlowDrop(d flow.Drop) Drop {
	if d == flow.DropNone {
		return DropNone
	}
	return DropFlow + Drop(d)
}
