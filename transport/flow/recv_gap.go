package flow

import (
	"math/bits"
	"time"
)

const (
	fewLeaves    = 8 // up to here nobody draws a time for its NAK
	mostSections = 32
	leastGuard   = 100 * time.Microsecond
	mostGuard    = 2 * time.Millisecond // unless the round trip is longer
	leastAgain   = 2 * time.Millisecond
	mostAgain    = 200 * time.Millisecond
	naksEach     = 300              // a second, from one member
	nakAhead     = 8                // as many may go ahead of that
	leastNaks    = time.Millisecond // between two
	spareWait    = 2 * spareAfter   // within that, rows that go unasked have come
)

// section is a stretch of a stream whose holes are timed together: from the
// section before, or contig, up to end. At due its holes are asked for, or on
// best effort given up.
type section struct {
	end   uint64
	due   moment
	tries uint8
	waits bool   // for the end of its block
	until moment // of a deadline stream: then its holes are given up
}

// addHole notes that symbols below end did not come. In a large group, where
// repairs are coded, it is asked for once the whole block was sent.
func (st *stream) addHole(t moment, end uint64) {
	r := st.r
	if r.beat.leaves <= fewLeaves || st.class != Reliable || end <= st.block {
		st.addSection(t, end, t+r.guard())
		return
	}
	if n := len(st.sections); n > 0 && st.sections[n-1].waits {
		st.sections[n-1].end = end
		return
	}
	st.addSection(t, end, t+r.guard()+2*blockSpan)
	st.sections[len(st.sections)-1].waits = true
}

// blockBegins hears of a new block: what the one before lacks is asked for now,
// by who lacks most first.
func (st *stream) blockBegins(t moment, d *data, first uint64) {
	before := st.block
	st.block = first
	if st.r.beat.leaves <= fewLeaves {
		return
	}
	if first > st.known {
		if st.addSection(t, first, t+st.r.guard()); len(st.sections) > 0 {
			st.sections[len(st.sections)-1].waits = true
		}
		st.known = first
	}
	due := never
	for i := range st.sections {
		c := &st.sections[i]
		if !c.waits {
			continue
		}
		if due == never {
			lacking := st.missing(max(before, st.contigOrBase()), first)
			due = t + max(st.r.guard(), spareWait) + st.r.draw(st, (lacking+1<<d.interleave-1)>>d.interleave)
		}
		c.waits, c.due = false, due
	}
}

// addSection notes holes below end that are new. There are at most 32
// sections; then the two oldest become one.
func (st *stream) addSection(t moment, end uint64, due moment) {
	due += st.r.draw(st, 0)
	until := st.r.until(st, t)
	n := len(st.sections)
	if n > 0 {
		l := &st.sections[n-1]
		if l.end >= end {
			return
		}
		if l.tries == 0 && !l.waits && due-l.due < leastGuard/2 {
			l.end = end
			return
		}
	}
	if n == mostSections {
		a, b := st.sections[0], &st.sections[1]
		b.due, b.tries, b.waits = min(a.due, b.due), min(a.tries, b.tries), false // and b.until is the later
		st.sections = append(st.sections[:0], st.sections[1:]...)
	}
	st.sections = append(st.sections, section{end: end, due: st.r.worthwhile(due, until), until: until})
}

// until is when a hole that shows at t is no use any more: the latency after
// the packet that shows it would have come without delay.
func (r *Receiver) until(st *stream, t moment) moment {
	if st.class != Deadline {
		return never
	}
	return t - r.transit.behind() + r.c.Latency
}

// worthwhile is when to ask, never if the answer would come too late. The round
// trip known here is the worst member's: a bad one must not keep all others
// from asking.
func (r *Receiver) worthwhile(due, until moment) moment {
	if due > until-min(r.beat.grtt*3/2, r.c.Latency/2) {
		return never
	}
	return due
}

