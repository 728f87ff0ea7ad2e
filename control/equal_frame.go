package control

import (
	"bytes"
	"encoding/binary"
	"net/netip"
)

// Equals speak the same kind of frames as a root and its leaves, over a Pipe
// inside DTLS, with types of their own:
//
//	joiner      coordinator      member         coordinator A   coordinator B
//	  ENTER -------->                              GREET <-------> GREET
//	  <------ ENTERED                               |
//	  SWEAR -------->                               MOVE ---> its members,
//	  <------ VIEW   VIEW ------>                             which ENTER at B
//	  TAKEN -------->  <---- TAKEN
//	  <------ USE     USE ------>
//
//	claimant    member           member who lost its link   coordinator
//	  CLAIM ------>                   RESUME ---------------->
//	  <----- AGREE                    <------------ VIEW, in full
//
// DENY answers ENTER, RESUME and CLAIM with no, PART says goodbye, EVICT brings
// an admin's ban. Frames come in order; a frame out of turn ends its link.
const (
	TypeEnter   Type = 32
	TypeEntered Type = 33
	TypeView    Type = 34
	TypeTaken   Type = 35
	TypeUse     Type = 36
	TypeClaim   Type = 37
	TypeAgree   Type = 38
	TypeResume  Type = 39
	TypeGreet   Type = 40
	TypeMove    Type = 41
	TypeDeny    Type = 42
	TypePart    Type = 43
	TypeEvict   Type = 44
	TypeSwear   Type = 45
)

// Limits of what frames between equals may carry.
const (
	MaxEqualData = 1 << 10 // caller or callee data
	MaxDenied    = 256     // bans
)

// Equal is one member, as all others know it.
type Equal struct {
	ID      uint32         // rises with every member that comes; 1 is the founder
	Pin     [32]byte       // its key's fingerprint
	Control netip.AddrPort // where it hears DTLS
	Addr    netip.AddrPort // where it hears data
	Role    Role
	Data    []byte // what it said of itself on the way in; nil: nothing
}

// A member in a list: id(4) pin(32) control(18) addr(18) role(1) data(option).
func (e Equal) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, e.ID)
	b = append(b, e.Pin[:]...)
	b = appendAddrPort(appendAddrPort(b, e.Control), e.Addr)
	return appendOption(append(b, byte(e.Role)), e.Data)
}

func (s *scan) equal() (e Equal) {
	e.ID = s.u32()
	copy(e.Pin[:], s.take(32))
	e.Control, e.Addr, e.Role = s.addrPort(), s.addrPort(), s.role()
	e.Data = s.option(MaxEqualData)
	s.check(e.ID != 0 && e.Control.Port() != 0 && e.Addr.Port() != 0, FaultValue)
	return e
}

func (e Equal) clone() Equal {
	e.Data = bytes.Clone(e.Data)
	return e
}

// Enter asks a coordinator to be let in. Pin and id are not in it: the channel
// says the one, the coordinator gives the other.
type Enter struct {
	Role  Role
	Addr  netip.AddrPort // where it hears data: the group is joined already
	Data  []byte         // caller data
	Moved bool           // it comes from a session that merges into this one
	// Denied is who was put out where it comes from.
	Denied []Ban
}

// ENTER:
//
//	version(1) role(1) addr(18) moved(1) data(option) bans

// Append appends the whole frame to b.
func (e Enter) Append(b []byte) []byte {
	b, start := begin(b, TypeEnter)
	b = appendAddrPort(append(b, Version, byte(e.Role)), e.Addr)
	b = appendOption(appendFlag(b, e.Moved), e.Data)
	return finish(appendBans(b, e.Denied), start)
}

// ParseEnter reads an ENTER. Data points into frame.
func ParseEnter(frame []byte) (Enter, error) {
	s := open(frame, TypeEnter)
	s.version()
	e := Enter{Role: s.role(), Addr: s.addrPort(), Moved: s.flag(), Data: s.option(MaxEqualData)}
	s.check(e.Addr.Port() != 0 && !e.Addr.Addr().IsMulticast(), FaultValue)
	denied := s.bans()
	if err := s.end(); err != nil {
		return Enter{}, err
	}
	e.Denied = decodeBans(denied)
	return e, nil
}

func appendFlag(b []byte, f bool) []byte {
	if f {
		return append(b, 1)
	}
	return append(b, 0)
}

func (s *scan) flag() bool {
	f := s.u8()
	s.check(f <= 1, FaultValue)
	return f == 1
}

// Entered will let a joiner in: its id, what the session is, in which term, and
// what the coordinator says to it. A full VIEW follows its SWEAR.
type Entered struct {
	ID, Term uint32
	Charter  Charter
	Data     []byte // callee data
}

// ENTERED:
//
//	id(4) term(4) length(4) charter data(option)

// Append appends the whole frame to b.
func (e Entered) Append(b []byte) []byte {
	b, start := begin(b, TypeEntered)
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, e.ID), e.Term)
	b = appendBytes(b, e.Charter.Append(nil))
	return finish(appendOption(b, e.Data), start)
}

// ParseEntered reads an ENTERED. Slices point into frame.
func ParseEntered(frame []byte) (Entered, error) {
	s := open(frame, TypeEntered)
	e := Entered{ID: s.u32(), Term: s.u32()}
	s.check(e.ID != 0 && e.Term != 0, FaultValue)
	raw := s.bytes(MaxCharter)
	e.Data = s.option(MaxEqualData)
	if err := s.end(); err != nil {
		return Entered{}, err
	}
	var err error
	e.Charter, err = ParseCharter(raw)
	if err != nil {
		return Entered{}, err
	}
	return e, nil
}
