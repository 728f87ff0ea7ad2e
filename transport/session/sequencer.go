package session

import (
	"slices"
	"sync"
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
)

const (
	// gatherFor is how long stamps wait for company, once some have left.
	gatherFor = 200 * time.Microsecond
	// unreadOrder bounds what the sequencer has stamped and its own application
	// has not read, in bytes of ORDER.
	unreadOrder = 1 << 20
	// markEvery is how often all members are told how far the order is, while it
	// moves, and markTimes how often once it does not.
	markEvery = time.Second
	markTimes = 3
)

// sequencer is the ordering member's half of the order: it knows, per sender
// and stream, which messages are here and which have their place. What has no
// place yet is the difference of two numbers, so nothing is queued while the
// hidden stream is full. Both halves of the session tell it news under their
// own mutex; its own is the innermost.
type sequencer struct {
	frameRoom int // bytes of a message of the hidden stream
	full      int // bytes of unread at which nothing is stamped
	hidden    flow.Stream

	mu     sync.Mutex
	seats  []*seat // who is in, in the order in which they came; the sequencer first
	index  map[uint32]*seat
	dirty  []*seat // have something without a place
	viewed bool    // the members are as the last VIEW says
	fence  bool    // marks are wanted
	next   uint64  // place of the next message
	since  time.Time
	left   time.Time // when stamps last left
	marked time.Time // when members were last told how far the order is
	marks  int       // how often they are still to be told
	stuck  bool      // the hidden stream took no more
	jammed bool      // or the own application left too much unread

	out    shelf // messages for the hidden stream that it has not taken
	unread shelf // those that it took, for the own application
	buf    []byte
	ids    []uint32
	stats  OrderStats
}

// seat is a member.
type seat struct {
	id      uint32
	counted bool // takes data
	sends   bool
	leaving bool // no more of its messages come
	dirty   bool
	streams [flow.MaxStreams]struct{ ready, stamped uint64 }
}

func newSequencer(self uint32, hidden flow.Stream, room int) *sequencer {
	q := &sequencer{frameRoom: room, full: unreadOrder, hidden: hidden, index: make(map[uint32]*seat), next: 1}
	q.seat(self).counted = true
	return q
}

func (q *sequencer) seat(id uint32) *seat {
	e := q.index[id]
	if e == nil {
		e = &seat{id: id}
		q.index[id] = e
		q.seats = append(q.seats, e)
		q.viewed = false
	}
	return e
}

// counts notes that a member takes data, or does not any more.
func (q *sequencer) counts(now time.Time, id uint32, in bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !in && q.index[id] == nil {
		return
	}
	e := q.seat(id)
	if e.counted = in; in {
		q.viewed = false // it is to hear who is in, though the others know
	}
	q.mark(now, e)
}

// sender notes that a member sends, or that nothing more comes of it.
func (q *sequencer) sender(now time.Time, id uint32, in bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !in && q.index[id] == nil {
		return
	}
	e := q.seat(id)
	e.sends, e.leaving = true, !in
	q.mark(now, e)
}

// wrote notes how far the sequencer's own messages go, and reports whether
// nothing was without a place before.
func (q *sequencer) wrote(now time.Time, st flow.Stream, end uint64) (fresh bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.seats[0]
	e.streams[st].ready = end
	fresh = q.since.IsZero()
	q.mark(now, e)
	return fresh
}

// here notes which messages of a sender's stream are whole: what is below next
// and has no place will never get one.
func (q *sequencer) here(now time.Time, id uint32, st flow.Stream, next, end uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.index[id]
	if e == nil || e.leaving {
		return
	}
	s := &e.streams[st]
	s.stamped = max(s.stamped, next)
	if s.ready = max(s.ready, end); s.ready > s.stamped {
		q.mark(now, e)
	}
}

func (q *sequencer) mark(now time.Time, e *seat) {
	if q.since.IsZero() {
		q.since = now
	}
	if !e.dirty {
		e.dirty = true
		q.dirty = append(q.dirty, e)
	}
}

// due is when stamps are to be written; zero: none are, or there is no room.
func (q *sequencer) due() time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.stuck || q.jammed || !q.pending() && q.marks == 0:
		return time.Time{}
	case !q.pending():
		return q.marked.Add(markEvery)
	}
	if t := q.left.Add(gatherFor); t.After(q.since) {
		return t
	}
	return q.since
}

func (q *sequencer) pending() bool {
	return q.out.n > 0 || len(q.dirty) > 0 || !q.viewed || q.fence
}

// fill puts the next message into out, or several parts of a VIEW.
func (q *sequencer) fill(now time.Time) bool {
	switch {
	case q.out.n > 0:
	case !q.viewed:
		q.fillView()
	case len(q.dirty) > 0:
		q.fillRuns()
	case q.fence:
		q.fence = false
		q.fillMarks(now)
	}
	return q.out.n > 0
}

