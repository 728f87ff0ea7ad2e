package session

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// Where the session's two halves meet the order. Locks are taken in one
// direction only: each half's, then the sequencer's or the copies'.

func (c *Config) checkOrder() error {
	why := ""
	switch {
	case c.Sequencer == 0:
		return nil
	case len(c.Streams) >= flow.MaxStreams:
		why = fmt.Sprintf("at most %d streams: the order needs one", flow.MaxStreams-1)
	case slices.ContainsFunc(c.Streams, func(k flow.Class) bool { return k != flow.Reliable }):
		why = "reliable streams only: what may be missing has no place"
	case c.Policy != flow.Slowest:
		why = "the policy Slowest: everybody waits for the same message"
	case c.Replay != 0:
		why = "no Replay: a late member has no place before it came in"
	case c.MaxMessage != 0 && c.MaxMessage < leastRoom:
		why = fmt.Sprintf("MaxMessage of at least %d bytes", leastRoom)
	case c.To != 0:
		why = "data that goes to the group"
	case c.Self == c.Sequencer && (c.ReceiveOnly || c.SendOnly):
		why = "a sequencer that sends and receives"
	default:
		return nil
	}
	return fail("start data plane", transport.WSAEINVAL, errors.New("a total order takes "+why))
}

func (s *Session) initOrder() {
	s.streams = s.c.Streams
	if s.c.Sequencer == 0 {
		return
	}
	s.streams = append(slices.Clip(s.c.Streams), flow.Reliable)
	if s.c.Self == s.c.Sequencer {
		s.seq = newSequencer(s.c.Self, s.hidden(), min(s.longest(), s.c.Symbol-16))
	}
	if !s.c.SendOnly {
		s.ord = newOrder(s)
	}
}

// hidden is the stream on which the sequencer tells the order.
func (s *Session) hidden() flow.Stream { return flow.Stream(len(s.c.Streams)) }

func (s *Session) longest() int {
	if s.c.MaxMessage == 0 {
		return 1 << 20 // flow's
	}
	return s.c.MaxMessage
}

func (s *Session) window() int {
	if s.c.Window == 0 {
		return max(8<<20, 2*s.longest()) // flow's
	}
	return s.c.Window
}

// reserve is what a stream may hold whatever the budget. In an order nothing is
// read before a certain message is whole: there must always be room for it.
func (s *Session) reserve() int {
	if s.ord == nil {
		return 0
	}
	return s.longest()
}

// roomForCopy reports whether the copy of n bytes that this member wants back
// can be kept. What is too long to be sent needs none.
func (t *transmitter) roomForCopy(n int) bool {
	if t.s.ord == nil || n > t.s.longest() {
		return true
	}
	ok, again := t.s.ord.own.room(t.clock(), n)
	t.s.wake.arm(again)
	return ok
}

// copied keeps what was written until its place comes; the sequencer's own has
// its place as soon as stamps leave.
func (t *transmitter) copied(st flow.Stream, p []byte) {
	next := t.s.ord.own.add(st, p)
	if t.s.seq != nil && t.s.seq.wrote(t.now, st, next) && !t.flushAt.IsZero() {
		t.s.wake.arm(t.s.seq.due())
	}
}

// stamp writes to the hidden stream what has no place yet, if it is time.
func (t *transmitter) stamp(now time.Time, force bool) {
	if t.s.seq != nil && t.s.seq.write(now, t.sender, force) {
		t.stamped = true
	}
}

// restamp is stamp where the hidden stream may have room again: somebody took
// something or is gone, or time has passed.
func (t *transmitter) restamp(now time.Time) {
	if t.s.seq != nil {
		t.s.seq.loosen()
		t.stamp(now, false)
	}
}

// drained reports whether all have taken what was sent so far, which is all up
// to behind where there is a sequencer: in it, others' messages never rest.
func (t *transmitter) drained(behind *[]flow.Edge) bool {
	if t.s.seq == nil {
		return t.sender.Drained()
	}
	if *behind == nil && t.s.seq.fenced() {
		*behind = t.sender.Edges(nil)
	}
	return *behind != nil && t.sender.Delivered(*behind)
}

