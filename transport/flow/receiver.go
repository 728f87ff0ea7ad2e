package flow

import (
	"errors"
	"math/rand/v2"
	"time"
)

// ReceiverConfig is what a Receiver needs to know of one sender. Sender, Symbol
// and Streams are required; Symbol, Streams and MaxMessage are the sender's.
type ReceiverConfig struct {
	Sender  Member
	Symbol  int
	Streams []Class // not copied, so that many Receivers may share it
	// MaxMessage is the longest message in bytes. Zero means 1 MiB.
	MaxMessage int
	// Window bounds what a stream holds, in bytes. Zero means 8 MiB, or twice
	// MaxMessage if that is more.
	Window int
	// Room is how many packets the socket's buffer holds for this sender. A
	// quarter is left for repairs, the rest is credit, shared evenly by the
	// streams. Zero means 128.
	Room int
	// Seed feeds the draw of NAK times in groups above 8. Members must differ
	// in it: their own id will do.
	Seed uint64
	// Latency is how long a message of a Deadline stream is worth waiting for,
	// counted from when it would have come without delay. Zero means 200 ms.
	Latency time.Duration
	// Skew is how much later than by the faster of two paths a packet may come
	// before it is asked for. Zero is right for one path.
	Skew time.Duration
	// Start is the origin of this machine's time.
	Start time.Time
	// Reserve is how many bytes a stream may hold whatever the Pool's budget.
	// Zero means 256 KiB. Who can read nothing before a certain message is whole
	// needs the longest message.
	Reserve int
	// Judge says which symbols are the sender's own; only those are read. nil
	// believes whatever was opened.
	Judge Judge
	// Eager reads symbols before they are proven; Info.Unproven tells.
	Eager bool
	// NoFeedback makes a Receiver that only listens.
	NoFeedback bool
}

// Receiver puts one sender's messages together again: in order and repaired,
// or with the exact gap told. It keeps references into slabs, never copies but
// for Read. An idle one is small: rings come with the first data and go after
// five quiet seconds. It is not safe for concurrent use.
//
//	DATA -> ring (by sequence) -> contiguous -> Read
//	          |
//	          +- hole: section -(guard)-> NAK, again until filled     reliable
//	                           -(guard)-> gone                        best effort
//	          +- below BEAT's oldest, or GiveUp -> gone
//	gone     -> skipped up to the next record, told once as ErrGap
type Receiver struct {
	c       ReceiverConfig
	pool    *Pool
	window  uint64 // symbols a stream holds
	reserve int    // of these, whatever the budget
	share   uint64 // symbols of credit a stream may have in the socket
	started bool
	closed  bool
	ended   bool // Finish was called
	gaveUp  bool
	urgent  bool // a STATUS should not wait for the timer

	edges   []Edge // where each stream starts
	streams []*stream
	beat    beatWord
	heard   pathCount

	echo     uint32
	echoAt   moment
	echoed   bool
	late     lateness
	transit  transit
	turn     int
	nakOK    moment // no NAK before
	nakTat   moment // rate of NAKs, as a virtual schedule
	told     moment // last STATUS
	statusAt moment // next STATUS; never: none due
	random   rand.PCG
	rebuilt  *Slab // what was rebuilt lies in it, up to used
	used     int
	stats    ReceiverStats
}

// beatWord is what the last BEAT said.
type beatWord struct {
	grtt   moment
	leaves int
	peak   int
}

// Meta is what the session knows of a packet beside its frame.
type Meta struct {
	Number   uint64 // packet number: what is missing was lost
	Epoch    uint64 // packet numbers start again with each
	Overflow uint32 // the socket's count of dropped buffers when this one was queued
	Pairwise bool   // it came to this member alone; those are not counted for loss
	Alone    uint8  // how many of the numbers below went to one member alone, mod AloneCycle
	Hashed   bool   // Hash is what a Judge knows the symbol by
	Hash     [16]byte
}

// AloneCycle is after how many Meta.Alone begins anew.
const AloneCycle = 255

// NewReceiver makes a Receiver whose slabs belong to p.
func NewReceiver(c ReceiverConfig, p *Pool) (*Receiver, error) {
	if err := checkStreams(c.Streams); err != nil {
		return nil, err
	}
	if err := checkSizes(c.Symbol, &c.MaxMessage, &c.Window); err != nil {
		return nil, err
	}
	if c.Room == 0 {
		c.Room = 128
	}
	if c.Latency == 0 {
		c.Latency = defaultLatency
	}
	if c.Sender == 0 || c.Room < 0 || p == nil || c.Latency < 0 {
		return nil, errors.Join(errConfig, errors.New("a Receiver needs the Sender's id, a Pool, and a Room and Latency that are not negative"))
	}
	r := &Receiver{c: c, pool: p, window: windowSymbols(c.Window, c.Symbol), beat: beatWord{grtt: 2 * defaultGRTT, leaves: 1},
		statusAt: never, random: *rand.NewPCG(c.Seed, uint64(c.Sender))}
	r.reserve = max(reserve, c.Reserve/(c.Symbol-symbolHead)+2)
	r.SetRoom(c.Room)
	return r, nil
}