// fillMarks tells how far each stream's order is.
func (q *sequencer) fillMarks(now time.Time) {
	q.buf = AppendOrder(q.buf[:0], q.next)
	for _, e := range q.seats {
		for k := range e.streams {
			if e.streams[k].stamped == 0 {
				continue
			}
			if len(q.buf)+mostRun > q.frameRoom {
				q.out.put(q.buf)
				q.buf = AppendOrder(q.buf[:0], q.next)
			}
			q.buf = AppendRun(q.buf, e.id, flow.Stream(k), e.streams[k].stamped, 0)
		}
	}
	q.out.put(q.buf)
	q.marked = now
	q.marks = max(0, q.marks-1)
}

func (q *sequencer) fillView() {
	q.ids = q.ids[:0]
	for _, e := range q.seats {
		q.ids = append(q.ids, e.id)
	}
	most := (q.frameRoom - viewHead) / 4
	for i := 0; i < len(q.ids); i += most {
		end := min(i+most, len(q.ids))
		q.buf = AppendView(q.buf[:0], q.next, q.ids[i:end], i == 0, end == len(q.ids))
		q.out.put(q.buf)
	}
	q.viewed = true
	q.stats.Views++
}

// fillRuns stamps what fits one ORDER. A member that has left and has all its
// places is out from here on.
func (q *sequencer) fillRuns() {
	q.buf = AppendOrder(q.buf[:0], q.next)
	for len(q.dirty) > 0 && q.viewed {
		e := q.dirty[0]
		if !q.stampSeat(e) {
			break
		}
		q.dirty = slices.Delete(q.dirty, 0, 1)
		e.dirty = false
		if !e.counted && (!e.sends || e.leaving) {
			delete(q.index, e.id)
			q.seats = slices.DeleteFunc(q.seats, func(o *seat) bool { return o == e })
			q.viewed = false
		}
	}
	if len(q.buf) > runsHead {
		q.out.put(q.buf)
	}
	if len(q.dirty) == 0 {
		q.since = time.Time{}
	}
}

// stampSeat gives places to all of a member's messages that are here; false:
// the ORDER is full.
func (q *sequencer) stampSeat(e *seat) bool {
	for k := range e.streams {
		s := &e.streams[k]
		if s.ready <= s.stamped {
			continue
		}
		if len(q.buf)+mostRun > q.frameRoom {
			return false
		}
		n := s.ready - s.stamped
		q.buf = AppendRun(q.buf, e.id, flow.Stream(k), s.stamped, n)
		s.stamped = s.ready
		q.next += n
		q.marks = markTimes
		q.stats.Runs++
		q.stats.Stamped += n
	}
	return true
}

// write hands stamps to the hidden stream, if it is time, and reports whether
// any left.
func (q *sequencer) write(now time.Time, f *flow.Sender, force bool) (wrote bool) {
	if d := q.due(); !force && (d.IsZero() || d.After(now)) {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stuck = false
	if q.marks > 0 && now.Sub(q.marked) >= markEvery {
		q.fence, q.viewed = true, false // who was not sent a stretch of the order lacks both
	}
	stamped := q.stats.Stamped
	for q.pending() {
		if q.jammed = q.unread.bytes() > q.full; q.jammed {
			break
		}
		if !q.fill(now) {
			continue // a member left without a word: the members are to be told
		}
		m := q.out.first()
		if f.Write(now, q.hidden, m) != nil {
			q.stuck = true
			break
		}
		q.unread.put(m)
		q.stats.Messages++
		q.stats.Bytes += uint64(len(m))
		q.out.drop()
		wrote = true
	}
	if q.stats.Stamped > stamped {
		q.left = now // who writes nothing but marks keeps no message waiting
	}
	if wrote {
		f.FlushStream(now, q.hidden)
	}
	return wrote
}

// loose reports whether stamps wait for the own application, which has read.
func (q *sequencer) loose() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.jammed || q.unread.bytes() > q.full/2 {
		return false
	}
	q.jammed = false
	return true
}

// loosen lets the next write try again: there may be room.
func (q *sequencer) loosen() {
	q.mu.Lock()
	q.stuck = false
	q.mu.Unlock()
}

// read copies the next message for the own application.
func (q *sequencer) read(b []byte) []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.unread.n == 0 {
		return nil
	}
	b = append(b[:0], q.unread.first()...)
	q.unread.drop()
	return b
}

// crowded: the own application keeps so much unread that nothing is stamped.
func (q *sequencer) crowded() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.unread.bytes() > q.full
}

// wantFence asks for marks behind all that is here now.
func (q *sequencer) wantFence() {
	q.mu.Lock()
	q.fence = true
	q.mu.Unlock()
}

// fenced: the hidden stream has taken the marks that were wanted, and with them
// a place for all that was here then.
func (q *sequencer) fenced() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return !q.fence && q.out.n == 0
}
