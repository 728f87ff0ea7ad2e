package control

import (
	"encoding/binary"
	"net/netip"
)

// Peer is a member, as the others need to know it.
type Peer struct {
	ID   uint32
	Addr netip.AddrPort
	Role Role // what it does in the data plane
	Root bool // the data has its root there (R241)
}

// Senders changes the list of members that may send for the group.
type Senders struct {
	Add    []Peer
	Remove []uint32
}

const (
	peerSize = 23
	peerRoot = 0x80 // in the byte of the role
)

// SENDERS:
//
//	n(2), n times id(4) address(18) role(1); m(2), m times id(4)
//
// The highest bit of a role marks the root of the data.

// Append appends the whole frame to b.
func (c Senders) Append(b []byte) []byte {
	b, start := begin(b, TypeSenders)
	b = appendPeers(b, c.Add)
	b = binary.BigEndian.AppendUint16(b, uint16(len(c.Remove)))
	for _, id := range c.Remove {
		b = binary.BigEndian.AppendUint32(b, id)
	}
	return finish(b, start)
}

// ParseSenders reads a SENDERS.
func ParseSenders(frame []byte) (Senders, error) {
	s := open(frame, TypeSenders)
	add := s.peers(MaxSenders)
	remove := s.take(s.count(uint32(s.u16()), MaxSenders) * 4)
	for b := remove; len(b) > 0; b = b[4:] {
		s.check(binary.BigEndian.Uint32(b) != 0, FaultValue)
	}
	if err := s.end(); err != nil {
		return Senders{}, err
	}
	c := Senders{Add: decodePeers(add)}
	for b := remove; len(b) > 0; b = b[4:] {
		c.Remove = append(c.Remove, binary.BigEndian.Uint32(b))
	}
	return c, nil
}

func appendPeers(b []byte, ps []Peer) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(ps)))
	for _, p := range ps {
		role := byte(p.Role)
		if p.Root {
			role |= peerRoot
		}
		b = append(appendAddrPort(binary.BigEndian.AppendUint32(b, p.ID), p.Addr), role)
	}
	return b
}

func (s *scan) peers(limit int) []byte {
	raw := s.take(s.count(uint32(s.u16()), limit) * peerSize)
	for b := raw; len(b) > 0; b = b[peerSize:] {
		s.check(binary.BigEndian.Uint32(b) != 0, FaultValue) // 0 is the group
		s.check(Role(b[peerSize-1]&^peerRoot) < roles, FaultValue)
	}
	return raw
}

func decodePeers(raw []byte) []Peer {
	var ps []Peer
	if len(raw) > 0 {
		ps = make([]Peer, 0, len(raw)/peerSize)
	}
	for b := raw; len(b) > 0; b = b[peerSize:] {
		s := scan{rest: b[:peerSize]}
		p := Peer{ID: s.u32(), Addr: s.addrPort()}
		role := s.u8()
		p.Role, p.Root = Role(role&^peerRoot), role&peerRoot != 0
		ps = append(ps, p)
	}
	return ps
}
