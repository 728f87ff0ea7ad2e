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
	left    int
	number  uint64 // packet number of the group
	timer   time.Duration
	trace   interface {
		Write([]byte) (int, error)
		Sum64() uint64
	}
	sent      map[string]int64    // stream/seq/destination -> stamp it went at
	asked     map[[3]uint64]int64 // member/stream/seq -> newest echo that asked
	askedAt   map[[3]uint64]int64
	grtt      time.Duration // least seen
	lastStamp int64
	spins     int
	done      bool
	lastRead  time.Duration
	lostAt    time.Duration // last loss
	hostDrops int
	firstSent []uint64
	wireSince []wirePoint
	handed    uint64
	failed    int
}

type wirePoint struct {
	at    time.Duration
	bytes int
}

type leaf struct {
	w        *world
	id       Member
	r        *Receiver
	pool     *Pool
	slab     *Slab
	used     int
	queue    []arrival
	reading  bool
	sleepTo  time.Duration
	slowTo   time.Duration
	next     []uint64 // per stream: number of the next message
	gaps     []uint64 // messages told missing
	limit    []uint64 // last STATUS that reached the sender
	spoken   bool
	bad      bool // Gilbert-Elliott
	gone     bool
	timer    time.Duration
	buf      []byte
	linkLost uint64
}

type arrival struct {
	m     Meta
	frame []byte
}

