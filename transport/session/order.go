package session

import (
	"errors"
	"math"
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
)

// OrderStats are the books of a total order.
type OrderStats struct {
	// Of the sequencer: messages that it gave a place, in how many runs; members
	// lists; messages of the hidden stream and their bytes.
	Stamped, Runs, Views, Messages, Bytes uint64
	// Taken is how many messages Recv gave in their place, Passed how many were
	// passed over because they have none, or too late a one, or were lost.
	// Foreign are places of messages that this member is not owed.
	Taken, Passed, Foreign uint64
	// Broken counts stretches of the order that this member was not sent.
	Broken uint64
}

// order is the delivering half of a total order, under the receive mutex. It
// carries out the hidden stream's messages one by one, and each run of them
// message by message; nothing is read ahead, so the hidden stream's window is
// the bound.
//
//	hidden stream -> message -> run -> the stream of its sender -> Recv
//	                               \-> this member's copies ---/
type order struct {
	x      *receiver
	own    *copies    // nil: this member only receives
	seq    *sequencer // nil: another member is the sequencer
	hidden flow.Stream

	message []byte // of the hidden stream, being carried out
	rest    []byte // runs that follow in it
	run     run    // what is left of the one being carried out
	at      uint64 // its place

	roster []uint32            // who is in
	in     map[uint32]uint64   // the same, with told as it was
	gone   map[uint32]struct{} // in, but nothing of theirs will be read
	past   map[uint32]struct{} // out, before news of them came
	first  bool                // no VIEW was seen yet, or none since a hole
	parts  []uint32            // of a VIEW that goes on
	list   bool                // parts is from its beginning

	cut  bool   // the sequencer is gone, and the rest is behind a hole
	told uint64 // VIEWs that hold, counted: in says who is in which

	ownAt  [flow.MaxStreams]uint64 // own messages below were given or are told missed
	missed [flow.MaxStreams]uint64 // own ones to be told
	stats  OrderStats
}

func newOrder(s *Session) *order {
	o := &order{x: &s.rx, seq: s.seq, hidden: s.hidden(), first: true,
		in: make(map[uint32]uint64), gone: make(map[uint32]struct{}), past: make(map[uint32]struct{})}
	if !s.c.ReceiveOnly {
		o.own = &copies{most: s.window(), hold: s.c.NoQuarantine, readAt: s.origin}
	}
	return o
}

// poised moves on to the next message that this member is to have, and reports
// whether it is here.
func (o *order) poised() bool {
	for {
		if o.run.n == 0 && !o.nextRun() {
			return false
		}
		var here, wait bool
		if o.run.sender == o.x.s.c.Self {
			here = o.ownHere()
		} else {
			here, wait = o.peerHere()
		}
		if here || wait {
			return here
		}
	}
}

// skip passes over n places of the run.
func (o *order) skip(n uint64) {
	o.run.first, o.run.n, o.at = o.run.first+n, o.run.n-n, o.at+n
}

// ownHere looks for this member's own message; what it gave up is passed over.
func (o *order) ownHere() bool {
	r := &o.run
	at, here := o.passOwn(r.stream, r.first)
	switch {
	case at == r.first && here:
		return true
	case at <= r.first:
		o.skip(r.n) // never sent
	default:
		n := min(r.n, at-r.first)
		o.passOwn(r.stream, r.first+n)
		o.skip(n)
	}
	return false
}

// passOwn passes over this member's own messages below number to.
func (o *order) passOwn(st flow.Stream, to uint64) (at uint64, here bool) {
	if o.own == nil {
		return 0, false
	}
	at, here = o.own.seek(st, to)
	if to = min(to, o.own.sent(st)); to > o.ownAt[st] {
		o.missed[st] += to - o.ownAt[st]
		o.stats.Passed += to - o.ownAt[st]
		o.ownAt[st] = to
	}
	return at, here
}

// mark passes over what had its place before, where this member was not sent it.
func (o *order) mark(sender uint32, st flow.Stream, first uint64) {
	if sender == o.x.s.c.Self {
		o.passOwn(st, first)
	} else if p := o.x.peers[sender]; p != nil && p.started {
		o.pass(o.x.now, p, st, first)
	}
}

// pass passes over another member's messages below number to, as far as they
// are here or gone for good, and gives the number of the next. That may have
// freed credit for which their sender waits.
func (o *order) pass(now time.Time, p *peer, st flow.Stream, to uint64) (at uint64) {
	at, passed := p.r.Seek(now, st, to)
	p.missed[st] += passed
	o.stats.Passed += passed
	if p.r.Urgent() {
		o.x.s.feedback(now, p)
	}
	return at
}

// peerHere looks for another member's message. Messages before it have no place
// and are passed over.
func (o *order) peerHere() (here, wait bool) {
	r := &o.run
	p := o.x.peers[r.sender]
	over := o.x.end != nil
	if p == nil || !p.started {
		_, in := o.in[r.sender]
		_, gone := o.gone[r.sender]
		if over || gone || p == nil && (o.seq != nil || !in) || p != nil && p.leaving {
			o.stats.Foreign += r.n
			o.skip(r.n)
			return false, false
		}
		return false, true // news of it, or where it begins, is on the way
	}
	at := o.pass(o.x.now, p, r.stream, r.first)
	if at > r.first {
		if owed := p.owed[r.stream]; owed > r.first { // the rest was told missing
			o.stats.Foreign += min(r.n, owed-r.first)
		}
		o.skip(min(r.n, at-r.first))
		return false, false
	}
	if _, ok := p.r.Next(r.stream); ok && at == r.first {
		return true, false
	}
	if over || p.leaving { // nothing more comes of it
		p.missed[r.stream] += r.n
		o.stats.Passed += r.n
		o.skip(r.n)
		return false, false
	}
	return false, true
}

