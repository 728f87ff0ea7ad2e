package control

import (
	"encoding/binary"
	"net/netip"

	"github.com/joinleaf/joinleaf/transport"
)

// Taken says that a member opens under a view's keys.
type Taken struct{ Number ViewNumber }

// Use says that all do, and that they are to be sealed under.
type Use struct{ Number ViewNumber }

// TAKEN and USE: number(8).

// Append appends the whole frame to b.
func (t Taken) Append(b []byte) []byte { return appendNumber(b, TypeTaken, t.Number) }

// Append appends the whole frame to b.
func (u Use) Append(b []byte) []byte { return appendNumber(b, TypeUse, u.Number) }

func appendNumber(b []byte, t Type, n ViewNumber) []byte {
	b, start := begin(b, t)
	return finish(binary.BigEndian.AppendUint64(b, uint64(n)), start)
}

func parseNumber(frame []byte, t Type) (ViewNumber, error) {
	s := open(frame, t)
	n := ViewNumber(s.u64())
	return n, s.end()
}

// ParseTaken reads a TAKEN.
func ParseTaken(frame []byte) (Taken, error) {
	n, err := parseNumber(frame, TypeTaken)
	return Taken{n}, err
}

// ParseUse reads a USE.
func ParseUse(frame []byte) (Use, error) {
	n, err := parseNumber(frame, TypeUse)
	return Use{n}, err
}

// Claim says that a member is the coordinator from a term on.
type Claim struct {
	Session [16]byte
	Term    uint32
	ID      uint32
}

// CLAIM: session(16) term(4) id(4).

// Append appends the whole frame to b.
func (c Claim) Append(b []byte) []byte {
	b, start := begin(b, TypeClaim)
	b = append(b, c.Session[:]...)
	b = binary.BigEndian.AppendUint32(b, c.Term)
	return finish(binary.BigEndian.AppendUint32(b, c.ID), start)
}

// ParseClaim reads a CLAIM.
func ParseClaim(frame []byte) (Claim, error) {
	s := open(frame, TypeClaim)
	var c Claim
	copy(c.Session[:], s.take(16))
	c.Term, c.ID = s.u32(), s.u32()
	s.check(c.Term != 0 && c.ID != 0, FaultValue)
	if err := s.end(); err != nil {
		return Claim{}, err
	}
	return c, nil
}

// Agree accepts a claim of that term, with an oath to the claimant, and says who
// was put out before.
type Agree struct {
	Term   uint32
	Oath   Signature
	Denied []Ban
}

// AGREE: term(4) oath(97) bans.

// Append appends the whole frame to b.
func (a Agree) Append(b []byte) []byte {
	b, start := begin(b, TypeAgree)
	b = binary.BigEndian.AppendUint32(b, a.Term)
	return finish(appendBans(append(b, a.Oath[:]...), a.Denied), start)
}

// ParseAgree reads an AGREE.
func ParseAgree(frame []byte) (Agree, error) {
	s := open(frame, TypeAgree)
	a := Agree{Term: s.u32()}
	copy(a.Oath[:], s.take(len(a.Oath)))
	denied := s.bans()
	if err := s.end(); err != nil {
		return Agree{}, err
	}
	a.Denied = decodeBans(denied)
	return a, nil
}

// Resume takes up a membership again whose link was lost.
type Resume struct {
	Session [16]byte
	ID      uint32
}

// RESUME: session(16) id(4).

// Append appends the whole frame to b.
func (r Resume) Append(b []byte) []byte {
	b, start := begin(b, TypeResume)
	return finish(binary.BigEndian.AppendUint32(append(b, r.Session[:]...), r.ID), start)
}

// ParseResume reads a RESUME.
func ParseResume(frame []byte) (Resume, error) {
	s := open(frame, TypeResume)
	var r Resume
	copy(r.Session[:], s.take(16))
	r.ID = s.u32()
	if err := s.end(); err != nil {
		return Resume{}, err
	}
	return r, nil
}

// Greet is what coordinators tell each other: both judge by the same two which
// of their sessions the members of the other join.
type Greet struct {
	Session [16]byte
	Charter [32]byte
	Term    uint32
	Size    uint16
	Denied  []Ban
}

// GREET: session(16) charter(32) term(4) size(2) bans.