// SetRoom changes how many packets the socket holds for this sender, for
// instance when several senders share one socket. Credit that was given is not
// taken back.
func (r *Receiver) SetRoom(packets int) {
	r.c.Room = max(1, packets)
	r.share = uint64(max(1, min(r.c.Room*3/4/len(r.c.Streams), mostSlots)))
}

// Start says where each stream begins: what comes before is not owed. Streams
// that e leaves out begin at 0.
func (r *Receiver) Start(now time.Time, e []Edge) {
	if r.started || r.closed {
		return
	}
	r.started = true
	r.edges = make([]Edge, len(r.c.Streams))
	r.streams = make([]*stream, len(r.c.Streams))
	for _, e := range e {
		if int(e.Stream) < len(r.edges) {
			r.edges[e.Stream] = e
		}
	}
	if r.c.Judge != nil {
		for i := range r.edges {
			r.c.Judge.Start(Stream(i), r.edges[i].Seq)
		}
	}
	r.told = r.now(now)
	r.askStatus(r.told)
}

func (r *Receiver) now(t time.Time) moment { return t.Sub(r.c.Start) }

// stream gives a stream, made on first use.
func (r *Receiver) stream(i int) *stream {
	if r.streams[i] == nil {
		e := r.edges[i]
		r.streams[i] = &stream{id: Stream(i), class: r.c.Streams[i], r: r, start: e.Seq, kept: e.Seq, block: e.Seq, base: e.Seq, contig: e.Seq, hi: e.Seq,
			known: e.Seq, lost: true, fresh: true, walked: e.Message,
			first: e.Message, message: e.Message, end: edgeMark{e.Seq, uint32(e.Message)},
			told: limits{delivered: e.Seq, highest: e.Seq, limit: e.Seq + r.firstLimit()}, last: seqMax,
			proven: e.Seq, released: e.Seq, waitAt: never}
	}
	return r.streams[i]
}

// firstLimit is the credit of a stream of which nothing was heard yet.
func (r *Receiver) firstLimit() uint64 { return min(r.share, r.window) }

// Handle takes one frame that lies in s. What it keeps, it counts a reference
// for; the caller's own reference stays the caller's. A nil s means that the
// frame's memory is never used again by anybody else.
func (r *Receiver) Handle(now time.Time, m Meta, frame []byte, s *Slab) Drop {
	d := r.handle(now, m, frame, s)
	r.stats.Frames++
	if d != DropNone {
		r.stats.Drops[d]++
	}
	return d
}

func (r *Receiver) handle(now time.Time, m Meta, frame []byte, s *Slab) Drop {
	switch {
	case r.closed:
		return DropClosed
	case !r.started:
		return DropEarly
	case len(frame) == 0:
		return DropMalformed
	}
	t := r.now(now)
	r.heard.packet(&m)
	switch frame[0] {
	case frameData:
		return r.handleData(t, &m, frame, s)
	case frameParity:
		return r.handleParity(t, &m, frame, s)
	case frameNote:
		return r.handleNote(t, &m, frame)
	case frameBeat:
		return r.handleBeat(t, &m, frame)
	}
	return DropType
}

// Heard counts a packet of the sender that carried no frame for this machine,
// so that it is not taken for lost.
func (r *Receiver) Heard(m Meta) {
	if r.started && !r.closed {
		r.heard.packet(&m)
	}
}