func newWorld(t testing.TB, sc *scenario, seed uint64) *world {
	w := &world{t: t, sc: sc, rng: rand.New(rand.NewPCG(seed, 7)), trace: fnv.New64a(), sent: map[string]int64{},
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
	c := SenderConfig{Self: 1, Symbol: sc.symbol, Streams: sc.streams, MaxMessage: 64 << 10, Window: sc.window, History: sc.history,
		Rate: sc.rate, Policy: sc.policy, UnicastRepair: sc.alone, Start: w.time(0)}
	var err error
	if w.s, err = NewSender(c); err != nil {
		t.Fatal(err)
	}
	w.written = make([]uint64, len(sc.streams))
	w.firstSent = make([]uint64, len(sc.streams))
	w.nextID = 2
	for range sc.leaves {
		w.join()
	}
	w.after(0, w.write)
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

func (w *world) join() *leaf {
	l := &leaf{w: w, id: w.nextID, pool: NewPool(0), buf: make([]byte, 64<<10), timer: never}
	w.nextID++
	c := ReceiverConfig{Sender: 1, Symbol: w.sc.symbol, Streams: w.sc.streams, MaxMessage: 64 << 10, Window: w.sc.window,
		Room: w.sc.socket, Seed: uint64(l.id), Start: w.time(-time.Hour)}
	var err error
	if l.r, err = NewReceiver(c, l.pool); err != nil {
		w.t.Fatal(err)
	}
	edges := w.s.Admit(w.now(), l.id, 2*w.sc.delay)
	l.gaps = make([]uint64, len(w.sc.streams))
	for _, e := range edges {
		l.next = append(l.next, e.Message)
		l.limit = append(l.limit, e.Seq+w.s.firstCredit())
		if e.Message != w.written[e.Stream] {
			w.fatalf("edge %+v, written %d", e, w.written[e.Stream])
		}
	}
	l.slab = l.pool.Get()
	w.leaves = append(w.leaves, l)
	l.r.Start(w.now(), edges)
	w.after(0, l.pump)
	return l
}

func (w *world) leave(l *leaf) {
	l.gone = true
	w.s.Expel(w.now(), l.id)
	l.r.Close()
	l.pool.Put(l.slab)
	if l.pool.InUse() != 0 {
		w.fatalf("leaf %d: %d slabs held after Close", l.id, l.pool.InUse())
	}
	for i, o := range w.leaves {
		if o == l {
			w.leaves = append(w.leaves[:i:i], w.leaves[i+1:]...)
			break
		}
	}
	w.pumpSender()
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
	h := fnv.New32a()
	fmt.Fprint(h, st, n)
	x := int(h.Sum32() & 0x7fffffff)
	if x%4 > 0 {
		return x / 4 % (w.sc.size/8 + 1)
	}
	return x / 4 % (w.sc.size + 1)
}

var writeBuf [64 << 10]byte

func (w *world) write() {
	for w.left > 0 {
		st := w.left % len(w.sc.streams)
		n := w.written[st]
		err := w.s.Write(w.now(), Stream(st), text(writeBuf[:], st, n, w.sizeOf(st, n)))
		if err == ErrFull {
			w.s.Cut(w.now())
			w.pumpSender()
			w.after(200*time.Microsecond, w.write)
			return
		}
		if err != nil {
			w.fatalf("write: %v", err)
		}
		w.written[st]++
		w.left--
		if w.sc.gap > 0 {
			break
		}
		if w.rng.IntN(8) == 0 {
			w.pumpSender()
		}
	}
	w.s.Cut(w.now())
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
	shared := w.lossy() && w.sc.shared > 0
	for _, l := range w.leaves {
		if w.b.To != 0 && w.b.To != l.id {
			continue
		}
		l.batchLost()
	}
	for _, f := range w.b.Frames {
		fmt.Fprintf(w.trace, "%v %d %x\n", w.at, w.b.To, f)
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

func (w *world) lossy() bool { return w.sc.stop == 0 || w.at < w.sc.stop }

func (l *leaf) batchLost() {
	l.bad = l.bad && w_keepBad
	if l.w.sc.batch > 0 && l.w.lossy() {
		l.bad = l.w.rng.Float64() < l.w.sc.batch
	}
}

// w_keepBad: a Gilbert-Elliott state outlives a batch, a lost batch does not.
const w_keepBad = true

func (l *leaf) send(m Meta, frame []byte, gone bool) {
	w := l.w
	if w.lossy() && (l.bad && w.sc.batch > 0 || w.sc.loss != nil && w.sc.loss(w, l, frame[0] == frameData)) {
		gone = true
	}
	if gone {
		l.linkLost++
		w.lostAt = w.at
		return
	}
	copies := 1
	if w.rng.Float64() < w.sc.dup {
		copies = 2
	}
	for range copies {
		d := w.sc.delay
		if w.sc.jitter > 0 {
			d += time.Duration(w.rng.Int64N(int64(w.sc.jitter)))
		}
		if w.sc.reorder > 0 && w.lossy() && w.rng.Float64() < w.sc.reorder {
			d += time.Duration(w.rng.Int64N(int64(500 * time.Microsecond)))
		}
		w.after(d, func() { l.arrive(m, frame) })
	}
}

func (l *leaf) arrive(m Meta, frame []byte) {
	if l.gone {
		return
	}
	if len(l.queue) >= l.w.sc.socket {
		l.w.hostDrops++
		return
	}
	l.queue = append(l.queue, arrival{m, frame})
	if !l.reading {
		l.reading = true
		l.w.after(max(5*time.Microsecond, l.sleepTo-l.w.at), l.read)
	}
}

func (l *leaf) read() {
	w := l.w
	if l.gone {
		return
	}
	if w.sc.asleep != nil && l.sleepTo <= w.at {
		if d := w.sc.asleep(w, l); d > 0 {
			l.sleepTo = w.at + d
			w.after(d, l.read)
			return
		}
	}
	l.reading = false
	for _, a := range l.queue {
		if l.used+len(a.frame) > SlabSize {
			l.pool.Put(l.slab)
			l.slab, l.used = l.pool.Get(), 0
		}
		at := l.slab.B[l.used : l.used+len(a.frame)]
		copy(at, a.frame)
		l.used += len(at)
		w.handed++
		d := l.r.Handle(w.now(), a.m, at, l.slab)
		switch d {
		case DropNone, DropDuplicate, DropLate, DropBefore, DropWindow:
		default:
			w.fatalf("leaf %d dropped an honest frame: %v", l.id, d)
		}
	}
	l.queue = l.queue[:0]
	l.pump()
}

func (l *leaf) pump() {
	w := l.w
	if l.gone {
		return
	}
	l.r.Advance(w.now())
	l.app()
	var buf [maxTestFrame]byte
	for {
		f, ok := l.r.Poll(w.now(), buf[:0])
		if !ok {
			break
		}
		if len(f) > w.sc.symbol+HeadSize {
			w.fatalf("feedback of %d bytes", len(f))
		}
		fmt.Fprintf(w.trace, "%v <%d %x\n", w.at, l.id, f)
		if w.sc.deaf != nil && w.lossy() && w.sc.deaf(w, l) {
			w.lostAt = w.at
			continue
		}
		frame := append([]byte(nil), f...)
		d := w.sc.delay
		if w.sc.jitter > 0 {
			d += time.Duration(w.rng.Int64N(int64(w.sc.jitter)))
		}
		w.after(d, func() { w.feedback(l, frame) })
	}
	l.arm()
}

const maxTestFrame = 2048

func (l *leaf) arm() {
	next := l.r.NextTimeout()
	if next.IsZero() {
		return
	}
	w := l.w
	d := max(next.Sub(epoch0), w.at+time.Microsecond, l.sleepTo)
	if l.timer > w.at && l.timer <= d {
		return
	}
	l.timer = d
	w.after(d-w.at, func() {
		if l.timer == w.at && !l.gone {
			l.timer = never
			if w.at >= l.sleepTo {
				l.pump()
			} else {
				l.arm()
			}
		}
	})
}

// app reads what is there and holds I1 as it goes.
func (l *leaf) app() {
	w := l.w
	if w.sc.slow != nil && w.at >= l.slowTo {
		if d := w.sc.slow(w, l); d > 0 {
			l.slowTo = w.at + d
			w.after(d, func() { l.pump() })
		}
	}
	if w.at < l.slowTo {
		return
	}
	for st := range w.sc.streams {
		for {
			size, ok := l.r.Next(Stream(st))
			n, i, err := l.r.Read(w.now(), Stream(st), l.buf)
			if ok != (err != ErrEmpty) || ok && err == nil && size != n {
				w.fatalf("Next said %d %v, Read %d %v", size, ok, n, err)
			}
			if err == ErrEmpty {
				break
			}
			if i.Message != l.next[st] {
				w.fatalf("leaf %d stream %d: message %d, want %d (%v)", l.id, st, i.Message, l.next[st], err)
			}
			if err == ErrGap {
				if i.Missed == 0 || w.sc.gapless && w.sc.streams[st] == Reliable {
					w.fatalf("leaf %d stream %d: gap of %d at %d", l.id, st, i.Missed, i.Message)
				}
				l.gaps[st] += i.Missed
				l.next[st] += i.Missed
				continue
			}
			if err != nil {
				w.fatalf("read: %v", err)
			}
			if want := text(writeBuf[:], st, i.Message, w.sizeOf(st, i.Message)); string(want) != string(l.buf[:n]) {
				w.fatalf("leaf %d stream %d message %d: wrong bytes", l.id, st, i.Message)
			}
			l.next[st]++
			w.lastRead = w.at
		}
	}
}

func (w *world) feedback(l *leaf, frame []byte) {
	if l.gone {
		return
	}
	before := *l
	w.noteFeedback(l, frame)
	d := w.s.Handle(w.now(), l.id, frame)
	switch d {
	case DropNone:
	case DropStale, DropRate:
		*l = before
	default:
		w.fatalf("the sender dropped honest feedback: %v %x", d, frame)
	}
	w.pumpSender()
}

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
		if w.left == 0 && w.complete() {
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
