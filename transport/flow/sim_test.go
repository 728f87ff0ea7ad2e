package flow

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"testing"
	"time"
)

// The simulator: one heap of events, one Sender, its leaves, and links between
// them that lose, delay, repeat and reorder. Everything comes from one seed.

type scenario struct {
	name     string
	leaves   int
	streams  []Class
	symbol   int
	messages int           // to write in all, over all streams in turn
	size     int           // largest message; sizes are drawn
	gap      time.Duration // between two messages; 0: as fast as they fit
	rate     int64
	policy   Policy
	history  int
	window   int
	alone    bool // unicast repairs
	socket   int  // packets a leaf's socket holds; 0: 512
	delay    time.Duration
	jitter   time.Duration
	dup      float64
	reorder  float64 // share of packets held back by up to 500 us
	loss     func(w *world, l *leaf, data bool) bool
	deaf     func(w *world, l *leaf) bool          // feedback lost
	batch    float64                               // whole batches lost, per leaf
	shared   float64                               // lost before the switch
	stop     time.Duration                         // after this nothing is lost
	asleep   func(w *world, l *leaf) time.Duration // how long the socket is not read from now on
	slow     func(w *world, l *leaf) time.Duration // how long the application does not read
	script   func(w *world)                        // sets up events of its own
	after    func(t *testing.T, w *world)          // checks of its own
	fails    func(w *world, b *Batch) bool         // the write fails
	limit    time.Duration                         // virtual time; 0: 100 s
	gapless  bool                                  // no reliable gap may be told
	age      time.Duration                         // of the sender's clock when the run begins
	first    uint64                                // number of the first message
	base     uint64                                // sequence of the first symbol
	sender   func(c *SenderConfig)                 // more of its settings
	admit    func(id Member) Admission             // more of a leaf's; RTT is set
	twin     time.Duration                         // packets to the group go a second way too, so much slower
	timed    bool                                  // keep how long each message took
	begin    time.Duration                         // of writing
	flat     bool                                  // no interleave
	crowd    bool                                  // one event brings a batch to everybody: for many leaves
}

type event struct {
	at    time.Duration
	order int
	do    func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].order < h[j].order
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

type world struct {
	crowd

	t       testing.TB
	sc      *scenario
	rng     *rand.Rand
	at      time.Duration
	order   int
	events  eventHeap
	s       *Sender
	leaves  []*leaf
	b       Batch
	nextID  Member
	written []uint64 // per stream
	wroteAt [][]time.Duration
	took    []time.Duration // from Write to Read, of timed messages
	left    int
	number  uint64 // packet number of the group
	timer   time.Duration
	trace   interface {
		Write([]byte) (int, error)
		Sum64() uint64
	}
	rowsSent  map[[4]uint64]bool  // stream/block/column/row
	sent      map[[3]uint64]int64 // destination/stream/seq -> stamp it went at
	asked     map[[3]uint64]int64 // member/stream/seq -> newest echo that asked
	askedAt   map[[3]uint64]int64
	grtt      time.Duration // least seen
	lastStamp int64
	spins     int
	lastRead  time.Duration
	lostAt    time.Duration // last loss
	hostDrops int
	firstSent []uint64
	wireSince []wirePoint
	handed    uint64
	failed    int
	kind      byte // of the feedback in hand
	seen      []Event
	lastSent  time.Duration // when new data went last
	pending   int           // events of a script that must come to pass
}

type wirePoint struct {
	at    time.Duration
	bytes int
}

func newWorld(t testing.TB, sc *scenario, seed uint64) *world {
	w := &world{t: t, sc: sc, rng: rand.New(rand.NewPCG(seed, 7)), trace: fnv.New64a(), sent: map[[3]uint64]int64{}, rowsSent: map[[4]uint64]bool{},
		asked: map[[3]uint64]int64{}, askedAt: map[[3]uint64]int64{}, grtt: time.Hour, left: sc.messages, timer: never}
	if sc.symbol == 0 {
		sc.symbol = minSymbol
	}
	if sc.delay == 0 {
		sc.delay = 100 * time.Microsecond
	}
	if sc.socket == 0 {
		sc.socket = 512
	}
	if sc.limit == 0 {
		sc.limit = 100 * time.Second
	}
	c := SenderConfig{Law: Fixed, Self: 1, Symbol: sc.symbol, Streams: sc.streams, MaxMessage: 64 << 10, Window: sc.window, History: sc.history,
		Rate: sc.rate, Policy: sc.policy, UnicastRepair: sc.alone, Start: w.time(-sc.age)}
	if sc.sender != nil {
		sc.sender(&c)
	}
	var err error
	if w.s, err = NewSender(c); err != nil {
		t.Fatal(err)
	}
	for i := range w.s.streams {
		st := &w.s.streams[i]
		st.message = sc.first
		st.oldest, st.sent, st.next = sc.base, sc.base, sc.base
		w.written = append(w.written, sc.first)
		w.wroteAt = append(w.wroteAt, nil)
		w.firstSent = append(w.firstSent, sc.base)
	}
	w.nextID = 2
	for range sc.leaves {
		w.join()
	}
	w.after(sc.begin, w.write)
	if sc.script != nil {
		sc.script(w)
	}
	return w
}

func (w *world) time(d time.Duration) time.Time { return epoch0.Add(d) }
func (w *world) now() time.Time                 { return epoch0.Add(w.at) }

func (w *world) after(d time.Duration, do func()) {
	w.order++
	heap.Push(&w.events, event{w.at + d, w.order, do})
}

