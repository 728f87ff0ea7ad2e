package joinleaf

import (
	"errors"

	"github.com/joinleaf/joinleaf/transport"
)

// EventSelect is WSAEventSelect: it replaces the socket's selection, clears its
// record and makes it nonblocking. Mask 0 cancels.
func (s *Socket) EventSelect(e *Event, mask uint32) error {
	const op = "select events"
	if err := s.begin(op, callSelect); err != nil {
		return err
	}
	defer s.mu.Unlock()
	switch {
	case mask != 0 && e == nil:
		return fail(op, transport.WSAEINVAL, errors.New("no event object was given"))
	case mask&^uint32(FDAllEvents) != 0:
		return fail(op, transport.WSAEINVAL, errors.New("the mask has bits that are no event"))
	}
	s.nonblocking = true
	watched := s.rec.mask != 0
	if s.event = e; mask == 0 {
		s.event = nil
	}
	if s.rec.choose(mask) && s.event != nil {
		s.event.Set()
	}
	if mask == 0 {
		return nil
	}
	s.noteWaiting() // what is true already (R131)
	if s.phase == joined || s.hub != nil {
		s.noteReadable()
		s.noteWritable()
	}
	if !watched && s.flow.car != nil && !s.following {
		s.following = s.p.spawn(s.follow)
	}
	s.nudge()
	return nil
}

// EnumNetworkEvents is WSAEnumNetworkEvents: it hands the record out, clears it
// and resets e, where e is given, as one step. On an error nothing changes.
func (s *Socket) EnumNetworkEvents(e *Event) (NetworkEvents, error) {
	if err := s.enter("enumerate events"); err != nil {
		return NetworkEvents{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return NetworkEvents{}, fail("enumerate events", transport.WSAENOTSOCK, nil)
	}
	if e != nil {
		e.Reset()
	}
	return s.rec.take(), nil
}

// Readiness is a socket's place in select's three sets.
type Readiness struct{ Read, Write, Except bool }

// Select tells the sets that the socket would be in now. That a join has
// completed, well or badly, puts it into none (R143).
func (s *Socket) Select() (Readiness, error) {
	if err := s.enter("select"); err != nil {
		return Readiness{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return Readiness{}, fail("select", transport.WSAENOTSOCK, nil)
	}
	var r Readiness
	n, _ := s.waiting()
	r.Read = n > 0
	f := &s.flow
	if f.leave != nil {
		data, end := false, f.isOver()
		if f.car != nil {
			data, end = f.car.Readable()
		}
		r.Read = r.Read || len(f.inbox) > 0 || (data || end) && f.receives
	}
	r.Write = s.mayWrite() && f.bucket.tokens >= 0 && f.car.WaitRoom(past, 1) == nil
	return r, nil
}