func (r *Receiver) handleData(t moment, m *Meta, frame []byte, s *Slab) Drop {
	var d data
	if !parseData(frame, &d) || symbolHead+len(d.payload) > r.c.Symbol {
		return DropMalformed
	}
	if int(d.stream) >= len(r.streams) || d.class != r.c.Streams[d.stream] {
		return DropStream
	}
	ahead := int32(d.sent - r.echo)
	r.hear(t, d.sent, m)
	if d.class == Deadline {
		r.transit.learn(t, d.sent)
	}
	st := r.streams[d.stream]
	if st == nil {
		st = r.stream(int(d.stream))
	}
	if drop := st.place(t, &d, frame[:HeadSize+symbolHead+len(d.payload)], s, m); drop != DropNone {
		if drop == DropDuplicate && r.c.Skew > 0 && ahead < 0 && !m.Pairwise {
			// The slower path brings what was repaired meanwhile: too early.
			r.late.learn(t, moment(-int64(ahead))*time.Microsecond)
		}
		return drop
	}
	r.stats.Symbols++
	if d.seq < st.hi-1 {
		r.filled(t, st, d.seq, -int64(ahead), m.Pairwise)
	}
	if len(st.coded) > 0 {
		st.filledIn(t, d.seq)
	}
	if r.limit(st)-st.told.limit >= r.quarter(st) {
		r.reportCredit(t)
	}
	return DropNone
}

// place puts a symbol into the ring; m is nil for one that was rebuilt.
func (st *stream) place(t moment, d *data, frame []byte, s *Slab, m *Meta) Drop {
	if drop := st.admit(d); drop != DropNone {
		return drop
	}
	at := &st.ring[d.seq&st.mask]
	if at.b != nil {
		return DropDuplicate
	}
	if st.r.c.Judge != nil { // last of all: what is Unknown is kept
		if drop := st.judged(t, d, frame, m); drop != DropNone {
			return drop
		}
	}
	*at = slot{b: frame, slab: s}
	if s != nil {
		s.refs++
	}
	st.have[d.seq&st.mask>>6] |= 1 << (d.seq & 63)
	st.held++
	st.heardAt = t
	if d.seq >= st.hi {
		if first := d.seq - uint64(d.pos); first > st.block {
			st.blockBegins(t, d, first)
		}
		if d.seq >= st.known {
			if d.seq > st.known {
				st.addHole(t, d.seq)
			}
			st.known = d.seq + 1
		}
		st.hi = d.seq + 1
	}
	if d.seq == st.contig && !st.r.waits() {
		st.extend()
	}
	return DropNone
}

// hear keeps the newest stamp for echoes. What comes to this member alone may
// overtake what still waits in the group's socket, so once the group was heard
// only the group counts.
func (r *Receiver) hear(t moment, sent uint32, m *Meta) {
	if m.Pairwise && r.heard.begun {
		return
	}
	if int32(sent-r.echo) > 0 || !r.echoed {
		r.echo, r.echoAt, r.echoed = sent, t, true
	}
}

// filled books a symbol that came after a later one: a repair if it was asked
// for, else put out of order by the network, which teaches the guard.
func (r *Receiver) filled(t moment, st *stream, seq uint64, late int64, pairwise bool) {
	r.stats.Filled++
	if seq < st.asked {
		st.ring[seq&st.mask].repaired = true
		r.stats.Repaired++
		st.progress = true
	}
	if late > 0 && !pairwise {
		r.late.learn(t, moment(late)*time.Microsecond)
	}
}

func (r *Receiver) handleBeat(t moment, m *Meta, frame []byte) Drop {
	var f beat
	if !parseBeat(frame, &f) {
		return DropMalformed
	}
	for i := range f.n {
		if int(f.streams[i].stream) >= len(r.streams) {
			return DropStream
		}
	}
	r.hear(t, f.sent, m)
	r.beat = beatWord{grtt: unpackGRTT(f.grtt), leaves: int(f.leaves), peak: int(f.peak)}
	r.stats.Beats++
	for i := range f.n {
		e := &f.streams[i]
		if e.next > r.edges[e.stream].Seq {
			r.stream(int(e.stream)).beat(t, e)
		}
	}
	r.answerBeat(t)
	return DropNone
}

// answerBeat makes every BEAT bring a STATUS, so that one lost on the way is
// made good. Above 8 members the answers are spread over time: 4,000 a second
// to the sender at most.
func (r *Receiver) answerBeat(t moment) {
	spread := moment(r.beat.leaves) * time.Second / naksInAll
	if r.beat.leaves <= fewLeaves {
		r.askStatus(t)
		return
	}
	wait := moment(r.random.Uint64() % uint64(spread))
	r.statusAt = min(r.statusAt, max(t+wait, r.told+spread))
}

// reportCredit asks for a STATUS because a quarter of a window was freed: at
// once, or in large groups so that all of them stay below 4,000 a second.
func (r *Receiver) reportCredit(t moment) {
	if r.beat.leaves <= fewLeaves {
		r.askStatus(t)
		return
	}
	r.statusAt = min(r.statusAt, max(t, r.told+r.statusGap()))
}

func (r *Receiver) askStatus(t moment) {
	r.statusAt = min(r.statusAt, t)
	r.urgent = true
}
