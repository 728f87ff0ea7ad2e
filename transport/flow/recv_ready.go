package flow

import "time"

// scan is how far a stream was looked through for whole messages, ahead of Read.
type scan struct {
	seq    uint64 // the symbol that it stands in
	at     int    // offset in its payload
	left   int    // bytes of the record begun that lie in symbols to come
	number uint64 // of the record begun, or of the next one
	jumps  uint64 // the stream's when this was set
}

// Ready tells which messages are here whole and in order, read or not: next is
// the number of the one that Read gives next, end the one after the last. Each
// record and each symbol is looked at once, however often it is called.
func (r *Receiver) Ready(id Stream) (next, end uint64) {
	if int(id) >= len(r.streams) {
		return 0, 0
	}
	st := r.streams[id]
	if st == nil {
		return r.edges[id].Message, r.edges[id].Message
	}
	st.settle()
	next = max(st.message, st.first)
	if st.lost {
		return next, next
	}
	sc := &st.scan
	if sc.jumps != st.jumps || sc.seq < st.base || sc.number < st.message {
		*sc = scan{seq: st.base, number: st.message, jumps: st.jumps}
		if st.base < st.contig {
			sc.at = len(st.ring[st.base&st.mask].payload()) - len(st.cur)
		}
	}
	for sc.seq < st.contig && sc.through(st.ring[sc.seq&st.mask].payload(), r.c.MaxMessage) {
		sc.seq, sc.at = sc.seq+1, 0
	}
	return next, max(next, sc.number)
}

// through counts the records that end in one symbol; false: it holds one that
// no sender writes, which Read will judge.
func (sc *scan) through(p []byte, most int) bool {
	if sc.left > 0 {
		n := min(sc.left, len(p)-sc.at)
		sc.left, sc.at = sc.left-n, sc.at+n
		if sc.left > 0 {
			return true
		}
		sc.number++
	}
	for sc.at < len(p) {
		size, n := varint(p[sc.at:])
		if n == 0 || size > uint64(most) {
			return false
		}
		here := min(int(size), len(p)-sc.at-n)
		sc.at, sc.left = sc.at+n+here, int(size)-here
		if sc.left == 0 {
			sc.number++
		}
	}
	return true
}

// Seek passes over messages below number to, as far as they are here whole or
// gone for good. at is the number of the message that Read gives next, passed
// how many were passed over; the books count them as missed.
func (r *Receiver) Seek(now time.Time, id Stream, to uint64) (at, passed uint64) {
	if int(id) >= len(r.streams) {
		return 0, 0
	}
	st := r.streams[id]
	if st == nil {
		return r.edges[id].Message, 0
	}
	for {
		if st.settle(); st.missed > 0 {
			passed += st.missed
			st.missed = 0
			r.stats.Gaps++
			continue
		}
		if st.message >= to || !st.ready() || st.message >= to {
			break
		}
		st.copyOut(nil)
		passed++
	}
	r.stats.Missed += passed
	if passed > 0 && r.limit(st)-st.told.limit >= r.quarter(st) {
		r.reportCredit(r.now(now))
	}
	return max(st.message, st.first), passed
}

// Crowded reports whether a stream holds so much unread that its sender must
// soon wait.
func (r *Receiver) Crowded(id Stream) bool {
	if int(id) >= len(r.streams) || r.streams[id] == nil {
		return false
	}
	st := r.streams[id]
	return st.known-st.base >= r.window/4*3
}
