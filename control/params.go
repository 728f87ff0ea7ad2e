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
	Plane      uint8 // data plane: 0 rooted, 1 nonrooted, 2 rooted at a leaf
	Level      uint8 // source authentication level, crypto's number
	Group      netip.AddrPort
	Source     netip.Addr // the one source of an SSM group; invalid: any
	MTU        uint16
	Symbol     uint16
	MaxMessage uint32
	Window     uint32
	Streams    []uint8        // the class of each: 0 reliable, 1 best effort, 2 deadline
	Latency    uint16         // milliseconds within which deadline streams are repaired; 0 if there are none
	Ordered    bool           // total order: all members see the messages of all senders in the same order
	Second     netip.AddrPort // a second group on which the same packets are sent; the zero value: none
	Name       string
}

// deadlineClass is the stream class that Latency is for, classes the first
// number that is no class. They are flow's. lastPlane is the last data plane.
const (
	deadlineClass = 2
	classes       = 3
	lastPlane     = 2
)

// Parameters, inside WELCOME or alone; they have no head of their own:
//
//	version(1) suite(1) plane(1) level(1) group(18) source(16) mtu(2) symbol(2)
//	max message(4) window(4) n(1) streams(n) latency(2) order(1) second(18)
//	name(text)

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
	b = binary.BigEndian.AppendUint16(b, p.Latency)
	var order byte
	if p.Ordered {
		order = 1
	}
	b = appendAddrPort(append(b, order), p.Second)
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
	s.check(p.Plane <= lastPlane, FaultValue)
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
	p.Latency = s.u16()
	s.check(streamsOK(p.Streams, p.Latency), FaultValue)
	order := s.u8()
	s.check(order <= 1, FaultValue)
	p.Ordered = order == 1
	p.Second = s.addrPort()
	s.check(secondOK(p.Second, p.Group), FaultValue)
	if p.Second.Addr() == netip.IPv6Unspecified() {
		p.Second = netip.AddrPort{}
	}
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

// streamsOK holds the classes to those there are, and the latency to whether
// anything is held to it: there is one way to say that nothing is, and a
// deadline of no time would repair nothing.
func streamsOK(streams []uint8, latency uint16) bool {
	timed := false
	for _, class := range streams {
		if class >= classes {
			return false
		}
		timed = timed || class == deadlineClass
	}
	return timed == (latency > 0)
}

// secondOK compares as the wire does: without zones, IPv4 in either form.
func secondOK(second, group netip.AddrPort) bool {
	a, g := second.Addr().Unmap().WithZone(""), group.Addr().Unmap().WithZone("")
	if !a.IsValid() || a == netip.IPv6Unspecified() {
		return second.Port() == 0
	}
	return a.IsMulticast() && second.Port() != 0 && a.Is4() == g.Is4() && (a != g || second.Port() != group.Port())
}

// Check reports what no session may have.
func (p Params) Check() error {
	g := transport.Group{Addr: p.Group, Source: p.Source}
	if err := g.Check(); err != nil {
		return err
	}
	switch {
	case p.Plane > lastPlane:
		return invalid("no such data plane")
	case len(p.Streams) == 0 || len(p.Streams) > MaxStreams:
		return invalid("a session has 1 to 16 streams")
	case !streamsOK(p.Streams, p.Latency):
		return invalid("streams are reliable, best effort or deadline, and there is a latency, of at least 1 ms, exactly if one is deadline")
	case !secondOK(p.Second, p.Group):
		return invalid("the second group must be multicast, with a port, of the group's family and not the group itself")
	}
	return checkName(p.Name)
}

func (p Params) clone() Params {
	p.Streams = bytes.Clone(p.Streams)
	return p
}
