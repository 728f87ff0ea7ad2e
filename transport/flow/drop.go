package flow

// Drop says why a frame changed nothing. Zero means that it was taken.
type Drop uint8

// The reasons.
const (
	DropNone      Drop = iota
	DropMalformed      // not a frame, or one that no honest member makes
	DropType           // a type this version does not know
	DropStranger       // from a member that is not counted
	DropStream         // no such stream, or not of the class that the frame says
	DropFuture         // echoes what was not sent yet
	DropBeyond         // speaks of sequences that were not sent, or a credit beyond reason
	DropStale          // older than what the same member said before
	DropRate           // more NAKs than a member may send
	DropEarly          // before Start: keep the packet and hand it in again
	DropBefore         // first sent before this member was counted
	DropDuplicate      // had that symbol
	DropLate           // its place was passed: read already, or told as a gap
	DropWindow         // beyond the window
	DropBudget         // the slab budget is used up
	DropClosed         // after Close
	DropForged         // another member's, in the sender's name
	drops
)

var dropNames = [drops]string{"none", "malformed", "type", "stranger", "stream", "future", "beyond", "stale", "rate",
	"early", "before", "duplicate", "late", "window", "budget", "closed", "forged"}

// String names the reason in one word.
func (d Drop) String() string {
	if d < drops {
		return dropNames[d]
	}
	return "unknown"
}

// Drops counts frames by reason.
type Drops [drops]uint64

// Total is the sum over all reasons.
func (d *Drops) Total() (n uint64) {
	for _, v := range d[1:] {
		n += v
	}
	return n
}
