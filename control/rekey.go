package control

import (
	"bytes"
	"encoding/binary"
)

// Kind is how an epoch follows the one before it.
type Kind uint8

// The kinds.
const (
	Step  Kind = 1 // one way, for a join: the joiner cannot read what was before
	Fresh Kind = 2 // from fresh randomness, for a leave: the leaver cannot read what comes
)

// String names the kind.
func (k Kind) String() string {
	switch k {
	case Step:
		return "step"
	case Fresh:
		return "fresh"
	}
	return "unknown"
}

// Rekey gives a member the next epoch.
type Rekey struct {
	Kind   Kind
	AtOnce bool // the root seals under it without waiting for acknowledgements
	Epoch  uint64
	Body   Secret // crypto's bytes
}

// REKEY:
//
//	kind(1) at once(1) epoch(8) body(bytes)

// Append appends the whole frame to b.
func (r Rekey) Append(b []byte) []byte {
	b, start := begin(b, TypeRekey)
	var now byte
	if r.AtOnce {
		now = 1
	}
	b = append(b, byte(r.Kind), now)
	b = binary.BigEndian.AppendUint64(b, r.Epoch)
	return finish(appendBytes(b, r.Body), start)
}

// ParseRekey reads a REKEY. Body points into frame.
func ParseRekey(frame []byte) (Rekey, error) {
	s := open(frame, TypeRekey)
	r := Rekey{Kind: Kind(s.u8())}
	now := s.u8()
	s.check(r.Kind == Step || r.Kind == Fresh, FaultValue)
	s.check(now <= 1, FaultValue)
	r.AtOnce = now == 1
	r.Epoch, r.Body = s.u64(), s.bytes(MaxBody)
	if err := s.end(); err != nil {
		return Rekey{}, err
	}
	return r, nil
}

func (r Rekey) clone() Rekey {
	r.Body = bytes.Clone(r.Body)
	return r
}

// Rekeyed acknowledges an epoch.
type Rekeyed struct {
	Epoch uint64
}

// REKEYED:
//
//	epoch(8)

// Append appends the whole frame to b.
func (r Rekeyed) Append(b []byte) []byte {
	b, start := begin(b, TypeRekeyed)
	return finish(binary.BigEndian.AppendUint64(b, r.Epoch), start)
}

// ParseRekeyed reads a REKEYED.
func ParseRekeyed(frame []byte) (Rekeyed, error) {
	s := open(frame, TypeRekeyed)
	r := Rekeyed{Epoch: s.u64()}
	if err := s.end(); err != nil {
		return Rekeyed{}, err
	}
	return r, nil
}
