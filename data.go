package joinleaf

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// Received is what came with a message.
type Received struct {
	N       int
	From    Sockaddr // the sending member (R245)
	Private bool     // a side chat: from the other side alone (R231)
	Missed  uint64   // messages of that sender that are gone for good before it
}

// past is a context that is done: with it nothing waits.
var past = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Send sends one message: session data, or on a member socket a side chat to
// that leaf alone (R230, R242).
func (s *Socket) Send(p []byte) (int, error) {
	const op = "send"
	if err := s.begin(op, callSend); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	s.rec.enable(FDWrite)
	if err := s.maySend(op, len(p)); err != nil {
		return 0, err
	}
	if err := s.pass(op, len(p)); err != nil {
		return 0, err
	}
	if s.flow.car == nil {
		return s.sendChat(op, p) // R232: to the leaf's specification too
	}
	return s.sendData(op, p)
}

// SendTo is Send: a joined socket sends to what it has joined, which to may
// name, and nowhere else.
func (s *Socket) SendTo(p []byte, to Sockaddr) (int, error) {
	const op = "send"
	if to != nil {
		if err := s.begin(op, callSend); err != nil {
			return 0, err
		}
		at, code := to.read()
		peer := s.flow.peer
		s.mu.Unlock()
		switch {
		case code != 0:
			return 0, fail(op, code, errors.New("the address cannot be read"))
		case at != peer:
			return 0, fail(op, transport.WSAEISCONN, errors.New("a joined socket sends to what it has joined only"))
		}
	}
	return s.Send(p)
}

// maySend checks what does not depend on room. The caller holds the lock.
func (s *Socket) maySend(op string, n int) error {
	f := &s.flow
	switch {
	case f.noSend:
		return fail(op, transport.WSAESHUTDOWN, errors.New("sending was shut down"))
	case f.car == nil && s.p.c.NoSideChat:
		return fail(op, transport.WSAEOPNOTSUPP, errors.New("this provider has no side chats"))
	case !f.sends:
		return fail(op, transport.WSAEOPNOTSUPP, errors.New("this socket only receives"))
	case s.kind == kindRoot && s.entry.rootedData() && len(s.hub.members) == 0:
		return fail(op, transport.WSAENOTCONN, errors.New("nobody has joined")) // R243
	case !f.reachable():
		return fail(op, transport.WSAENOTCONN, errors.New("the data's root has not joined")) // R241
	case stated(f.spec.MaxSduSize) && f.spec.MaxSduSize > 0 && uint64(n) > uint64(f.spec.MaxSduSize), !f.bucket.fits(n):
		return fail(op, transport.WSAEMSGSIZE, errors.New("the message is longer than the flow specification allows")) // R208
	case n > int(s.entry.MessageSize) && f.car != nil:
		return fail(op, transport.WSAEMSGSIZE, errors.New("the message is longer than the session allows"))
	}
	return nil
}

// pass waits for the token bucket. The caller holds the lock, which is let go
// while it waits.
func (s *Socket) pass(op string, n int) error {
	for {
		cost := s.flow.cost(n)
		wait := s.flow.bucket.wait(time.Now(), cost)
		if wait == 0 {
			s.flow.bucket.take(cost)
			return nil
		}
		if s.nonblocking {
			return s.full(op, n, wait)
		}
		ctx, release := s.interruptible()
		s.mu.Unlock()
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
		release()
		s.mu.Lock()
		if err := s.still(op, callSend); err != nil {
			return err
		}
		if err := s.maySend(op, n); err != nil {
			return err
		}
	}
}

// full is a send that would have to wait. FD_WRITE follows.
func (s *Socket) full(op string, n int, wait time.Duration) error {
	if !s.flow.waiting && s.flow.car != nil {
		s.flow.waiting = s.p.spawn(func() { s.awaitRoom(n, wait) })
	}
	return fail(op, transport.WSAEWOULDBLOCK, nil)
}

// still checks again what may have changed while the lock was let go.
func (s *Socket) still(op string, c call) error {
	if s.closed || s.ctx.Err() != nil {
		return fail(op, transport.WSA_OPERATION_ABORTED, errors.New("the socket was closed"))
	}
	return failIf(op, legal[s.situation()][c])
}

// sendData hands a message to the session. The caller holds the lock.
func (s *Socket) sendData(op string, p []byte) (int, error) {
	car, ctx, release, wait := s.flow.car, past, func() {}, !s.nonblocking
	if wait {
		var stop context.CancelFunc
		ctx, stop = context.WithCancel(s.ctx)
		release = stop
	}
	s.mu.Unlock()
	err := car.Send(ctx, p)
	release()
	s.mu.Lock()
	if err != nil {
		s.flow.bucket.take(-s.flow.cost(len(p))) // it did not pass
	}
	switch code := transport.CodeOf(err); {
	case err == nil:
		s.echo(p)
		return len(p), nil
	case s.closed:
		return 0, fail(op, transport.WSA_OPERATION_ABORTED, errors.New("the socket was closed"))
	case !wait && (code == transport.WSAEINTR || errors.Is(err, context.Canceled)):
		return 0, s.full(op, len(p), 0)
	case code == transport.WSA_OPERATION_ABORTED:
		return 0, fail(op, transport.WSAENOTCONN, err)
	default:
		return 0, err
	}
}

// echo gives a d_leaf of a nonrooted data plane its own message back, unless
// its socket does not want that (R249).
func (s *Socket) echo(p []byte) {
	f := &s.flow
	if s.entry.rootedData() || !s.loop || !f.receives || f.noRecv {
		return
	}
	from := netip.AddrPort{}
	if s.name != nil {
		from = s.name.addr
	}
	if !f.put(letter{p: append([]byte(nil), p...), from: from, missed: f.missed}) {
		f.missed++
		return
	}
	f.missed = 0
	s.noteReadable()
	s.wake()
}

