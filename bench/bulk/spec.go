package bulk

import (
	"time"

	"github.com/joinleaf/joinleaf/rooted"
)

// Spec is one run.
type Spec struct {
	Size    int64 // bytes, rounded up to whole messages
	Message int   // bytes of a message
	Leaves  int
	Loss    float64 // percent of single packets, at each leaf's input
	// Losses is the same leaf by leaf, in order; nil: Loss for all.
	Losses []float64 `json:",omitempty"`
	// MayMiss is the one leaf, counted from 1, that need not get everything as
	// long as it is told how much it missed, as a quarantined one is. The goodput
	// is that of the others. 0: every leaf must have all.
	MayMiss  int  `json:",omitempty"`
	NoParity bool `json:",omitempty"` // the session's, see rooted.Config
	Source   rooted.SourceLevel
	// Clear takes all protection away (crypto.InsecurePlaintextForTesting); Source
	// says nothing then.
	Clear bool `json:",omitempty"`
	// Offload leaves segmentation offload to the root's device. Without it the
	// kernel cuts batches into packets before the device, as it does for a
	// network card that cannot, and packets are lost one by one. The session's
	// own settings are the defaults either way, but for NoParity, Source and Clear.
	Offload bool
	Within  time.Duration // what the run may take; zero is 30 s and 1 s a megabyte and leaf
}

// Messages is how many messages the size makes, 2 at least: time runs from the
// first to the last.
func (s Spec) Messages() uint64 {
	return max(2, uint64((s.Size+int64(s.Message)-1)/int64(s.Message)))
}

// Limit is what the run may take.
func (s Spec) Limit() time.Duration {
	if s.Within > 0 {
		return s.Within
	}
	return 30*time.Second + time.Duration(s.Size/1e6*int64(s.Leaves))*time.Second
}

// LossOf is the loss of leaf i, counted from 0.
func (s Spec) LossOf(i int) float64 {
	if i < len(s.Losses) {
		return s.Losses[i]
	}
	return s.Loss
}

// Sent is the root's account of a run.
type Sent struct {
	Seconds     float64 // from the first Send until everybody had everything
	Packets     uint64  // to the group and to single leaves
	WireBytes   uint64  // of these, with 28 bytes of IPv4 and UDP header each
	Data        uint64  // packets' worth of new content
	Naks        uint64  // requests for repair that came
	RepairGroup uint64  // packets sent again to all
	RepairAlone uint64  // packets sent again to one leaf
	Rate        int64   // bytes a second at the end, as the session found it
	Memory      int     // bytes of repair ring
	// Standings is which leaves were served apart, were waited for again, or
	// were lost, and when.
	Standings []Standing `json:",omitempty"`
}

// Standing is a change of one leaf's place in the session.
type Standing struct {
	Seconds float64 // from the first Send
	Member  uint32  // as in Got
	What    string  // the event's name: quarantined, returned, left
	Why     string
}

// Got is one leaf's account.
type Got struct {
	Seconds  float64 // from the first message to the last
	Bytes    uint64  // after the first message
	Messages uint64  // all of them, checked
	Heard    uint64  // packets that reached its sockets
	Repaired uint64  // packets that came after they were asked for
	HostLost uint64  // packets that its own host dropped for want of room
	Missed   uint64  // messages told as missed
	Member   uint32  // its number in the session
	// Ended is how the session ended for a leaf that may miss something, if not
	// in good order.
	Ended string `json:",omitempty"`
}

// Goodput is bytes a second of content.
func (g Got) Goodput() float64 {
	if g.Seconds <= 0 {
		return 0
	}
	return float64(g.Bytes) / g.Seconds
}
