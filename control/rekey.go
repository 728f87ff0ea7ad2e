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

// Rekey gives one member the newest epoch and all that goes with it: the answer
// to RESYNC, and for who does not hear the group.
type Rekey struct {
	Epoch uint64
	Used  bool   // the root seals under it already
	State Secret // crypto's bytes, as in WELCOME
}

// REKEY:
//
//	epoch(8) used(1) state(bytes)

// Append appends the whole frame to b.
func (r Rekey) Append(b []byte) []byte {
	b, start := begin(b, TypeRekey)
	b = binary.BigEndian.AppendUint64(b, r.Epoch)
	var used byte
	if r.Used {
		used = 1
	}
	return finish(appendBytes(append(b, used), r.State), start)
}

// ParseRekey reads a REKEY. State points into frame.
func ParseRekey(frame []byte) (Rekey, error) {
	s := open(frame, TypeRekey)
	r := Rekey{Epoch: s.u64()}
	used := s.u8()
	s.check(used <= 1, FaultValue)
	r.Used, r.State = used == 1, s.bytes(MaxState)
	if err := s.end(); err != nil {
		return Rekey{}, err
	}
	return r, nil
}

func (r Rekey) clone() Rekey {
	r.State = bytes.Clone(r.State)
	return r
}

// Rekeyed acknowledges an epoch.
type Rekeyed struct {
	Epoch uint64
}

// REKEYED and RESYNC:
//
//	epoch(8)

// Append appends the whole frame to b.
func (r Rekeyed) Append(b []byte) []byte { return appendEpoch(b, TypeRekeyed, r.Epoch) }

// ParseRekeyed reads a REKEYED.
func ParseRekeyed(frame []byte) (Rekeyed, error) {
	epoch, err := parseEpoch(frame, TypeRekeyed)
	return Rekeyed{epoch}, err
}

// Resync says that the leaf knows of a newer epoch than the one it holds, and
// has not been able to follow.
type Resync struct {
	Epoch uint64 // that it holds
}

// Append appends the whole frame to b.
func (r Resync) Append(b []byte) []byte { return appendEpoch(b, TypeResync, r.Epoch) }

// ParseResync reads a RESYNC.
func ParseResync(frame []byte) (Resync, error) {
	epoch, err := parseEpoch(frame, TypeResync)
	return Resync{epoch}, err
}

func appendEpoch(b []byte, t Type, epoch uint64) []byte {
	b, start := begin(b, t)
	return finish(binary.BigEndian.AppendUint64(b, epoch), start)
}

func parseEpoch(frame []byte, t Type) (uint64, error) {
	s := open(frame, t)
	epoch := s.u64()
	if err := s.end(); err != nil {
		return 0, err
	}
	return epoch, nil
}
