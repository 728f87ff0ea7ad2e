package session

import (
	"context"
	"time"

	"github.com/joinleaf/joinleaf/transport/flow"
)

// Readable reports whether Recv would return at once: data may be there, or the
// end is, and nothing before it.
func (s *Session) Readable() (data, end bool) {
	x := &s.rx
	x.mu.Lock()
	defer x.mu.Unlock()
	data = x.holds()
	return data, !data && x.end != nil
}

// WaitReadable waits until Recv would return at once. It costs Recv nothing.
func (s *Session) WaitReadable(ctx context.Context) error {
	x := &s.rx
	x.mu.Lock()
	defer x.mu.Unlock()
	for !x.holds() && x.end == nil {
		if err := x.await(ctx); err != nil && !x.holds() {
			return err
		}
	}
	return nil
}

// holds reports whether there is something to read.
func (x *receiver) holds() bool {
	if o := x.s.ord; o != nil {
		return o.poised()
	}
	return x.first < len(x.ready)
}

// WaitRoom waits until a message of n bytes may be sent on a stream without
// waiting, or sending fails at once.
func (s *Session) WaitRoom(ctx context.Context, st flow.Stream, n int) error {
	t := &s.tx
	t.mu.Lock()
	defer t.unlock()
	for t.refuse(st) == nil {
		now := t.tick()
		t.push(now)
		if t.full = t.sender.Due(now) >= queueLimit; !t.full && t.sender.Room(now, st, n) {
			return nil
		}
		if err := t.wait(ctx, "wait for room"); err != nil {
			return err
		}
		t.full = false
	}
	return nil
}

// Behindhand reports whether what was sent on reliable streams is still to be
// delivered. A sequencer's marks, which it repeats for seconds after the last
// message, are not.
func (s *Session) Behindhand() bool {
	t := &s.tx
	t.mu.Lock()
	defer t.unlock()
	if t.sender == nil || s.closed() {
		return false
	}
	t.flush(time.Now())
	if s.seq != nil { // who has taken a message knew its place
		return !t.sender.Delivered(t.sender.Edges(nil)[:s.hidden()])
	}
	return !t.sender.Drained()
}