// nextRun takes the next run of the order; what else the hidden stream says is
// carried out on the way.
func (o *order) nextRun() bool {
	for {
		for len(o.rest) == 0 {
			if !o.fetch() {
				return false
			}
			if at, runs, ok := ParseOrder(o.message); !ok {
				o.view()
			} else if at >= o.at {
				o.at, o.rest = at, runs
			} else { // places only rise
				o.x.drops[DropFrame]++
			}
		}
		r := &o.run
		var size int
		r.sender, r.stream, r.first, r.n, size = ParseRun(o.rest)
		o.rest = o.rest[size:]
		if r.n > 0 {
			return true
		}
		o.mark(r.sender, r.stream, r.first)
	}
}

// fetch reads the next message of the hidden stream.
func (o *order) fetch() bool {
	if o.seq != nil {
		o.message = o.seq.read(o.message)
		return len(o.message) > 0
	}
	p := o.x.peers[o.x.s.c.Sequencer]
	if p == nil || !p.started || o.cut {
		return false
	}
	for {
		n, i, err := p.r.Read(o.x.now, o.hidden, o.message[:cap(o.message)])
		switch {
		case err == nil:
			o.message = o.message[:n]
			if p.r.Urgent() {
				o.x.s.feedback(o.x.now, p)
			}
			return true
		case errors.Is(err, flow.ErrShort):
			o.message = make([]byte, 0, max(i.Size, o.x.s.c.Symbol))
		case errors.Is(err, flow.ErrGap) && p.leaving: // no marks tell what was in it
			o.cut = true
			return false
		case errors.Is(err, flow.ErrGap):
			o.torn()
		default:
			return false
		}
	}
}

// take gives the message that poised found.
func (o *order) take(p []byte) (Message, bool, error) {
	r := &o.run
	if r.sender == o.x.s.c.Self {
		return o.takeOwn(p)
	}
	peer := o.x.peers[r.sender]
	n, info, err := peer.r.Read(o.x.now, r.stream, p)
	if err != nil {
		return Message{N: info.Size, From: peer.id, Stream: r.stream, Order: o.at}, false, tooShort(info.Size, len(p))
	}
	m := Message{N: n, From: peer.id, Stream: r.stream, Order: o.at, Missed: peer.missed[r.stream], Repaired: info.Repaired}
	peer.missed[r.stream] = 0
	if peer.r.Urgent() {
		o.x.s.feedback(o.x.now, peer)
	}
	o.x.here(peer, r.stream)
	o.done()
	return m, true, nil
}

func (o *order) takeOwn(p []byte) (Message, bool, error) {
	r := &o.run
	n, ok := o.own.take(r.stream, r.first, p)
	m := Message{N: n, From: r.sender, Stream: r.stream, Order: o.at}
	switch {
	case n < 0:
		return m, false, nil // given up just now
	case !ok:
		return m, false, tooShort(n, len(p))
	}
	m.Missed, o.missed[r.stream] = o.missed[r.stream], 0
	o.ownAt[r.stream] = r.first + 1
	o.done()
	return m, true, nil
}

func (o *order) done() {
	o.skip(1)
	o.stats.Taken++
}

// overrun gives up what the sequencer's own application leaves unread while
// everybody waits for it: the order goes on without it.
func (o *order) overrun(now time.Time) {
	if o.seq == nil || o.x.s.c.NoQuarantine || !o.own.unread(now) || !o.crowded() {
		return
	}
	for o.poised() {
		r := o.run
		if r.sender == o.x.s.c.Self {
			o.passOwn(r.stream, r.first+1)
		} else {
			p := o.x.peers[r.sender]
			o.pass(now, p, r.stream, r.first+1)
			o.x.here(p, r.stream)
		}
		o.skip(1)
	}
	if o.seq.loose() {
		o.x.s.wake.arm(now)
	}
}

func (o *order) crowded() bool {
	if o.seq.crowded() {
		return true
	}
	for _, p := range o.x.peers {
		for st := range o.x.s.c.Streams {
			if p.r.Crowded(flow.Stream(st)) {
				return true
			}
		}
	}
	return false
}

// lost counts what is left of everybody's messages once nothing more comes.
func (o *order) lost(now time.Time) {
	for _, p := range o.x.peers {
		o.passRest(now, p)
	}
	for st := range o.missed {
		o.passOwn(flow.Stream(st), math.MaxUint64)
		o.x.tail += o.missed[st]
		o.missed[st] = 0
	}
}

func (o *order) passRest(now time.Time, p *peer) {
	if !p.started {
		return
	}
	for st := range o.x.s.c.Streams {
		o.pass(now, p, flow.Stream(st), math.MaxUint64)
	}
	o.x.lost(p)
}