// Append appends the whole frame to b.
func (m Greet) Append(b []byte) []byte {
	b, start := begin(b, TypeGreet)
	b = append(append(b, m.Session[:]...), m.Charter[:]...)
	b = binary.BigEndian.AppendUint32(b, m.Term)
	b = binary.BigEndian.AppendUint16(b, m.Size)
	return finish(appendBans(b, m.Denied), start)
}

// ParseGreet reads a GREET.
func ParseGreet(frame []byte) (Greet, error) {
	s := open(frame, TypeGreet)
	var m Greet
	copy(m.Session[:], s.take(16))
	copy(m.Charter[:], s.take(32))
	m.Term, m.Size = s.u32(), s.u16()
	raw := s.bans()
	s.check(m.Term != 0 && m.Size != 0, FaultValue)
	if err := s.end(); err != nil {
		return Greet{}, err
	}
	m.Denied = decodeBans(raw)
	return m, nil
}

// beats reports whether m's session takes the other's members in: by term, by
// size, and last by the lower fingerprint of the coordinator's key.
func (m Greet) beats(own [32]byte, o Greet, other [32]byte) bool {
	switch {
	case m.Term != o.Term:
		return m.Term > o.Term
	case m.Size != o.Size:
		return m.Size > o.Size
	}
	return string(own[:]) < string(other[:])
}

// Move sends a member to the coordinator of another session.
type Move struct {
	Control netip.AddrPort
	Pin     [32]byte
}

// MOVE: control(18) pin(32).

// Append appends the whole frame to b.
func (m Move) Append(b []byte) []byte {
	b, start := begin(b, TypeMove)
	return finish(append(appendAddrPort(b, m.Control), m.Pin[:]...), start)
}

// ParseMove reads a MOVE.
func ParseMove(frame []byte) (Move, error) {
	s := open(frame, TypeMove)
	m := Move{Control: s.addrPort()}
	copy(m.Pin[:], s.take(32))
	s.check(m.Control.Port() != 0 && !m.Control.Addr().IsMulticast(), FaultValue)
	if err := s.end(); err != nil {
		return Move{}, err
	}
	return m, nil
}

// Denial is why an answer is no.
type Denial uint8

// The bans.
const (
	DenyElsewhere Denial = 1 // not the coordinator; Control says who is
	DenyBusy      Denial = 2 // in the middle of something: ask again
	DenyAlive     Denial = 3 // the coordinator is alive, here
	DenyUnknown   Denial = 4 // no such member any more: enter anew
	DenyRefused   Denial = 5 // for good: Code and Text say why
	denials       Denial = 6
)

// Deny is an answer of no, or an end.
type Deny struct {
	Why     Denial
	Control netip.AddrPort // of DenyElsewhere
	Pin     [32]byte
	Code    transport.Code // of DenyRefused
	Text    string
}

// DENY: why(1) control(18) pin(32) code(4) text(text).

// Append appends the whole frame to b.
func (d Deny) Append(b []byte) []byte {
	b, start := begin(b, TypeDeny)
	b = append(appendAddrPort(append(b, byte(d.Why)), d.Control), d.Pin[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(d.Code))
	return finish(appendText(b, d.Text, MaxText), start)
}

// ParseDeny reads a DENY.
func ParseDeny(frame []byte) (Deny, error) {
	s := open(frame, TypeDeny)
	d := Deny{Why: Denial(s.u8()), Control: s.addrPort()}
	copy(d.Pin[:], s.take(32))
	d.Code = s.code()
	text := s.text(MaxText)
	s.check(d.Why > 0 && d.Why < denials && (d.Why == DenyElsewhere) == (d.Control.Port() != 0), FaultValue)
	s.check((d.Why == DenyRefused) == (d.Code != 0), FaultValue)
	nobody := netip.AddrPortFrom(netip.IPv6Unspecified(), 0)
	s.check(d.Control.Port() != 0 || d.Control == nobody, FaultValue)
	if err := s.end(); err != nil {
		return Deny{}, err
	}
	if d.Control == nobody {
		d.Control = netip.AddrPort{}
	}
	d.Text = string(text)
	return d, nil
}

// Part says that a member goes.
type Part struct{}

// PART has no body.

// Append appends the whole frame to b.
func (Part) Append(b []byte) []byte {
	b, start := begin(b, TypePart)
	return finish(b, start)
}

// ParsePart reads a PART.
func ParsePart(frame []byte) (Part, error) {
	s := open(frame, TypePart)
	return Part{}, s.end()
}
