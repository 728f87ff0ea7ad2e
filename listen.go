package joinleaf

import (
	"errors"

	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

// Listen lets a c_root be joined, or a c_leaf be invited. A backlog out of
// range is the nearest one that is legal, 1 to 1,024 (R262); on a socket that
// listens already nothing changes (R77).
func (s *Socket) Listen(backlog int) error {
	const op = "listen"
	if err := s.begin(op, callListen); err != nil {
		return err
	}
	defer s.mu.Unlock()
	switch {
	case s.name == nil:
		return fail(op, transport.WSAEINVAL, errors.New("bind the socket first")) // R75
	case s.listening:
		return nil
	}
	backlog = min(max(backlog, 1), largestBacklog)
	var err error
	if s.kind == kindRoot {
		err = s.listenRoot(op, backlog)
	} else {
		err = s.listenLeaf(backlog)
	}
	if err != nil {
		return err
	}
	s.listening = true
	s.p.spawn(s.attend)
	return nil
}

func (s *Socket) listenRoot(op string, backlog int) error {
	if err := s.open(); err != nil {
		return err
	}
	s.hub.root.SetBacklog(backlog)
	return s.hub.view.open(s.ctx, s.name.addr)
}

func (s *Socket) listenLeaf(backlog int) error {
	s.view = newView(s.p.network, s.name.addr)
	c := s.config()
	c.Backlog = backlog
	l, err := rooted.ListenLeaf(s.ctx, s.name.addr, c)
	if err != nil {
		return err
	}
	s.listener = l
	return nil
}

// attend records that requests have come.
func (s *Socket) attend() {
	for {
		select {
		case <-s.knock:
			s.mu.Lock()
			if !s.closed {
				s.noteWaiting()
			}
			s.mu.Unlock()
		case <-s.ctx.Done():
			return
		}
	}
}

// waiting is how many requests wait, and whether the first was deferred. The
// caller holds the lock.
func (s *Socket) waiting() (n int, deferred bool) {
	switch {
	case !s.listening:
	case s.hub != nil:
		return s.hub.root.Waiting()
	case s.listener != nil:
		return s.listener.Waiting()
	}
	return 0, false
}

// noteWaiting records FD_ACCEPT. While a deferred request is first none comes,
// even if others wait (R94). The caller holds the lock.
func (s *Socket) noteWaiting() {
	if n, deferred := s.waiting(); n > 0 && !(deferred && s.deferred) {
		s.note(FDAccept, 0)
	}
}
