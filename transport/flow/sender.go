package flow

import (
	"encoding/binary"
	"errors"
	"math"
	"time"
)

// SenderConfig is what a Sender needs to know; zero is safe but for Symbol and
// Streams, which are required.
type SenderConfig struct {
	Self    Member  // own id, by which STATUS entries are told apart
	Symbol  int     // bytes of a symbol, the same in the whole session: [SymbolSize]
	Streams []Class // class of each stream, the same in the whole session
	// MaxMessage is the longest message in bytes. Zero means 1 MiB; at most
	// 16 MiB.
	MaxMessage int
	// History bounds what a stream keeps for repair, in bytes. Zero means
	// 16 MiB; less than twice the window is raised to that.
	History int
	// Window bounds what a stream has in flight to a member, in bytes. Zero
	// means 8 MiB, or twice MaxMessage if that is more; at most 32 MiB.
	Window int
	// Rate is a limit in bytes a second on the wire, at most 9e9. Zero means
	// none but credit and what Law finds.
	Rate int64
	// Law says how the rate is found below that. Zero means LAN.
	Law RateLaw
	// Overhead is what sealing adds to a frame, in bytes. Zero means 40;
	// negative means nothing.
	Overhead int
	// Policy says who is waited for. Zero means the slowest.
	Policy Policy
	// Quorum is how many members must be able to follow, with that Policy.
	Quorum int
	// WaitFor is how many members must have been admitted before Write takes
	// anything; see Begin. Zero waits for nobody.
	WaitFor int
	// NoQuarantine waits for a member that drags the group as for any other.
	NoQuarantine bool
	// Latency bounds how long symbols of a Deadline stream are kept for repair.
	// Zero means 200 ms.
	Latency time.Duration
	// Replay is how much of what was delivered is kept for members that come
	// late, in bytes a stream. Zero keeps nothing.
	Replay int
	// UnicastRepair sends what one member alone lacks to that member alone.
	UnicastRepair bool
	// NoParity repairs by sending the symbols themselves, never by parity.
	NoParity bool
	// Start is the origin of the 32-bit microsecond clock.
	Start time.Time
}

// ipOverhead is what IPv6 and UDP add; IPv4 adds less.
const ipOverhead = 48

func (c SenderConfig) withDefaults() (SenderConfig, error) {
	if err := checkStreams(c.Streams); err != nil {
		return c, err
	}
	if err := checkSizes(c.Symbol, &c.MaxMessage, &c.Window); err != nil {
		return c, err
	}
	if c.History == 0 {
		c.History = defaultHistory
	}
	if c.Overhead == 0 {
		c.Overhead = 40
	}
	if c.Latency == 0 {
		c.Latency = defaultLatency
	}
	c.Overhead = max(0, c.Overhead)
	switch {
	case c.Self == 0:
		return c, errors.Join(errConfig, errors.New("the sender's own id counts from 1"))
	case c.History < 0 || c.Replay < 0 || c.Rate < 0 || c.Rate > largestRate || c.Policy > FixedRate || c.Law > Fixed || c.Overhead > 1024:
		return c, errors.Join(errConfig, errors.New("one of History, Replay, Rate, Law, Policy and Overhead is out of range"))
	case c.Quorum < 0 || c.WaitFor < 0 || c.Latency < 0 || c.Policy == Quorum && c.Quorum == 0 || c.Policy == FixedRate && c.Rate == 0:
		return c, errors.Join(errConfig, errors.New("one of Quorum, WaitFor and Latency is out of range, or Policy asks for a Quorum or Rate that is not given"))
	}
	c.Streams = append([]Class(nil), c.Streams...)
	return c, nil
}

