package flow

import "time"

// Info tells of a message that was read, or of a gap.
type Info struct {
	Stream   Stream
	Message  uint64 // its number in the stream; with ErrGap, of the first one missed
	Size     int    // its length, also with ErrShort
	Missed   uint64 // with ErrGap: how many messages are gone, told this once
	Repaired bool   // part of it was lost and sent again
	Unproven bool   // part of it may be another member's: ReceiverConfig.Eager
}

// Next tells whether Read has something: a whole message of size bytes, or a
// gap to tell, whose size is 0.
func (r *Receiver) Next(id Stream) (size int, ok bool) {
	if int(id) >= len(r.streams) || r.streams[id] == nil {
		return 0, false
	}
	st := r.streams[id]
	if st.settle(); st.missed > 0 {
		return 0, true
	}
	if !st.ready() {
		return 0, false
	}
	return st.size, true
}

// Read copies the next message into p, one copy per symbol. ErrEmpty: nothing
// is ready. ErrShort: Info.Size tells what is needed, the message stays.
// ErrGap: Info.Missed messages will never come; the next Read goes on behind
// them. After it, see Urgent.
func (r *Receiver) Read(now time.Time, id Stream, p []byte) (n int, i Info, err error) {
	i.Stream = id
	if int(id) >= len(r.streams) || r.streams[id] == nil {
		if int(id) >= len(r.c.Streams) {
			return 0, i, ErrStream
		}
		return 0, i, ErrEmpty
	}
	st := r.streams[id]
	if st.missed > 0 || !st.ready() {
		if st.settle(); st.missed > 0 {
			i.Message, i.Missed = st.message-st.missed, st.missed
			st.missed = 0
			r.stats.Gaps++
			r.stats.Missed += i.Missed
			return 0, i, ErrGap
		}
		if !st.ready() {
			return 0, i, ErrEmpty
		}
	}
	i.Message, i.Size = st.message, st.size
	if len(p) < st.size {
		return 0, i, ErrShort
	}
	n = st.size
	first := st.base
	i.Repaired = st.copyOut(p[:n])
	if r.c.Judge != nil && r.c.Eager {
		i.Unproven = st.unproven(first)
	}
	r.stats.Messages++
	r.stats.MessageBytes += uint64(n)
	if r.limit(st)-st.told.limit >= r.quarter(st) {
		r.reportCredit(r.now(now))
	}
	return n, i, nil
}

// Urgent reports whether Poll has a frame that should not wait for the next
// timeout: reading has freed a good part of the window.
func (r *Receiver) Urgent() bool { return r.urgent }

// ready reports whether the record at the cursor is all there. Records before
// the first message owed, in the symbol that it begins in, are passed over.
func (st *stream) ready() bool {
	for st.complete() {
		if st.message >= st.first {
			return true
		}
		st.copyOut(nil)
	}
	return false
}

// complete is ready for whatever record is next, and reads its length. A length
// that no sender writes loses the cursor.
func (st *stream) complete() bool {
	if st.length == 0 {
		if st.lost || st.avail == 0 {
			return false
		}
		size, n := varint(st.cur)
		if n == 0 || size > uint64(st.r.c.MaxMessage) {
			st.r.stats.Garbled++
			st.lose()
			st.skip()
			return false
		}
		st.size, st.length = int(size), n
	}
	return st.avail >= st.length+st.size
}

// copyOut copies the record at the cursor, unless p is nil, and moves past it.
func (st *stream) copyOut(p []byte) (repaired bool) {
	cur, left := st.cur[st.length:], st.size
	st.avail -= st.length + st.size
	for {
		n := min(left, len(cur))
		if p != nil {
			p = p[copy(p, cur[:n]):]
		}
		left, cur = left-n, cur[n:]
		repaired = repaired || st.ring[st.base&st.mask].repaired
		if len(cur) == 0 {
			if st.take(); st.base < st.contig {
				cur = st.ring[st.base&st.mask].payload()
			} else {
				cur = nil
			}
		}
		if left == 0 {
			break
		}
	}
	st.cur, st.length = cur, 0
	st.message++
	return repaired
}

// lose takes the cursor off its record: it cannot be completed.
func (st *stream) lose() {
	st.lost, st.walked = true, st.message
	if st.avail > 0 {
		st.walked++ // a part of it is here, the rest is not
	}
	st.cur, st.avail, st.length = nil, 0, 0
}

// settle moves over what will never come, as far as whole messages and holes
// that may yet be filled let it, and counts the messages missed.
func (st *stream) settle() {
	for st.missed == 0 {
		if !st.lost {
			if st.ready() {
				return
			}
			if !st.lost { // ready may have lost it
				torn := st.r.gaveUp && st.avail > 0 && st.contig >= st.known
				if st.contig >= st.gone && !torn || st.awaits() {
					return
				}
				st.lose()
			}
		}
		if !st.walk() {
			return
		}
	}
}

// walk looks for the next record from base on; false: it must wait. What it
// passes is no help in rebuilding any more.
func (st *stream) walk() bool {
	found := st.search()
	st.forget(st.base)
	return found
}

func (st *stream) search() bool {
	for st.base < st.hi {
		at := &st.ring[st.base&st.mask]
		if at.b == nil {
			if st.base >= st.gone {
				st.contig = max(st.contig, st.base)
				return false
			}
			st.lostSymbols++
			st.base++
			continue
		}
		if st.r.waits() && st.provenTo(st.base, st.hi) <= st.base {
			st.contig = max(st.contig, st.base)
			return false
		}
		if back := uint32(st.message) - at.message(); st.fresh && at.head() != noHead && back < 1<<31 && uint64(back) <= st.message {
			// What is owed begins in this symbol, perhaps behind its first record.
			st.message -= uint64(back)
			st.walked = st.message
			st.resume(st.message, at)
			return true
		}
		number, ok := st.expand(at.message())
		if ok && at.head() != noHead && number >= st.walked {
			st.resume(number, at)
			return true
		}
		if ok {
			st.walked = max(st.walked, number)
		}
		st.skip()
	}
	return st.walkTail()
}

// skip passes over a symbol that is of no use.
func (st *stream) skip() {
	st.drop(st.base)
	st.skipped++
	st.base++
}

// resume puts the cursor on the record that starts in base.
func (st *stream) resume(number uint64, at *slot) {
	st.lost, st.fresh = false, false
	st.jumps++
	st.tell(number)
	st.contig, st.avail = st.base, 0
	st.extend()
	st.cur = at.payload()[at.head():]
	st.avail -= int(at.head())
}

// walkTail passes over the end, of which nothing is held.
func (st *stream) walkTail() bool {
	to := min(st.gone, st.known)
	if st.base < to {
		st.lostSymbols += to - st.base
		st.base = to
	}
	st.hi = max(st.hi, st.base)
	st.contig = max(st.contig, st.base)
	switch {
	case st.base == st.end.seq && st.base > st.start:
		if number, ok := st.expand(st.end.number); ok {
			st.tell(max(st.walked, number))
		}
	case st.r.gaveUp && st.base >= st.known:
		st.tell(st.walked)
	}
	return false
}

// tell counts messages up to number as missed.
func (st *stream) tell(number uint64) {
	st.missed += number - st.message
	st.message = number
	st.walked = number
}

// expand gives a 32-bit message number its upper half: it is the next one or
// later. What claims to be far behind is not believed.
func (st *stream) expand(number uint32) (uint64, bool) {
	ahead := number - uint32(st.message)
	return st.message + uint64(ahead), ahead < 0xff000000
}
