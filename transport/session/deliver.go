package session

import (
	"context"
	"errors"
	"fmt"

	"github.com/joinleaf/joinleaf/transport"
	"github.com/joinleaf/joinleaf/transport/flow"
)

// Message describes what Recv returned.
type Message struct {
	N      int         // bytes written to p
	From   uint32      // the member that sent it
	Stream flow.Stream // on which stream
	// Missed is how many messages of that sender and stream are gone for good
	// since the one before. Every lost message is told once.
	Missed   uint64
	Repaired bool // a lost packet had to be repaired for it
	// Order is its place among the messages of all senders, from 1 on, the same
	// at all members; 0: the session has no order of that kind.
	Order uint64
	// Unproven says that the message was given out before its sender's signature
	// for it had come: with Config.Eager alone.
	Unproven bool
}

// Recv waits for the next message of any sender, in order per sender and
// stream, and copies it to p. Where p is too short it fails with WSAEMSGSIZE,
// tells the size in N, and the message stays. After EndReceive and once
// everything was read it returns that error; a last loss comes with it in
// Missed.
func (s *Session) Recv(ctx context.Context, p []byte) (Message, error) {
	if s.ord != nil {
		return s.recvOrdered(ctx, p)
	}
	x := &s.rx
	x.mu.Lock()
	m, err := x.recv(ctx, p)
	out := x.out
	if out != nil {
		x.out = nil
	}
	x.mu.Unlock()
	x.post(out)
	return m, err
}

// recv is Recv with the lock held.
func (x *receiver) recv(ctx context.Context, p []byte) (Message, error) {
	for waited := error(nil); ; {
		m, ok, err := x.next(p)
		switch {
		case ok || err != nil:
			return m, err
		case x.end != nil:
			return Message{Missed: x.lastMissed()}, x.end
		case waited != nil:
			return Message{}, waited
		}
		waited = x.await(ctx)
	}
}

// next reads one message from the sender whose turn it is.
func (x *receiver) next(p []byte) (Message, bool, error) {
	for x.first < len(x.ready) {
		peer := x.ready[x.first]
		m, ok, err := x.read(peer, p)
		if err != nil {
			return m, false, err
		}
		x.pop(peer)
		if ok {
			return m, true, nil
		}
	}
	return Message{}, false, nil
}

// pop takes the head off the queue and puts it at the end when it has more.
func (x *receiver) pop(p *peer) {
	x.ready[x.first] = nil
	x.first++
	p.queued = false
	if x.first == len(x.ready) {
		x.ready, x.first = x.ready[:0], 0
	}
	x.enqueue(p)
	if p.leaving && !p.queued {
		x.lost(p)
		x.drop(p)
	}
}

// read takes one message of p. A gap is told with the message behind it.
func (x *receiver) read(peer *peer, p []byte) (Message, bool, error) {
	now := x.now // of the last packet: good enough to say when credit was freed
	for st := range x.s.c.Streams {
		for {
			n, info, err := peer.r.Read(now, flow.Stream(st), p)
			switch {
			case err == nil:
				m := Message{N: n, From: peer.id, Stream: flow.Stream(st), Missed: peer.missed[st] + info.Missed, Repaired: info.Repaired, Unproven: info.Unproven}
				peer.missed[st] = 0
				if peer.r.Urgent() { // this read has opened credit
					x.out = x.gather(x.out, now, peer)
				}
				return m, true, nil
			case errors.Is(err, flow.ErrGap):
				peer.missed[st] += info.Missed
				continue
			case errors.Is(err, flow.ErrShort):
				return Message{N: info.Size, From: peer.id, Stream: flow.Stream(st)}, false, tooShort(info.Size, len(p))
			}
			break
		}
	}
	return Message{}, false, nil
}

func tooShort(size, room int) error {
	return fail("receive", transport.WSAEMSGSIZE, fmt.Errorf("the message has %d bytes, the buffer %d; call again with more room", size, room))
}

// lost keeps the count of a loss that no message follows any more.
func (x *receiver) lost(p *peer) {
	for st, n := range p.missed {
		x.tail += n
		p.missed[st] = 0
	}
}

// lastMissed is what was lost behind the last message, told once.
func (x *receiver) lastMissed() uint64 {
	for _, p := range x.peers {
		x.lost(p)
	}
	n := x.tail
	x.tail = 0
	return n
}

// sleep lets go of the lock until there may be something to read.
func (x *receiver) sleep(ctx context.Context) error {
	rung := x.bell.enter()
	x.mu.Unlock()
	var err error
	select {
	case <-rung:
	case <-ctx.Done():
		err = waitOver(ctx)
	case <-x.s.done:
	}
	x.mu.Lock()
	x.bell.leave(rung)
	if err == nil && x.s.closed() && x.end == nil {
		err = errClosed("receive")
	}
	return err
}

func waitOver(ctx context.Context) error {
	return transport.Explain("receive", transport.Group{}, context.Cause(ctx))
}

// ring wakes all who wait for something to read, but for who just read it with r.
func (x *receiver) ring(r *reader) {
	x.bell.ring()
	if t := x.turn; t != nil && t.lent && t.r != r {
		t.call()
	}
}

// EndReceive says that nothing more will come: Recv returns err once all that
// is here was read. The first call counts.
func (s *Session) EndReceive(err error) {
	x := &s.rx
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.end == nil {
		x.end = err
	}
	x.ring(nil)
}