// sendChat sends a side chat message. The caller holds the lock.
func (s *Socket) sendChat(op string, p []byte) (int, error) {
	chat, ctx := s.flow.chat, s.ctx
	if s.nonblocking {
		ctx = past
	}
	s.mu.Unlock()
	err := chat.Chat(ctx, p)
	s.mu.Lock()
	if err != nil {
		s.flow.bucket.take(-s.flow.cost(len(p)))
	}
	switch {
	case err == nil:
		return len(p), nil
	case s.closed:
		return 0, fail(op, transport.WSA_OPERATION_ABORTED, errors.New("the socket was closed"))
	case s.nonblocking && transport.CodeOf(err) == transport.WSAEINTR:
		return 0, fail(op, transport.WSAEWOULDBLOCK, nil)
	}
	return 0, err
}

// Recv receives one message. A buffer that is too short is WSAEMSGSIZE, N is
// the size, and the message stays.
func (s *Socket) Recv(p []byte) (Received, error) {
	const op = "receive"
	if err := s.begin(op, callRecv); err != nil {
		return Received{}, err
	}
	defer s.mu.Unlock()
	s.rec.enable(FDRead)
	defer s.received()
	for {
		if err := s.mayReceive(op); err != nil {
			return Received{}, err
		}
		r, got, err := s.take(op, p)
		if got || err != nil {
			return r, err
		}
		if s.nonblocking {
			return Received{}, fail(op, transport.WSAEWOULDBLOCK, nil)
		}
		s.await()
		if err := s.still(op, callRecv); err != nil {
			return Received{}, err
		}
	}
}

// RecvFrom is Recv with the sender's address apart.
func (s *Socket) RecvFrom(p []byte) (Received, Sockaddr, error) {
	r, err := s.Recv(p)
	return r, r.From, err
}

func (s *Socket) mayReceive(op string) error {
	f := &s.flow
	switch {
	case f.noRecv:
		return fail(op, transport.WSAESHUTDOWN, errors.New("receiving was shut down"))
	case f.car == nil && s.p.c.NoSideChat:
		return fail(op, transport.WSAEOPNOTSUPP, errors.New("this provider has no side chats"))
	case !f.receives:
		return fail(op, transport.WSAEOPNOTSUPP, errors.New("this socket only sends"))
	}
	return nil
}

// received looks whether there is more, or the end. The caller holds the lock.
func (s *Socket) received() {
	if s.rec.mask != 0 && !s.closed {
		s.noteReadable()
		s.nudge()
	}
}

// take receives what is there. The caller holds the lock.
func (s *Socket) take(op string, p []byte) (r Received, got bool, err error) {
	f := &s.flow
	if len(f.inbox) > 0 {
		l := f.inbox[0]
		r = Received{N: len(l.p), From: NewSockaddr(l.from), Private: l.private, Missed: l.missed}
		if len(l.p) > len(p) {
			return r, false, fail(op, transport.WSAEMSGSIZE, errors.New("the message is longer than the buffer"))
		}
		f.inbox, f.inSize = f.inbox[1:], f.inSize-len(l.p)
		copy(p, l.p)
		s.wake() // who waits for room in the inbox
		return r, true, nil
	}
	data, end := false, f.isOver() && f.chatOver
	if f.car != nil {
		data, end = f.car.Readable()
	}
	switch {
	case data || end && f.car != nil:
		return s.takeData(op, p)
	case end:
		return r, false, s.endError(op)
	}
	return r, false, nil
}

// takeData receives from the session. The caller holds the lock.
func (s *Socket) takeData(op string, p []byte) (Received, bool, error) {
	m, err := s.flow.car.Recv(past, p)
	r := Received{N: m.N, Missed: m.Missed}
	switch code := transport.CodeOf(err); {
	case err == nil:
		r.From = NewSockaddr(s.whose(m.From))
		return r, true, nil
	case code == transport.WSAEMSGSIZE:
		return r, false, err
	case code == transport.WSAEINTR:
		return Received{}, false, nil // nothing there after all
	}
	if f := &s.flow; f.chat != nil && !f.chatOver {
		return Received{}, false, nil // a side chat may still come
	}
	return r, false, s.endError(op)
}

// whose is the address of a member. The caller holds the lock.
func (s *Socket) whose(id uint32) netip.AddrPort {
	if s.hub != nil {
		return s.hub.addrs[id]
	}
	f := &s.flow
	if a, ok := f.peers[id]; ok {
		return a
	}
	if f.peers == nil {
		f.peers = make(map[uint32]netip.AddrPort)
	}
	a := f.addr(id)
	f.peers[id] = a
	return a
}

// endError is what receiving says when nothing more will come (R222).
func (s *Socket) endError(op string) error {
	var why error
	if s.flow.why != nil {
		why = s.flow.why()
	}
	if why == nil || errors.Is(why, io.EOF) {
		return fail(op, transport.WSAEDISCON, errors.New("the session ended in good order"))
	}
	return fail(op, s.endCode(), why)
}

// await waits until there may be something to receive. The caller holds the
// lock, which is let go meanwhile.
func (s *Socket) await() {
	ctx, release := s.interruptible()
	car, ended := s.flow.car, s.flow.isOver() && !s.flow.chatOver
	s.mu.Unlock()
	if car != nil && !ended {
		car.WaitReadable(ctx)
	} else {
		<-ctx.Done() // pump wakes
	}
	release()
	s.mu.Lock()
}
