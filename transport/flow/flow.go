package flow

import (
	"errors"
	"math"
	"time"
)

// Member names one member of the session. Ids rise from 1 and are never used
// again; 0 as a destination means the group.
type Member = uint32

// Stream is one of at most [MaxStreams] independent streams of a sender.
type Stream = uint16

// Class says what a stream promises.
type Class uint8

// The classes.
const (
	// Reliable delivers every message to every counted member, in order.
	Reliable Class = 0
	// BestEffort never asks and never waits; it tells exactly how many
	// messages were missed.
	BestEffort Class = 1
	// Deadline repairs what can come within the session's latency of the time
	// it was due, and passes over the rest: in order, in time or told as missed.
	Deadline Class = 2
)

// asks: what is lost is asked for.
func (c Class) asks() bool { return c != BestEffort }

// Policy says which counted members a sender waits for.
type Policy uint8

const (
	// Slowest waits for every counted member. It is the default.
	Slowest Policy = 0
	// Fastest goes at the pace of the fastest counted member. Others are
	// repaired while the ring reaches back to them; beyond it they are told
	// the gap.
	Fastest Policy = 1
	// Quorum goes at the pace that as many members as SenderConfig.Quorum says
	// can follow.
	Quorum Policy = 2
	// Tagged waits for the members that were admitted with a tag.
	Tagged Policy = 3
	// FixedRate goes at SenderConfig.Rate, whatever anybody can take.
	FixedRate Policy = 4
)

// Sizes.
const (
	MaxStreams  = 16
	HeadSize    = 16     // the head that DATA frames begin with
	MaxSegments = 45     // frames of a batch
	MaxBatch    = 65_507 // sealed bytes of a batch: what one UDP send takes

	symbolHead = 8     // len 2, head 2, message 4
	noHead     = 65535 // no message starts in this symbol
	blockSize  = 64    // symbols of a column of a block, and of a chunk of the ring
	seqMax     = 1<<48 - 1
	minSymbol  = 464 // MTU 576
	maxSymbol  = 65_024

	defaultMessage = 1 << 20
	largestMessage = 16 << 20
	defaultHistory = 16 << 20
	defaultWindow  = 8 << 20
	largestWindow  = 32 << 20
	mostSlots      = 32_768
	largestRate    = 9_000_000_000
	defaultLatency = 200 * time.Millisecond
	firstCredit    = 32 // symbols a new member takes before its first STATUS
)

// Errors of Write and Read. They are plain values: the session gives them
// their codes.
var (
	ErrFull    = errors.New("flow: the ring is full: wait until members have taken what was written")
	ErrTooLong = errors.New("flow: the message is longer than MaxMessage")
	ErrStream  = errors.New("flow: no such stream")
	ErrEmpty   = errors.New("flow: no whole message is ready")
	ErrShort   = errors.New("flow: the buffer is shorter than the message, which stays")
	ErrGap     = errors.New("flow: messages were missed")
	errConfig  = errors.New("flow: config")
)

// Edge is a point of a stream that lies between two messages and between two
// symbols: the sequence and the number of the message that come next.
type Edge struct {
	Stream  Stream
	Seq     uint64
	Message uint64
}

// SymbolSize is the symbol that fills a packet of the given MTU when sealing
// adds overhead bytes, and the group is of IPv6 or not: a multiple of 16.
func SymbolSize(mtu, overhead int, ip6 bool) int {
	headers := 20 + 8 // IPv4, UDP
	if ip6 {
		headers = 40 + 8
	}
	return max(0, (mtu-headers-overhead-HeadSize)/16*16)
}

// Frame types, the first byte of every frame. 7 is kept free for ORDER, which is
// no frame but a message of a stream: see the session.
const (
	frameData   = 1
	frameParity = 2
	frameNote   = 3
	frameBeat   = 4
	frameNak    = 5
	frameStatus = 6
)

// ForSender tells whose machine a frame is for: a Sender takes NAK and STATUS,
// a Receiver everything else.
func ForSender(frame []byte) bool {
	return len(frame) > 0 && (frame[0] == frameNak || frame[0] == frameStatus)
}

// moment is time since the machine's Start: cheaper to keep and to compare
// than time.Time.
type moment = time.Duration

const never moment = math.MaxInt64

// at turns a moment back into a time; never is the zero time.
func at(start time.Time, m moment) time.Time {
	if m == never {
		return time.Time{}
	}
	return start.Add(m)
}

// micro is a moment in whole microseconds.
func micro(m moment) int64 { return int64(m / time.Microsecond) }

func checkStreams(cs []Class) error {
	if len(cs) == 0 || len(cs) > MaxStreams {
		return errors.Join(errConfig, errors.New("want 1 to 16 streams"))
	}
	for _, c := range cs {
		if c > Deadline {
			return errors.Join(errConfig, errors.New("unknown class"))
		}
	}
	return nil
}

// checkSizes fills in and checks what both machines must agree on.
func checkSizes(symbol int, message, window *int) error {
	if *message == 0 {
		*message = defaultMessage
	}
	if *window == 0 {
		*window = max(defaultWindow, 2**message)
	}
	switch {
	case symbol < minSymbol || symbol > maxSymbol || symbol%16 != 0:
		return errors.Join(errConfig, errors.New("a symbol is a multiple of 16 bytes from 464 to 65,024"))
	case *message < 1 || *message > largestMessage:
		return errors.Join(errConfig, errors.New("the longest message is 1 byte to 16 MiB"))
	case *message/(symbol-symbolHead)+4 > mostSlots/2:
		return errors.Join(errConfig, errors.New("the longest message needs more than 16,384 symbols of that size"))
	case *window < 2**message || *window > largestWindow:
		return errors.Join(errConfig, errors.New("the window is at least twice MaxMessage and at most 32 MiB"))
	}
	return nil
}

// windowSymbols is a window in symbols. Short packets count like full ones.
func windowSymbols(window, symbol int) uint64 {
	return uint64(max(blockSize, min(window/symbol, mostSlots)))
}
