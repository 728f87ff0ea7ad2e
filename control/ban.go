package control

import "encoding/binary"

// Signature proves what a member said to those whom it did not say it to. What is
// in it is the caller's affair: see MembershipConfig.Sign and Verify.
type Signature [97]byte

// IsZero reports whether there is none.
func (s Signature) IsZero() bool { return s == Signature{} }

// Ban says that a key is never let in again. It proves itself: it holds for
// whoever sees it, whoever brought it, so that it outlives the coordinator that
// gave it and crosses mergers, and nobody can make one up.
//
// Who may deny is whom the charter names as admins, and the coordinator of a term
// those who follow it in that term. That they did, they have sworn on the way
// in, and the oath is part of the ban: without it each member could found a
// session by itself and deny from there whom it likes.
type Ban struct {
	Session [16]byte // in which it was given
	Term    uint32   // and when
	Pin     [32]byte // who is out
	By      Signature
	Oath    Signature // of who is out, to who gave it; zero where an admin did
}

// A ban, in a list:
//
//	session(16) term(4) pin(32) by(97) oath(97)
const banSize = 16 + 4 + 32 + 97 + 97

func (d Ban) append(b []byte) []byte {
	b = append(b, d.Session[:]...)
	b = binary.BigEndian.AppendUint32(b, d.Term)
	b = append(b, d.Pin[:]...)
	return append(append(b, d.By[:]...), d.Oath[:]...)
}

func (s *scan) ban() (d Ban) {
	copy(d.Session[:], s.take(16))
	d.Term = s.u32()
	copy(d.Pin[:], s.take(32))
	copy(d.By[:], s.take(len(d.By)))
	copy(d.Oath[:], s.take(len(d.Oath)))
	return d
}

// Text is what who bans signs.
func (d Ban) Text() []byte {
	b := append([]byte("deny\x00"), d.Session[:]...)
	return append(binary.BigEndian.AppendUint32(b, d.Term), d.Pin[:]...)
}

// OathText is what a member signs that follows a coordinator in a term.
func OathText(session [16]byte, term uint32, coordinator [32]byte) []byte {
	b := append([]byte("follow\x00"), session[:]...)
	return append(binary.BigEndian.AppendUint32(b, term), coordinator[:]...)
}

// A list of bans: d(2), d times ban(246).
func appendBans(b []byte, ds []Ban) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(len(ds)))
	for _, d := range ds {
		b = d.append(b)
	}
	return b
}

func (s *scan) bans() []byte { return s.take(s.count(uint32(s.u16()), MaxDenied) * banSize) }

func decodeBans(raw []byte) (ds []Ban) {
	for ; len(raw) > 0; raw = raw[banSize:] {
		s := scan{rest: raw[:banSize]}
		ds = append(ds, s.ban())
	}
	return ds
}

// Swear is a joiner's oath to the coordinator whose ENTERED it has, and the last
// thing between it and its first view: who has not sworn is in no view.
type Swear struct{ Oath Signature }

// SWEAR: oath(97).

// Append appends the whole frame to b.
func (w Swear) Append(b []byte) []byte {
	b, start := begin(b, TypeSwear)
	return finish(append(b, w.Oath[:]...), start)
}

// ParseSwear reads a SWEAR.
func ParseSwear(frame []byte) (Swear, error) {
	s := open(frame, TypeSwear)
	var w Swear
	copy(w.Oath[:], s.take(len(w.Oath)))
	if err := s.end(); err != nil {
		return Swear{}, err
	}
	return w, nil
}

// Evict brings an admin's ban to the coordinator.
type Evict struct{ Ban Ban }

// EVICT: ban(246).

// Append appends the whole frame to b.
func (e Evict) Append(b []byte) []byte {
	b, start := begin(b, TypeEvict)
	return finish(e.Ban.append(b), start)
}

// ParseEvict reads an EVICT.
func ParseEvict(frame []byte) (Evict, error) {
	s := open(frame, TypeEvict)
	e := Evict{s.ban()}
	if err := s.end(); err != nil {
		return Evict{}, err
	}
	return e, nil
}