// Sender turns messages into symbols, keeps them until they are delivered,
// and decides what goes next:
//
//	Write -> open packet -> (full, or Cut) -> waiting -> (credit, rate) -> sent -> (all delivered) -> freed
//	                                                        ^                 |
//	                                                        +---- wanted <----+ NAK
//
// It is not safe for concurrent use.
type Sender struct {
	c       SenderConfig
	payload int // message bytes of a full symbol
	slot    int // bytes of a slot of the ring
	ring    int // most slots of a stream
	backlog int // most symbols that wait to be sent
	window  uint64
	keep    uint64 // symbols of a stream that stay for who comes late

	streams []sendStream
	free    []*chunk // emptied ones, the last emptied on top: still in cache
	slots   int      // chunks made

	members []member
	index   map[Member]int
	counted int  // members, whatever their standing
	begun   bool // Write takes messages
	ended   bool // Finish was called
	dirty   bool // the least credit, the floor or the GRTT may have moved
	grtt    moment

	stamp  int64  // newest `sent`, in microseconds; every batch has its own
	turn   int    // stream whose turn it is
	wanted int    // symbols wanted, over all streams
	notes  bool   // a NOTE is due
	wrote  moment // when Write or Flush was called last
	beat   beatClock
	pace   pacer
	law    rateLaw
	limit  pacer // what Limit says; no rate: nothing
	most   int   // packets of a batch at any rate
	share  repairShare
	nakTat moment // rate limit of NAKs from all members
	check  moment // next look for silent members

	limits, takes []uint64 // recount's own
	charged       moment   // blocked time before is charged
	judgedAt      moment
	judgedData    uint64
	lastData      uint64 // symbols sent when judge looked last
	busy          bool   // many were between its last two looks
	waiting       bool   // data waited when Poll looked last
	skips         bool   // some member is to be told to go on
	events        eventQueue
	stats         SenderStats
}

// sendStream is one stream: the ring of its symbols and the places in it,
// oldest <= sent <= next.
type sendStream struct {
	id     Stream
	class  Class
	chunks []*chunk // by number & len-1
	oldest uint64   // first symbol kept
	sent   uint64   // next symbol to be sent for the first time
	next   uint64   // the open packet, or the next one to be opened
	blocks blocks
	fec    proactive
	owing  bool   // some block's proactive rows have not gone
	pace   moment // from symbol to symbol, as the last block left
	leftAt moment // when that was

	open    []byte // the open packet's slot; nil: none
	used    int    // payload bytes in it
	head    uint16 // offset of the first record that starts in it
	number  uint32 // number of that record
	message uint64 // number of the next message

	credit  uint64 // first symbol that must not be sent yet
	floor   uint64 // first symbol that some member has not taken
	leader  uint64 // first symbol that somebody who is waited for has not taken
	second  uint64 // credit without the member that holds it down
	holder  int    // that member's place; -1: none
	wanted  int    // symbols wanted
	wantLow uint64 // none below is wanted

	blockedAt moment // since when credit holds waiting symbols back; never: it does not
	quietAt   moment // when a silent member stops holding back best effort
	told      bool   // MemberBlocks was raised for this stretch
}

// NewSender makes a Sender without members.
func NewSender(c SenderConfig) (*Sender, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Sender{
		c: c, payload: c.Symbol - symbolHead, slot: HeadSize + c.Symbol,
		window:  windowSymbols(c.Window, c.Symbol),
		streams: make([]sendStream, len(c.Streams)),
		index:   map[Member]int{},
		grtt:    defaultGRTT,
		begun:   c.WaitFor == 0,
	}
	s.keep = min(uint64(c.Replay/s.slot), mostSlots/2)
	s.ring = int(min(max(2*s.window, uint64(c.History/s.slot), s.window+s.keep), mostSlots))
	s.backlog = max(512, c.MaxMessage/s.payload+4)
	s.startRate()
	s.beat = beatClock{next: never, load: never}
	for i := range s.streams {
		s.streams[i] = sendStream{id: Stream(i), class: c.Streams[i], credit: math.MaxUint64, leader: math.MaxUint64, holder: -1, blockedAt: never, quietAt: never}
	}
	return s, nil
}

// Write copies one message into the ring, whole or not at all. An empty
// message is a message. ErrFull: wait until members have taken more.
func (s *Sender) Write(now time.Time, id Stream, p []byte) error {
	if int(id) >= len(s.streams) {
		return ErrStream
	}
	if len(p) > s.c.MaxMessage {
		return ErrTooLong
	}
	st := &s.streams[id]
	s.wrote = s.now(now)
	if !s.begun {
		return ErrFull
	}
	record := varintSize(uint64(len(p))) + len(p)
	if st.open == nil || st.used+record > s.payload {
		if !s.fits(st, uint64(record/s.payload)+2) {
			return ErrFull
		}
		// A length never straddles, and best effort never cuts what fits whole.
		if st.open != nil && (st.used+record-len(p) > s.payload || st.class != Reliable && record <= s.payload) {
			s.closePacket(st, false)
		}
		if st.open == nil {
			s.openPacket(st)
		}
	}
	s.put(st, p)
	s.stats.Messages++
	s.stats.MessageBytes += uint64(len(p))
	s.stats.Written += uint64(record)
	return nil
}

