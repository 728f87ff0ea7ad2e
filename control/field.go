package control

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"unicode/utf8"
)

// scan reads fields from the front of a frame. The first fault stays, later
// reads give zeros, so a parser checks once at its end. What it returns points
// into the frame; nothing is allocated.
type scan struct {
	rest  []byte
	fault Fault
}

func (s *scan) fail(f Fault) {
	if s.fault == 0 {
		s.fault = f
	}
}

// check fails with f unless ok.
func (s *scan) check(ok bool, f Fault) {
	if !ok {
		s.fail(f)
	}
}

// end reports the first fault, counting bytes left over as one.
func (s *scan) end() error {
	if s.fault == 0 && len(s.rest) > 0 {
		s.fail(FaultTrailing)
	}
	if s.fault != 0 {
		return s.fault
	}
	return nil
}

func (s *scan) take(n int) []byte {
	if s.fault != 0 {
		return nil
	}
	if n > len(s.rest) {
		s.fail(FaultShort)
		return nil
	}
	b := s.rest[:n:n]
	s.rest = s.rest[n:]
	return b
}

func (s *scan) u8() uint8 {
	if b := s.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (s *scan) u16() uint16 {
	if b := s.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (s *scan) u32() uint32 {
	if b := s.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (s *scan) u64() uint64 {
	if b := s.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// count reads nothing: it holds a length that was just read against its limit
// and gives 0 for one above it.
func (s *scan) count(n uint32, limit int) int {
	if n > uint32(limit) {
		s.fail(FaultLimit)
		return 0
	}
	return int(n)
}

// Bytes: length u32, then as many. Optional bytes: 0 for nil, or 1 and bytes,
// because none and empty are two things to an application (R179).
func appendBytes(b, p []byte) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(p))), p...)
}

func (s *scan) bytes(limit int) []byte { return s.take(s.count(s.u32(), limit)) }

func appendOption(b, p []byte) []byte {
	if p == nil {
		return append(b, 0)
	}
	return appendBytes(append(b, 1), p)
}

func (s *scan) option(limit int) []byte {
	switch s.u8() {
	case 0:
		return nil
	case 1:
		return s.bytes(limit)
	}
	s.fail(FaultValue)
	return nil
}

// Text: length u16, then UTF-8. Append mends and clips what it is given.
func appendText(b []byte, t string, limit int) []byte {
	t = clip(t, limit)
	return append(binary.BigEndian.AppendUint16(b, uint16(len(t))), t...)
}

func (s *scan) text(limit int) []byte {
	b := s.take(s.count(uint32(s.u16()), limit))
	s.check(utf8.Valid(b), FaultValue)
	return b
}

// clip makes t valid UTF-8 of at most limit bytes, cut between characters.
func clip(t string, limit int) string {
	t = strings.ToValidUTF8(t, "?")
	if len(t) <= limit {
		return t
	}
	for limit > 0 && !utf8.RuneStart(t[limit]) {
		limit--
	}
	return t[:limit]
}

// An address is 16 bytes, IPv4 in its IPv6 form, :: for none; a port follows
// as u16. Zones stay at home: they mean nothing on another host.
func appendAddr(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		a = netip.IPv6Unspecified()
	}
	x := a.As16()
	return append(b, x[:]...)
}

func (s *scan) addr() netip.Addr {
	b := s.take(16)
	if b == nil {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte(b)).Unmap()
}

func appendAddrPort(b []byte, a netip.AddrPort) []byte {
	return binary.BigEndian.AppendUint16(appendAddr(b, a.Addr()), a.Port())
}

func (s *scan) addrPort() netip.AddrPort {
	a := s.addr()
	return netip.AddrPortFrom(a, s.u16())
}
