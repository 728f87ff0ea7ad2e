package stream

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/bench/stage"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// Level is how packets are protected.
type Level string

// The levels.
const (
	Clear  Level = "clear"  // not at all: crypto.InsecurePlaintextForTesting
	Group  Level = "group"  // AES-256-GCM under the group's key
	Signed Level = "signed" // the same, and signed by the root: the default
)

// Levels reads levels with commas between.
func Levels(words string) (all []Level, err error) {
	for word := range strings.SplitSeq(words, ",") {
		switch l := Level(strings.TrimSpace(word)); l {
		case Clear, Group, Signed:
			all = append(all, l)
		default:
			return nil, fmt.Errorf("%q is no level; there are %s, %s and %s", word, Clear, Group, Signed)
		}
	}
	return all, nil
}

// Spec is one run.
type Spec struct {
	Level   Level
	Class   flow.Class
	Message int           // bytes; zero: as many as fill a packet
	Packet  int           // bytes of a UDP packet at most; zero is 1,400
	For     time.Duration // how long the root sends
	Leaves  int
	Offload bool // the root's device takes batches whole
	// Looks is how often each side looks at its heap while it sends or reads; 0:
	// not at all.
	Looks int
}

const (
	headerSize    = 24 // crypto's
	tagSize       = 16 // of AES-GCM
	defaultPacket = 1400
	spared        = 28 // bytes of IPv4 and UDP header
	lengthSize    = 2  // of a message that fills a packet
	symbolHead    = 8
)

func (s Spec) packet() int {
	if s.Packet > 0 {
		return s.Packet
	}
	return defaultPacket
}

// overhead is what the level's sealer adds to a payload.
func (s Spec) overhead() int {
	if s.Level == Clear {
		return headerSize
	}
	return headerSize + tagSize
}

// Full is the bytes of a message that fills a packet.
func (s Spec) Full() int {
	return flow.SymbolSize(s.packet()+spared, s.overhead(), false) - symbolHead - lengthSize
}

func (s Spec) message() int {
	if s.Message > 0 {
		return s.Message
	}
	return s.Full()
}

func (s Spec) limit() time.Duration { return s.For + 40*time.Second }

// Sent is the root's account.
type Sent struct {
	stage.Spent
	Messages uint64
	Packets  uint64 // to the group and to single leaves
	Again    uint64 // of these, sent again
	Offload  bool   // the system took segments
	Heap     []Look `json:",omitempty"`
}

// Got is a leaf's account of its stretch.
type Got struct {
	stage.Spent
	Messages uint64
	Missed   uint64 // were told as missed
	Heard    uint64 // packets, in all
	HostLost uint64 // packets that its own host dropped for want of room
	Heap     []Look `json:",omitempty"`
}

// Rate is messages a second.
func (g Got) Rate() float64 {
	if g.Seconds <= 0 {
		return 0
	}
	return float64(g.Messages) / g.Seconds
}

// Result is what a run gave.
type Result struct {
	Rate      float64 // messages a second at the slowest leaf
	MissShare float64 // of messages at the leaf that was told of most
	Sent      Sent
	Got       []Got
	RootUsage stage.Usage
	LeafUsage []stage.Usage
}

func (r *Result) judge() {
	for i, g := range r.Got {
		if i == 0 || g.Rate() < r.Rate {
			r.Rate = g.Rate()
		}
		r.MissShare = max(r.MissShare, float64(g.Missed)/float64(max(1, g.Missed+g.Messages)))
	}
}

// InPackets counts the packets that the messages fill in place of the messages.
func (r Result) InPackets(s Spec) Result {
	share := float64(s.message()) / float64(s.Full())
	count := func(n *uint64) { *n = uint64(float64(*n) * share) }
	r.Rate *= share
	count(&r.Sent.Messages)
	r.Got = slices.Clone(r.Got)
	for i := range r.Got {
		count(&r.Got[i].Messages)
		count(&r.Got[i].Missed)
	}
	return r
}

// RootCPU is the root's processor seconds for a message that it sent, LeafCPU
// those of the costliest leaf for one that came.
func (r Result) RootCPU() float64 { return r.Sent.CPU / float64(max(1, r.Sent.Messages)) }

// LeafCPU is described with RootCPU.
func (r Result) LeafCPU() (most float64) {
	for _, g := range r.Got {
		most = max(most, g.CPU/float64(max(1, g.Messages)))
	}
	return most
}

// RootObjects is what the root allocates for a message, LeafObjects what the leaf
// does that allocates most.
func (r Result) RootObjects() float64 {
	return float64(r.Sent.Objects) / float64(max(1, r.Sent.Messages))
}

// LeafObjects is described with RootObjects.
func (r Result) LeafObjects() (most float64) {
	for _, g := range r.Got {
		most = max(most, float64(g.Objects)/float64(max(1, g.Messages)))
	}
	return most
}