// guard is how long a hole may be mere disorder.
func (r *Receiver) guard() moment {
	return min(max(leastGuard, 2*r.late.worst), max(mostGuard, r.beat.grtt, r.c.Skew))
}

// beat takes one stream's line of a BEAT: the tail shows, and what left the
// ring is gone. Best effort is never repaired; there the guard alone decides,
// because a BEAT may overtake data.
func (st *stream) beat(t moment, e *beatStream) {
	if e.next > st.last {
		return
	}
	if e.next > st.known {
		wait := st.r.guard()
		if st.r.beat.leaves > fewLeaves && st.class.asks() {
			wait = max(wait, spareWait)
		}
		st.addSection(t, e.next, t+wait)
		st.known = e.next
	}
	if e.next >= st.end.seq {
		st.end = edgeMark{e.next, e.message}
	}
	if st.class.asks() {
		st.gone = max(st.gone, e.oldest)
	}
}

// Advance judges the gaps: call it once after each batch of packets that was
// read, and at NextTimeout.
func (r *Receiver) Advance(now time.Time) {
	t := r.now(now)
	r.late.decay(t)
	for _, st := range r.streams {
		if st == nil {
			continue
		}
		if len(st.sections) > 0 {
			st.judge(t)
		}
		if r.c.Judge != nil {
			st.prove(t)
		}
		if st.gone > st.contig || st.lost {
			st.settle()
		}
		if len(st.coded) > 0 {
			st.tidyParity()
		}
		st.rest(t)
	}
	r.scheduleStatus(t)
}

// judge drops sections that are filled and gives up those of best effort whose
// guard has passed.
func (st *stream) judge(t moment) {
	k := 0
	for k < len(st.sections) {
		c := &st.sections[k]
		if c.end > st.contig && !(st.r.waits() && st.hole(st.contig, c.end) >= c.end) {
			if st.givesUp(c) > t {
				break
			}
			st.gone = max(st.gone, min(c.end, st.known))
		}
		k++
	}
	if k > 0 {
		st.sections = append(st.sections[:0], st.sections[k:]...)
	}
}

// givesUp is when the holes of a section are given up.
func (st *stream) givesUp(c *section) moment {
	if st.class == BestEffort {
		return c.due
	}
	return c.until
}

// nakDue is when the stream next wants to ask, whatever the rate allows.
func (st *stream) nakDue() moment {
	due := never
	if st.class.asks() {
		for i := range st.sections {
			due = min(due, st.sections[i].due)
		}
	}
	return due
}

// again is the time between two NAKs for one hole: a round trip with some
// room, doubled each second time. At 5 % loss one in 8,000 symbols is lost three
// times, and a receiver's room at full speed is some 10 ms.
func (r *Receiver) again(tries uint8) moment {
	gather := min(r.beat.grtt/2, time.Millisecond)
	d := max(r.beat.grtt*3/2+gather+250*time.Microsecond, leastAgain)
	return min(d<<min(tries/2, 8), max(mostAgain, d))
}

// pollNak appends a NAK for all holes that are due, oldest first.
func (r *Receiver) pollNak(t moment, dst []byte) ([]byte, bool) {
	if t < r.nakOK {
		return dst, false
	}
	for i := range r.streams {
		st := r.streams[(r.turn+i)%len(r.streams)]
		if st == nil || len(st.sections) == 0 || !st.class.asks() || st.nakDue() > t {
			continue
		}
		at := len(dst)
		dst = st.appendNak(t, dst)
		if len(dst) == at {
			if st.nakDue() <= t { // enough is out already
				r.nakOK = t + leastAgain/4
			}
			continue
		}
		r.turn = (r.turn + i + 1) % len(r.streams)
		r.nakOK = t + r.nakPause(t)
		r.stats.Naks++
		return dst, true
	}
	return dst, false
}

