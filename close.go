package joinleaf

import (
	"context"
	"errors"
	"time"

	"github.com/joinleaf/joinleaf/transport"
)

// Linger is what Close does with data that was not delivered yet (R223): off,
// it returns at once and delivery goes on behind it; on with 0 seconds, it cuts
// the connection; on with more, it waits so long.
type Linger struct {
	On      bool
	Seconds uint16
}

// Close is closesocket. A pending join is cancelled (R159), a c_root's session
// ends with it, the event object stays. A closed socket is WSAENOTSOCK (R228).
func (s *Socket) Close() error {
	const op = "close"
	if err := s.enter(op); err != nil {
		return err
	}
	s.mu.Lock()
	linger := s.linger
	if linger.On && linger.Seconds > 0 && s.nonblocking && s.undelivered() {
		s.mu.Unlock()
		return fail(op, transport.WSAEWOULDBLOCK, errors.New("data is still to be delivered; the socket stays open"))
	}
	s.mu.Unlock()
	end := s.detach()
	if end == nil {
		return fail(op, transport.WSAENOTSOCK, errors.New("the socket is closed"))
	}
	s.p.remove(s)
	switch {
	case linger.On && linger.Seconds > 0:
		ctx, cancel := context.WithTimeout(s.p.ctx, time.Duration(linger.Seconds)*time.Second)
		defer cancel()
		end(ctx)
	case linger.On:
		if s.view != nil && s.kind != kindMember {
			s.view.abort()
		}
		s.p.discard(func() error { end(past); return nil })
	default:
		s.p.discard(func() error {
			ctx, cancel := context.WithTimeout(s.p.ctx, defaultLingerSeconds*time.Second)
			defer cancel()
			end(ctx)
			return nil
		})
	}
	return nil
}

// undelivered reports whether data waits. The caller holds the lock.
func (s *Socket) undelivered() bool { return s.flow.car != nil && s.flow.car.Undelivered() }

// detach takes the descriptor from its caller; what it returns, once, ends what
// is behind it. Calls that wait end.
func (s *Socket) detach() (end func(context.Context)) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.event, s.rec = nil, record{} // R128
	s.wake()
	parent, pending, listener := s.parent, s.cancels, s.listener
	leave, reserved, name, owns := s.flow.leave, s.flow.reserved, s.name, s.owns
	s.flow.reserved = 0
	s.mu.Unlock()
	if pending != nil {
		parent.cancelInvitation(pending)
	}
	s.cancel()
	s.p.capacity.give(reserved)
	return func(ctx context.Context) {
		if leave != nil {
			leave(ctx)
		}
		if listener != nil {
			listener.Close()
		}
		if s.kind == kindMember && parent != nil {
			parent.gone(s)
		}
		if owns && name != nil {
			name.free()
		}
	}
}

// Shutdown ends a direction. On a c_root any of them but receiving ends the
// session, as closing does, and every c_leaf gets FD_CLOSE (R218).
func (s *Socket) Shutdown(how int) error {
	const op = "shutdown"
	if err := s.begin(op, callShutdown); err != nil {
		return err
	}
	defer s.mu.Unlock()
	f := &s.flow
	send, receive := how == SDSend || how == SDBoth, how == SDReceive || how == SDBoth
	switch {
	case how < SDReceive || how > SDBoth:
		return fail(op, transport.WSAEINVAL, errors.New("how is one of receive, send, both"))
	case how == SDSend && !f.sends, how == SDReceive && !f.receives:
		return fail(op, transport.WSAEINVAL, errors.New("the socket does not have that direction")) // R189
	}
	f.noSend, f.noRecv = f.noSend || send, f.noRecv || receive
	s.wake()
	if s.kind == kindRoot && send {
		s.over = true
		if i := s.inviting; i != nil {
			i.cancel()
		}
		leave := f.leave
		s.p.spawn(func() {
			ctx, cancel := context.WithTimeout(s.p.ctx, defaultLingerSeconds*time.Second)
			defer cancel()
			leave(ctx)
		})
	}
	return nil
}
