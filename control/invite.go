package control

import (
	"bytes"
	"encoding/binary"

	"github.com/joinleaf/joinleaf/transport"
)

// Invite is the root's request that a leaf come in (R54). The leaf answers
// with JOIN or REFUSE.
type Invite struct {
	Role Role   // the root's role towards this leaf (R192)
	Name string // the session
	Room int32  // bytes of callee data the root can take; -1: none wanted
	Data []byte // caller data; nil unlike empty
	QoS  []byte // flow specifications; nil: none stated
}

// INVITE:
//
//	version(1) role(1) name(text) room(4, signed) data(option) qos(option)

// Append appends the whole frame to b.
func (i Invite) Append(b []byte) []byte {
	b, start := begin(b, TypeInvite)
	b = append(b, Version, byte(i.Role))
	b = appendText(b, i.Name, MaxName)
	b = binary.BigEndian.AppendUint32(b, uint32(i.Room))
	b = appendOption(b, i.Data)
	return finish(appendOption(b, i.QoS), start)
}

// ParseInvite reads an INVITE. Slices point into frame.
func ParseInvite(frame []byte) (Invite, error) {
	s := open(frame, TypeInvite)
	s.version()
	i := Invite{Role: s.role()}
	name := s.text(MaxName)
	i.Room = s.room()
	i.Data = s.option(MaxConnectData)
	i.QoS = s.option(MaxQoS)
	if err := s.end(); err != nil {
		return Invite{}, err
	}
	i.Name = string(name)
	return i, nil
}

// Check reports what no INVITE may carry, as Join.Check does.
func (i Invite) Check() error {
	if err := checkConnect(i.Role, i.Room, i.Data, i.QoS); err != nil {
		return err
	}
	return checkName(i.Name)
}

func (i Invite) clone() Invite {
	i.Data = bytes.Clone(i.Data)
	i.QoS = bytes.Clone(i.QoS)
	return i
}

// Refuse says no, with the code that the other side's join ends with.
type Refuse struct {
	Code transport.Code // zero is sent as WSAECONNREFUSED (R91)
	Text string
}

// REFUSE:
//
//	code(4) text(text)

// Append appends the whole frame to b.
func (r Refuse) Append(b []byte) []byte {
	if r.Code == 0 {
		r.Code = transport.WSAECONNREFUSED
	}
	b, start := begin(b, TypeRefuse)
	b = binary.BigEndian.AppendUint32(b, uint32(r.Code))
	return finish(appendText(b, r.Text, MaxText), start)
}

// ParseRefuse reads a REFUSE.
func ParseRefuse(frame []byte) (Refuse, error) {
	s := open(frame, TypeRefuse)
	r := Refuse{Code: s.code()}
	text := s.text(MaxText)
	s.check(r.Code != 0, FaultValue)
	if err := s.end(); err != nil {
		return Refuse{}, err
	}
	r.Text = string(text)
	return r, nil
}

// code reads a Winsock number. They all are small; a larger one would not fit
// an int everywhere.
func (s *scan) code() transport.Code {
	c := s.u32()
	s.check(c <= 0xFFFF, FaultValue)
	return transport.Code(c)
}
