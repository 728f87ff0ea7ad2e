package control

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
)

// Charter is what a session of equals is: drawn up by whoever founded it, the
// same for all its members, and hashed into every key.
type Charter struct {
	Session [16]byte   // drawn by the founder, never used again
	Limit   uint16     // members at most
	Admins  [][32]byte // fingerprints of who may evict beside the coordinator
	Params  Params
}

// Limits of a session of equals.
const (
	MaxEquals  = 256
	MaxAdmins  = 16
	MaxCharter = 4 << 10
)

// A charter, alone or inside ENTERED:
//
//	session(16) limit(2) n(1) n times admin(32) parameters

// Append appends the canonical bytes to b.
func (c Charter) Append(b []byte) []byte {
	b = append(b, c.Session[:]...)
	b = binary.BigEndian.AppendUint16(b, c.Limit)
	b = append(b, byte(len(c.Admins)))
	for _, a := range c.Admins {
		b = append(b, a[:]...)
	}
	return c.Params.Append(b)
}

// ParseCharter reads a charter. Its parameters' Streams point into b.
func ParseCharter(b []byte) (Charter, error) {
	s := scan{rest: b}
	s.check(len(b) <= MaxCharter, FaultLimit)
	var c Charter
	copy(c.Session[:], s.take(16))
	c.Limit = s.u16()
	s.check(c.Limit > 0 && c.Limit <= MaxEquals && c.Session != [16]byte{}, FaultValue)
	admins := s.take(s.count(uint32(s.u8()), MaxAdmins) * 32)
	p, name := s.params()
	if err := s.end(); err != nil {
		return Charter{}, err
	}
	for ; len(admins) > 0; admins = admins[32:] {
		c.Admins = append(c.Admins, [32]byte(admins))
	}
	c.Params, c.Params.Name = p, string(name)
	return c, nil
}

// Check reports what no charter may say.
func (c Charter) Check() error {
	switch {
	case c.Session == [16]byte{}:
		return invalid("a charter needs a session id")
	case c.Limit == 0 || c.Limit > MaxEquals:
		return invalid("a session of equals has 1 to 256 members")
	case len(c.Admins) > MaxAdmins:
		return invalid("more than 16 admins")
	}
	return c.Params.Check()
}

// restarts reports whether the data hangs on the coordinator: it is the root of
// rooted data and gives a total order. Then another coordinator is another session.
func (c Charter) restarts() bool { return c.Params.Plane == 0 || c.Params.Ordered }

// Hash is the hash of the canonical bytes.
func (c Charter) Hash() [32]byte { return sha256.Sum256(c.Append(nil)) }

func (c Charter) clone() Charter {
	c.Admins, c.Params.Streams = append([][32]byte(nil), c.Admins...), bytes.Clone(c.Params.Streams)
	return c
}