// fits makes room for n more symbols if it can.
func (s *Sender) fits(st *sendStream, n uint64) bool {
	if st.next+n > seqMax {
		return false
	}
	if waiting := st.next - st.sent; waiting > 0 && waiting+n > uint64(s.backlog) {
		return false
	}
	if st.next+n-st.oldest <= uint64(s.ring) {
		return true
	}
	s.refresh()
	// Who is not waited for is still repaired from the ring, but does not hold it.
	if over := st.next + n - min(st.next+n, uint64(s.ring)); over > st.oldest {
		s.release(st, min(over, st.leader, st.sent))
	}
	return st.next+n-st.oldest <= uint64(s.ring)
}

// put adds one record to the open packet and to as many more as it needs.
func (s *Sender) put(st *sendStream, p []byte) {
	if st.head == noHead {
		st.head, st.number = uint16(st.used), uint32(st.message)
	}
	st.message++
	at := HeadSize + symbolHead + st.used
	if len(p) < 0x80 {
		st.open[at] = byte(len(p))
		st.used++
	} else {
		st.used += binary.PutUvarint(st.open[at:], uint64(len(p)))
	}
	for {
		n := copy(st.open[HeadSize+symbolHead+st.used:], p)
		st.used += n
		if st.used == s.payload {
			s.closePacket(st, false)
		}
		if p = p[n:]; len(p) == 0 {
			return
		}
		s.openPacket(st)
	}
}

func (s *Sender) openPacket(st *sendStream) {
	st.open = s.slotFor(st, st.next)
	st.used, st.head, st.number = 0, noHead, uint32(st.message)
}

// closePacket makes the open packet ready to go; last ends its block.
func (s *Sender) closePacket(st *sendStream, last bool) {
	b := st.blockFor(s.wrote, s.deepest())
	pos := b.n
	b.n++
	b.closed = last || b.n == blockSize<<b.depth
	if st.head == noHead {
		st.number = uint32(st.message)
	}
	putDataHead(st.open, &data{interleave: b.depth, class: st.class, last: b.closed, stream: st.id, seq: st.next, pos: uint16(pos),
		head: st.head, message: st.number, payload: st.open[HeadSize+symbolHead : HeadSize+symbolHead+st.used]})
	s.stats.Queued += uint64(st.used)
	st.next++
	st.open = nil
}

// Flush closes the open packet of every stream: what was written may leave, and
// the next record begins a new symbol. Whoever has nothing more to write for
// now calls it.
func (s *Sender) Flush(now time.Time) {
	s.wrote = max(s.wrote, s.now(now))
	for i := range s.streams {
		if st := &s.streams[i]; st.open != nil {
			s.closePacket(st, false)
		}
	}
}

// FlushStream is Flush for one stream.
func (s *Sender) FlushStream(now time.Time, id Stream) {
	if int(id) < len(s.streams) && s.streams[id].open != nil {
		s.wrote = max(s.wrote, s.now(now))
		s.closePacket(&s.streams[id], false)
	}
}

// Cut is Flush and closes the open block of every stream as well: what comes
// next is not coded together with what was. An epoch change and the end call
// it: a block that straddled an epoch would give symbols from before its time
// to who came with it.
func (s *Sender) Cut(now time.Time) {
	s.wrote = max(s.wrote, s.now(now))
	for i := range s.streams {
		st := &s.streams[i]
		if st.open != nil {
			s.closePacket(st, true)
		}
		st.closeBlock()
	}
}

// Edges appends the edge of every stream to dst: what comes next. It lies on a
// message's edge after Flush, which Edges implies.
func (s *Sender) Edges(dst []Edge) []Edge {
	s.Flush(s.c.Start)
	for i := range s.streams {
		st := &s.streams[i]
		dst = append(dst, Edge{Stream: Stream(i), Seq: st.next, Message: st.message})
	}
	return dst
}
