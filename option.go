package joinleaf

import (
	"encoding/binary"
	"errors"

	"github.com/joinleaf/joinleaf/transport"
)

// SetSockOpt sets an option of SOLSocket: SOReuseAddr (a BOOL), which counts
// before Bind only (R35), SOLinger (two 16-bit numbers: on, seconds), and
// SOConditionalAccept (a BOOL), which is on and stays so (R258).
func (s *Socket) SetSockOpt(level, name int, value []byte) error {
	const op = "set option"
	if err := s.enter(op); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return fail(op, transport.WSAENOTSOCK, nil)
	case level != SOLSocket, name != SOReuseAddr && name != SOLinger && name != SOConditionalAccept:
		return fail(op, transport.WSAENOPROTOOPT, errors.New("no such option"))
	case len(value) < 4:
		return fail(op, transport.WSAEFAULT, errors.New("the option needs 4 bytes"))
	}
	on := binary.LittleEndian.Uint32(value) != 0
	switch name {
	case SOReuseAddr:
		if s.name == nil {
			s.reuse = on
		}
	case SOLinger:
		s.linger = Linger{On: binary.LittleEndian.Uint16(value) != 0, Seconds: binary.LittleEndian.Uint16(value[2:])}
	case SOConditionalAccept:
		if !on {
			return fail(op, transport.WSAEINVAL, errors.New("a join is never accepted by being queued"))
		}
	}
	return nil
}

// GetSockOpt reads what SetSockOpt sets.
func (s *Socket) GetSockOpt(level, name int, value []byte) (int, error) {
	const op = "get option"
	if err := s.enter(op); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b := map[bool]uint32{true: 1}
	var v uint32
	switch {
	case s.closed:
		return 0, fail(op, transport.WSAENOTSOCK, nil)
	case level != SOLSocket:
		return 0, fail(op, transport.WSAENOPROTOOPT, errors.New("no such option"))
	case name == SOReuseAddr:
		v = b[s.reuse]
	case name == SOLinger:
		v = b[s.linger.On] | uint32(s.linger.Seconds)<<16
	case name == SOConditionalAccept:
		v = 1
	default:
		return 0, fail(op, transport.WSAENOPROTOOPT, errors.New("no such option"))
	}
	if len(value) < 4 {
		return 0, fail(op, transport.WSAEFAULT, errors.New("the option needs 4 bytes"))
	}
	binary.LittleEndian.PutUint32(value, v)
	return 4, nil
}