// nakPause books a NAK and tells how long the next one must wait: a burst may
// follow on each other's heels, but at 1 % of a high rate every NAK carries
// several losses, since each costs the sender a wake-up and a batch.
func (r *Receiver) nakPause(t moment) moment {
	each := time.Second / moment(max(200, min(naksEach, naksInAll/r.beat.leaves)))
	r.nakTat = max(r.nakTat, t) + each
	return max(leastNaks, r.nakTat-t-nakAhead*each)
}

// appendNak builds the frame and times the sections anew. What is asked for
// and still out stays below a quarter of the socket's room, which credit left
// for repairs; the rest of a long section is asked for later.
func (st *stream) appendNak(t moment, dst []byte) []byte {
	r := st.r
	start := len(dst)
	most := start + HeadSize + r.c.Symbol - 20
	budget := max(firstCredit, r.c.Room/4)
	if st.progress {
		st.progress = false
		st.calm(t)
	}
	budget -= st.outstanding(t)
	f := nak{stream: st.id}
	from, end := st.contig, uint64(0)
	for i := 0; i < len(st.sections) && budget > 0; i++ {
		c := &st.sections[i]
		upTo := min(c.end, st.base+r.window)
		if c.due > t {
			from = max(from, c.end)
			continue
		}
		for budget > 0 && len(dst) < most {
			hole := st.hole(from, upTo)
			if hole >= upTo {
				break
			}
			stop := min(st.whole(hole, upTo), hole+uint64(budget))
			if len(st.coded) > 0 && c.tries < 3 {
				if stop = st.unanswered(hole, stop); stop == hole {
					from = hole + 1
					continue
				}
			}
			if end == 0 {
				f.base, end = hole, hole
				dst = r.nakHead(t, dst, &f)
			}
			dst = appendNakRange(dst, hole-end, stop-hole)
			budget -= int(stop - hole)
			st.r.stats.Asked += stop - hole
			from, end = stop, stop
		}
		st.reask(t, i, from, upTo)
		from = max(from, c.end)
		if len(dst) >= most {
			break
		}
	}
	st.judge(t)
	return dst
}

func (r *Receiver) nakHead(t moment, dst []byte, f *nak) []byte {
	f.echoed, f.echo, f.held = r.echoOf(t)
	return appendNak(dst, f)
}

// reask times section i anew after it was asked for up to from; a rest that
// did not fit becomes a section of its own, still due.
func (st *stream) reask(t moment, i int, from, upTo uint64) {
	c := &st.sections[i]
	if rest := st.hole(from, upTo); rest < upTo && len(st.sections) < mostSections {
		tail := *c
		c.end = rest
		st.sections = append(st.sections, section{})
		copy(st.sections[i+2:], st.sections[i+1:])
		st.sections[i+1] = tail
		c = &st.sections[i]
	}
	c.due = st.r.worthwhile(t+st.r.again(c.tries)+st.r.draw(st, 0), c.until)
	c.tries = min(c.tries+1, 100)
	st.asked = max(st.asked, from)
}

// calm starts the doubling anew: repairs do come.
func (st *stream) calm(t moment) {
	for i := range st.sections {
		c := &st.sections[i]
		if c.tries > 1 {
			c.tries = 1
			c.due = min(c.due, t+st.r.again(1))
		}
	}
}

// outstanding counts holes that were asked for and may be on their way.
func (st *stream) outstanding(t moment) (n int) {
	from := st.contig
	for i := range st.sections {
		c := &st.sections[i]
		if c.tries > 0 && c.due > t {
			n += st.missing(from, c.end)
		}
		from = max(from, c.end)
	}
	return n
}

// missing counts the holes in [from, to).
func (st *stream) missing(from, to uint64) int {
	if to <= from {
		return 0
	}
	n := int(to - from)
	for end := min(to, st.hi); from < end; from = from&^63 + 64 {
		w := st.have[from&st.mask>>6] >> (from & 63)
		if left := end - from; left < 64 {
			w &= 1<<left - 1
		}
		n -= bits.OnesCount64(w)
	}
	return n
}
