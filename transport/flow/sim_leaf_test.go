package flow

import "time"

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
	had      map[uint64]bool // packets, with two paths
	timer    time.Duration
	buf      []byte
	linkLost uint64
	packets  uint64 // sent to it, where a scenario counts them
	lastRead time.Duration
	spins    int
}

type arrival struct {
	m     Meta
	frame []byte
}

func (w *world) join() *leaf {
	l := &leaf{w: w, id: w.nextID, pool: NewPool(0), buf: w.readBuf[:], timer: never, had: map[uint64]bool{}}
	w.nextID++
	c := ReceiverConfig{Sender: 1, Symbol: w.sc.symbol, Streams: w.sc.streams, MaxMessage: 64 << 10, Window: w.sc.window,
		Latency: w.s.c.Latency, Skew: 2 * w.sc.twin, Room: w.sc.socket, Seed: uint64(l.id), Start: w.time(-time.Hour)}
	var err error
	if l.r, err = NewReceiver(c, l.pool); err != nil {
		w.t.Fatal(err)
	}
	a := Admission{}
	if w.sc.admit != nil {
		a = w.sc.admit(l.id)
	}
	a.RTT = 2 * w.sc.delay
	edges := w.s.Admit(w.now(), l.id, a)
	l.gaps = make([]uint64, len(w.sc.streams))
	for _, e := range edges {
		l.next = append(l.next, e.Message)
		l.limit = append(l.limit, e.Seq+w.s.firstCredit())
		if a.From.Kind == FromNow && e.Message != w.written[e.Stream] {
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

// batchLost draws whether this leaf loses the batch in hand whole. (The state
// of the Gilbert-Elliott model, which uses the same field, outlives a batch.)
func (l *leaf) batchLost() {
	if l.w.sc.batch > 0 && l.w.lossy() {
		l.bad = l.w.rng.Float64() < l.w.sc.batch
	}
}

func (l *leaf) send(m Meta, frame []byte, gone bool) {
	if l.w.sc.twin > 0 && !m.Pairwise {
		l.sendOn(m, frame, gone, l.w.sc.twin)
	}
	l.sendOn(m, frame, gone, 0)
}

func (l *leaf) sendOn(m Meta, frame []byte, gone bool, slower time.Duration) {
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
		d := w.sc.delay + slower
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
	if l.gone || l.hadPacket(m) {
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

// hadPacket is what the sealer's replay window says of the slower copy.
func (l *leaf) hadPacket(m Meta) bool {
	if l.w.sc.twin == 0 || m.Pairwise {
		return false
	}
	had := l.had[m.Number]
	l.had[m.Number] = true
	return had
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
	l.checkKept()
	var buf [maxTestFrame]byte
	for {
		f, ok := l.r.Poll(w.now(), buf[:0])
		if !ok {
			break
		}
		if len(f) > w.sc.symbol+HeadSize {
			w.fatalf("feedback of %d bytes", len(f))
		}
		w.note(l.id|1<<31, f)
		w.kind = f[0]
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
	if l.spins++; next.Sub(epoch0) > w.at {
		l.spins = 0
	} else if l.spins > 1000 {
		w.fatalf("leaf %d: the timer spins", l.id)
	}
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
			if want := w.textOf(st, i.Message); string(want) != string(l.buf[:n]) {
				w.fatalf("leaf %d stream %d message %d: wrong bytes", l.id, st, i.Message)
			}
			l.next[st]++
			if w.sc.timed {
				w.took = append(w.took, w.at-w.wroteAt[st][i.Message-w.sc.first])
			}
			w.lastRead, l.lastRead = w.at, w.at
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
	case DropStale:
		*l = before
	case DropRate:
		if !w.sc.crowd {
			w.fatalf("the sender dropped an honest NAK")
		}
	default:
		w.fatalf("the sender dropped honest feedback: %v %x", d, frame)
	}
	w.pumpSender()
}
