package control

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/joinleaf/joinleaf/transport"
)

// Params are what a session is: the same for all its members, fixed for its
// life, and hashed into every key in exactly the bytes that Append writes, so
// a tampered parameter gives traffic that does not open.
type Params struct {
	Suite      uint8 // packet protection, crypto's number
	Plane      uint8 // data plane: 0 rooted, 1 nonrooted
	Level      uint8 // source authentication level, crypto's number
	Group      netip.AddrPort
	Source     netip.Addr // the one source of an SSM group; invalid: any
	MTU        uint16
	Symbol     uint16
	MaxMessage uint32
	Window     uint32
	Streams    []uint8 // the class of each
	Name       string
}

// Parameters, inside WELCOME or alone; they have no head of their own:
//
//	version(1) suite(1) plane(1) level(1) group(18) source(16) mtu(2) symbol(2)
//	max message(4) window(4) n(1) streams(n) name(text)

// Append appends the canonical bytes to b.
func (p Params) Append(b []byte) []byte {
	b = append(b, Version, p.Suite, p.Plane, p.Level)
	b = appendAddrPort(b, p.Group)
	b = appendAddr(b, p.Source)
	b = binary.BigEndian.AppendUint16(b, p.MTU)
	b = binary.BigEndian.AppendUint16(b, p.Symbol)
	b = binary.BigEndian.AppendUint32(b, p.MaxMessage)
	b = binary.BigEndian.AppendUint32(b, p.Window)
	b = append(b, byte(len(p.Streams)))
	b = append(b, p.Streams...)
	return appendText(b, p.Name, MaxName)
}

// ParseParams reads parameters. Streams points into b.
func ParseParams(b []byte) (Params, error) {
	s := scan{rest: b}
	p, name := s.params()
	if err := s.end(); err != nil {
		return Params{}, err
	}
	p.Name = string(name)
	return p, nil
}

func (s *scan) params() (p Params, name []byte) {
	s.version()
	p.Suite, p.Plane, p.Level = s.u8(), s.u8(), s.u8()
	s.check(p.Plane <= 1, FaultValue)
	p.Group, p.Source = s.addrPort(), s.addr()
	if p.Source == netip.IPv6Unspecified() {
		p.Source = netip.Addr{}
	}
	s.check(groupOK(p.Group, p.Source), FaultValue)
	p.MTU, p.Symbol = s.u16(), s.u16()
	p.MaxMessage, p.Window = s.u32(), s.u32()
	n := s.count(uint32(s.u8()), MaxStreams)
	s.check(n > 0, FaultValue)
	p.Streams = s.take(n)
	return p, s.text(MaxName)
}

// groupOK is transport.Group.Check without its words: a parser that refuses
// must not allocate.
func groupOK(group netip.AddrPort, source netip.Addr) bool {
	a := group.Addr()
	if !a.IsMulticast() || group.Port() == 0 {
		return false
	}
	return !source.IsValid() || source.Is4() == a.Is4() && !source.IsMulticast() && !source.IsUnspecified()
}

// Check reports what no session may have.
func (p Params) Check() error {
	g := transport.Group{Addr: p.Group, Source: p.Source}
	if err := g.Check(); err != nil {
		return err
	}
	switch {
	case p.Plane > 1:
		return invalid("no such data plane")
	case len(p.Streams) == 0 || len(p.Streams) > MaxStreams:
		return invalid("a session has 1 to 16 streams")
	}
	return checkName(p.Name)
}

func (p Params) clone() Params {
	p.Streams = bytes.Clone(p.Streams)
	return p
}