// orderOn sees to it that the sequencer's stamps leave in time; no lock is held.
func (s *Session) orderOn(now time.Time) {
	if s.seq == nil {
		return
	}
	switch due := s.seq.due(); {
	case due.IsZero():
	case due.After(now):
		s.wake.arm(due)
	default:
		s.tx.timeout()
	}
}

// placeable tells the sequencer what is here of a sender.
func (x *receiver) placeable(p *peer) {
	if x.s.seq == nil || !p.started {
		return
	}
	for st := range x.s.c.Streams {
		x.here(p, flow.Stream(st))
	}
}

func (x *receiver) here(p *peer, st flow.Stream) {
	if x.s.seq != nil {
		next, end := p.r.Ready(st)
		x.s.seq.here(x.now, p.id, st, next, end)
	}
}

// outOfOrder is called when nothing more comes of a member; what is here of it
// may still have its place.
func (x *receiver) outOfOrder(now time.Time, p *peer) {
	if x.s.seq != nil {
		x.s.seq.sender(now, p.id, false)
	}
	x.s.ord.expelled(now, p.id, p)
}

// markGone notes who was gone when this member came in, or came back.
func (x *receiver) markGone() {
	for _, p := range x.peers {
		p.before = p.leaving
	}
}

// ids are the senders known, rising.
func (x *receiver) ids() []uint32 {
	ids := make([]uint32, 0, len(x.peers))
	for id := range x.peers {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (o *order) isPast(id uint32) bool {
	_, ok := o.past[id]
	return ok
}

// rouseOrder moves the order on and wakes a Recv if a message is there.
func (x *receiver) rouseOrder() {
	if x.s.ord.poised() {
		x.bell.ring()
	}
	x.s.ord.overrun(x.now)
}

func (x *receiver) wakeOrder() {
	x.mu.Lock()
	x.rouse(nil)
	x.mu.Unlock()
}

// recvOrdered is Recv where there is an order.
func (s *Session) recvOrdered(ctx context.Context, p []byte) (Message, error) {
	x, o := &s.rx, s.ord
	o.enter()
	x.mu.Lock()
	m, err := x.recvOrdered(ctx, p)
	x.mu.Unlock()
	now := time.Now()
	if o.leave(now) {
		s.tx.timeout() // a Send waits for room
	}
	if s.seq != nil {
		if s.seq.loose() {
			s.tx.timeout()
		}
		s.orderOn(now)
	}
	return m, err
}

func (x *receiver) recvOrdered(ctx context.Context, p []byte) (Message, error) {
	o := x.s.ord
	for {
		if x.s.closed() { // what others said between one's own is gone
			return Message{Missed: x.lastMissed()}, cmp.Or(x.end, errClosed("receive"))
		}
		if o.poised() {
			m, ok, err := o.take(p)
			if err != nil {
				return m, err
			}
			if ok {
				o.poised() // what follows is read as far as it can be: others wait for that
				return m, nil
			}
			continue
		}
		if x.end != nil {
			o.lost(time.Now())
			return Message{Missed: x.lastMissed()}, x.end
		}
		if err := x.sleep(ctx); err != nil {
			return Message{}, err
		}
	}
}

func (o *order) enter() {
	if o.own != nil {
		o.own.enter()
	}
}

func (o *order) leave(now time.Time) bool { return o.own != nil && o.own.leave(now) }

// orderStats sums both halves'; the receive mutex is held.
func (s *Session) orderStats() (st OrderStats) {
	if s.ord != nil {
		st = s.ord.stats
	}
	if s.seq != nil {
		s.seq.mu.Lock()
		q := s.seq.stats
		s.seq.mu.Unlock()
		st.Stamped, st.Runs, st.Views, st.Messages, st.Bytes = q.Stamped, q.Runs, q.Views, q.Messages, q.Bytes
	}
	return st
}