func (w *world) fatalf(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("at %v: %s", w.at, fmt.Sprintf(format, args...))
}

// text is message n of a stream: it tells by itself which one it is.
func text(buf []byte, st int, n uint64, size int) []byte {
	b := buf[:size]
	x := n*0x9e3779b97f4a7c15 + uint64(st)
	for i := range b {
		b[i] = byte(x >> (i & 7 * 8))
	}
	if size >= 9 {
		b[0] = byte(st)
		binary.BigEndian.PutUint64(b[1:], n)
	}
	return b
}

// sizeOf is the length of message n, mostly small.
func (w *world) sizeOf(st int, n uint64) int {
	h := (n*31 + uint64(st) + 1) * 0x9e3779b97f4a7c15
	x := int(h >> 33)
	if x%4 > 0 {
		return x / 4 % (w.sc.size/8 + 1)
	}
	return x / 4 % (w.sc.size + 1)
}

func (w *world) write() {
	for w.left > 0 {
		st := w.left % len(w.sc.streams)
		n := w.written[st]
		if w.sc.flat {
			w.s.streams[st].pace = time.Hour // too slow for two columns
		}
		err := w.s.Write(w.now(), Stream(st), text(w.writeBuf[:], st, n, w.sizeOf(st, n)))
		if err == ErrFull {
			w.s.Flush(w.now())
			w.pumpSender()
			w.after(200*time.Microsecond, w.write)
			return
		}
		if err != nil {
			w.fatalf("write: %v", err)
		}
		w.written[st]++
		if w.sc.timed {
			w.wroteAt[st] = append(w.wroteAt[st], w.at)
		}
		w.left--
		if w.sc.gap > 0 {
			break
		}
		if w.rng.IntN(8) == 0 {
			w.pumpSender()
		}
	}
	w.s.Flush(w.now())
	w.pumpSender()
	if w.left > 0 {
		w.after(w.sc.gap, w.write)
	}
}

func (w *world) pumpSender() {
	for w.s.Poll(w.now(), &w.b) {
		w.checkBatch()
		if w.sc.fails != nil && w.sc.fails(w, &w.b) {
			w.failed++
			w.unsend()
			w.s.Failed(w.now(), &w.b)
			break
		}
		w.transmit()
	}
	w.checkCounted()
	w.grtt = min(w.grtt, w.s.grtt)
	w.armSender()
}

func (w *world) armSender() {
	next := w.s.NextTimeout()
	if next.IsZero() {
		return
	}
	d := next.Sub(epoch0)
	if d <= w.at {
		if w.spins++; w.spins > 1000 {
			w.fatalf("the sender's timer spins: %v", d)
		}
		d = w.at + time.Microsecond
	} else {
		w.spins = 0
	}
	if w.timer > w.at && w.timer <= d {
		return
	}
	w.timer = d
	w.after(d-w.at, func() {
		if w.timer == w.at {
			w.timer = never
			w.s.Advance(w.now())
			w.pumpSender()
		}
	})
}

func (w *world) transmit() {
	if w.b.kind == batchData {
		w.lastSent = w.at
	}
	shared := w.lossy() && w.sc.shared > 0
	for _, l := range w.leaves {
		if w.b.To != 0 && w.b.To != l.id {
			continue
		}
		l.batchLost()
	}
	if w.sc.crowd && w.b.To == 0 {
		w.transmitToAll(shared)
		return
	}
	for _, f := range w.b.Frames {
		w.note(w.b.To, f)
		gone := shared && w.rng.Float64() < w.sc.shared
		m := Meta{Number: w.number, Pairwise: w.b.To != 0}
		if w.b.To == 0 {
			w.number++
		}
		frame := append([]byte(nil), f...)
		for _, l := range w.leaves {
			if w.b.To == 0 || w.b.To == l.id {
				l.send(m, frame, gone)
			}
		}
	}
}

// note adds a frame to the trace.
func (w *world) note(to Member, frame []byte) {
	var b [12]byte
	binary.BigEndian.PutUint64(b[:], uint64(w.at))
	binary.BigEndian.PutUint32(b[8:], to)
	_, _ = w.trace.Write(b[:])
	_, _ = w.trace.Write(frame)
}

func (w *world) lossy() bool { return w.sc.stop == 0 || w.at < w.sc.stop }

// run goes on until everything was delivered or told, then closes the books.
func (w *world) run() {
	for len(w.events) > 0 {
		e := heap.Pop(&w.events).(event)
		w.at = e.at
		e.do()
		if w.at > w.sc.limit {
			w.report()
			w.fatalf("not done: left %d, drained %v", w.left, w.s.Drained())
		}
		if w.left == 0 && w.pending == 0 && w.complete() {
			break
		}
	}
	w.finish()
}

func (w *world) complete() bool {
	if !w.s.Drained() {
		return false
	}
	for _, l := range w.leaves {
		for st := range l.next {
			if l.next[st] != w.written[st] {
				return false
			}
		}
	}
	return true
}

func (w *world) report() {
	st := w.s.Stats()
	w.t.Logf("sender %+v", st)
	for i := range w.s.streams {
		s := &w.s.streams[i]
		w.t.Logf("stream %d: oldest %d sent %d next %d credit %d floor %d wanted %d written %d", i, s.oldest, s.sent, s.next, s.credit,
			s.floor, s.wanted, w.written[i])
	}
	for _, l := range w.leaves {
		w.t.Logf("leaf %d next %v: %+v", l.id, l.next, l.r.Stats())
	}
}
