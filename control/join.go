package control

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/joinleaf/joinleaf/transport"
)

// Join is a leaf's request to be let in, or its yes to an INVITE.
type Join struct {
	Role   Role
	Suites []uint8 // packet protections it knows, best first
	Nonce  [16]byte
	Name   string // the session it wants; empty: whichever it finds
	Room   int32  // bytes of callee data it can take; -1: none wanted (R167, R173)
	Token  Secret // for the authorizer; nil: none
	Data   []byte // caller data, in answer to an INVITE callee data; nil unlike empty (R179)
	QoS    []byte // flow specifications; nil: none stated (R206)
	From   From   // where it wants to begin
}

// JOIN:
//
//	version(1) role(1) n(1) suites(n) nonce(16) name(text) room(4, signed)
//	token(option) data(option) qos(option) from(9)

// Append appends the whole frame to b.
func (j Join) Append(b []byte) []byte {
	b, start := begin(b, TypeJoin)
	b = append(b, Version, byte(j.Role), byte(len(j.Suites)))
	b = append(b, j.Suites...)
	b = append(b, j.Nonce[:]...)
	b = appendText(b, j.Name, MaxName)
	b = binary.BigEndian.AppendUint32(b, uint32(j.Room))
	b = appendOption(b, j.Token)
	b = appendOption(b, j.Data)
	b = appendOption(b, j.QoS)
	return finish(appendFrom(b, j.From), start)
}

// ParseJoin reads a JOIN. Slices point into frame.
func ParseJoin(frame []byte) (Join, error) {
	s := open(frame, TypeJoin)
	s.version()
	j := Join{Role: s.role()}
	j.Suites = s.take(s.count(uint32(s.u8()), MaxSuites))
	copy(j.Nonce[:], s.take(16))
	name := s.text(MaxName)
	j.Room = s.room()
	j.Token = s.option(MaxToken)
	j.Data = s.option(MaxConnectData)
	j.QoS = s.option(MaxQoS)
	j.From = s.from()
	if err := s.end(); err != nil {
		return Join{}, err
	}
	j.Name = string(name)
	return j, nil
}

// version goes first in a frame that has it: behind another version's number
// nothing is known. Frames without one belong to a connection whose version
// is settled.
func (s *scan) version() { s.check(s.u8() == Version, FaultVersion) }

func (s *scan) role() Role {
	r := Role(s.u8())
	s.check(r < roles, FaultValue)
	return r
}

func (s *scan) room() int32 {
	r := int32(s.u32())
	s.check(r >= -1, FaultValue)
	return r
}

// Check reports what no JOIN may carry, as the code that the joining call
// ends with: WSAEFAULT for connect data that is too long (R46, R171).
func (j Join) Check() error {
	if err := checkConnect(j.Role, j.Room, j.Data, j.QoS); err != nil {
		return err
	}
	switch {
	case len(j.Suites) > MaxSuites:
		return invalid("more than 16 suites offered")
	case len(j.Token) > MaxToken:
		return invalid("token longer than 1 KiB")
	case !j.From.ok():
		return invalid("where to begin: no such kind, or a number with a kind that has none")
	}
	return checkName(j.Name)
}

// checkConnect holds what JOIN, INVITE and WELCOME share to its limits.
func checkConnect(role Role, room int32, data, qos []byte) error {
	switch {
	case role >= roles:
		return invalid("no such role")
	case room < -1:
		return invalid("room for connect data below -1")
	case len(data) > MaxConnectData:
		return &transport.Error{Op: "join", Code: transport.WSAEFAULT, Err: errors.New("connect data is limited to 64 KiB; send the rest once the leaf is in")}
	case len(qos) > MaxQoS:
		return invalid("flow specifications longer than 512 bytes")
	}
	return nil
}

func checkName(name string) error {
	if name != clip(name, MaxName) {
		return invalid("session name is not UTF-8 of at most 255 bytes")
	}
	return nil
}

func invalid(why string) error {
	return &transport.Error{Op: "control", Code: transport.WSAEINVAL, Err: errors.New(why)}
}

// offer is how much connect data may be returned to somebody with this room
// (R173, R175).
func offer(room int32) int { return min(max(int(room), 0), MaxConnectData) }

// clone copies what points into a frame.
func (j Join) clone() Join {
	j.Suites = bytes.Clone(j.Suites)
	j.Token = bytes.Clone(j.Token)
	j.Data = bytes.Clone(j.Data)
	j.QoS = bytes.Clone(j.QoS)
	return j
}
