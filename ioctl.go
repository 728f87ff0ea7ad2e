package joinleaf

import (
	"encoding/binary"
	"errors"

	"github.com/joinleaf/joinleaf/transport"
)

// Ioctl is WSAIoctl: in and out are the buffers, n is how many bytes of out were
// written. Numbers in them are little-endian, as on every Winsock machine.
func (s *Socket) Ioctl(code uint32, in, out []byte) (n int, err error) {
	const op = "ioctl"
	if err := s.enter(op); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, fail(op, transport.WSAENOTSOCK, nil)
	}
	switch code {
	case FIONBIO:
		return 0, s.setNonblocking(op, in)
	case SIOMultipointLoop:
		return 0, s.setLoop(op, in)
	case SIOMulticastScope:
		return 0, s.setScope(op, in)
	case SIOSetQOS:
		return 0, s.setQOS(op, in)
	case SIOGetQOS:
		return s.getQOS(op, out)
	}
	return 0, fail(op, transport.WSAEINVAL, errors.New("no such command"))
}

// number reads the four bytes of a command's input.
func number(op string, in []byte) (int32, error) {
	if len(in) < 4 {
		return 0, fail(op, transport.WSAEFAULT, errors.New("the command needs 4 bytes of input")) // R255
	}
	return int32(binary.LittleEndian.Uint32(in)), nil
}

func (s *Socket) setNonblocking(op string, in []byte) error {
	v, err := number(op, in)
	if err != nil {
		return err
	}
	if v == 0 && s.rec.mask != 0 {
		return fail(op, transport.WSAEINVAL, errors.New("events are selected: cancel that with mask 0 first")) // R123
	}
	s.nonblocking = v != 0
	return nil
}

func (s *Socket) setLoop(op string, in []byte) error {
	v, err := number(op, in)
	switch {
	case err != nil:
		return err
	case !s.entry.multipoint(), s.flags&FlagDRoot != 0, s.entry.rootedData():
		return fail(op, transport.WSAEINVAL, errors.New("loopback is for d_leafs of a nonrooted data plane")) // R251
	}
	s.loop = v != 0
	return nil
}

func (s *Socket) setScope(op string, in []byte) error {
	v, err := number(op, in)
	switch {
	case err != nil:
		return err
	case !s.entry.multipoint(), v < 0, v > largestScope:
		return fail(op, transport.WSAEINVAL, errors.New("the scope is 0 to 255, of a multipoint socket")) // R254
	case s.hub != nil || s.listening || s.phase != idle:
		return fail(op, transport.WSAEINVAL, errors.New("the scope is set before the socket listens or joins"))
	}
	s.scope = int(v)
	return nil
}

func (s *Socket) setQOS(op string, in []byte) error {
	if !s.entry.has(XP1QOSSupported) {
		return fail(op, transport.WSAENOPROTOOPT, errors.New("this protocol has no quality of service")) // R210
	}
	q, ok := ReadQOS(in)
	if !ok {
		return fail(op, transport.WSAEFAULT, errors.New("the input is shorter than a QOS"))
	}
	before := QOS{Sending: NoFlowSpec(), Receiving: NoFlowSpec()}
	if s.qos != nil {
		before = *s.qos
	}
	q.Sending, q.Receiving = q.Sending.over(before.Sending), q.Receiving.over(before.Receiving)
	if q.Sending.check() != 0 || q.Receiving.check() != 0 || q.Provider.Len > mostProvider {
		return fail(op, transport.WSAEOPNOTSUPP, errors.New("a flow specification needs a service type and a token rate, and no peak below that"))
	}
	if need := q.Sending.reserved() + q.Receiving.reserved(); need > s.p.c.Capacity {
		return fail(op, transport.WSAEOPNOTSUPP, errors.New("that is beyond the provider's capacity"))
	}
	s.qos = &q
	switch {
	case s.hub != nil:
		s.limitAll()
	case s.flow.leave != nil:
		s.flow.limit(q.Sending)
	}
	return nil
}

func (s *Socket) getQOS(op string, out []byte) (int, error) {
	if !s.entry.has(XP1QOSSupported) {
		return 0, fail(op, transport.WSAENOPROTOOPT, errors.New("this protocol has no quality of service"))
	}
	if s.name == nil || s.flags&FlagCLeaf != 0 && s.now() != joined && s.qos == nil {
		return 0, fail(op, transport.WSAEINVAL, errors.New("the socket is not bound, or has not joined")) // R211
	}
	q := QOS{Sending: NoFlowSpec(), Receiving: NoFlowSpec()}
	if s.qos != nil {
		q = *s.qos
	}
	b := q.Append(nil)
	if len(out) < len(b) {
		return 0, fail(op, transport.WSAEFAULT, errors.New("the output has no room for the QOS"))
	}
	s.rec.forget(FDQOS)
	return copy(out, b), nil
}

// A QOS in bytes: sending(8 x 4) receiving(8 x 4) n(4) provider(n),
// little-endian.

// Append appends the bytes of q to b.
func (q QOS) Append(b []byte) []byte {
	for _, f := range []*FlowSpec{&q.Sending, &q.Receiving} {
		for _, v := range f.flows() {
			b = binary.LittleEndian.AppendUint32(b, *v)
		}
	}
	p := q.Provider.Bytes()
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(p))), p...)
}

// ReadQOS reads the bytes of a QOS; the provider's may be missing altogether.
func ReadQOS(b []byte) (q QOS, ok bool) {
	if len(b) < sizeQOS {
		return q, false
	}
	for i, f := range []*FlowSpec{&q.Sending, &q.Receiving} {
		for j, v := range f.flows() {
			*v = binary.LittleEndian.Uint32(b[i*sizeFlow+j*4:])
		}
	}
	rest := b[sizeQOS:]
	if len(rest) == 0 {
		return q, true
	}
	if len(rest) < 4 || uint64(binary.LittleEndian.Uint32(rest)) > uint64(len(rest)-4) {
		return QOS{}, false
	}
	n := binary.LittleEndian.Uint32(rest)
	q.Provider = WSABUF{Len: n, Buf: append([]byte(nil), rest[4:4+n]...)}
	return q, true
}
