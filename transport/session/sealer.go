package session

import "github.com/joinleaf/joinleaf/transport/flow"

// Opened is what a packet held. It is an unnamed struct, declared alike by the
// key ring, so that the two packages need not know each other.
type Opened = struct {
	Payload       []byte // aliases the packet
	Sender        uint32
	Number, Epoch uint64
	Kind, Flags   uint8
	Pairwise      bool
}

// Sealer is what the data plane needs of the keys: crypto.Ring is one. SealAll is
// called by one goroutine at a time, Open by several.
type Sealer interface {
	// Overhead is what SealAll adds to a payload, in bytes.
	Overhead() int
	// SealAll appends a sealed packet for member to (0: the group) to dst, of each
	// payload; nothing if it fails.
	SealAll(dst []byte, to uint32, kind, flags uint8, payloads [][]byte) ([]byte, error)
	// Open checks, decrypts in place and only then marks the number as seen.
	// drop is zero or one of the first nine values of Drop.
	Open(packet []byte) (o Opened, drop uint8)
}

// kindData is the packet kind that carries the frames of transport/flow. Packets
// of the others that a sealer opens are handed on: see Config.Keys.
const kindData = 0

// seal appends packets whose flags say what their numbers count. The group's key
// numbers what goes to one member alone as well, feedback and repairs, where members
// share no other; to all others those numbers would look like packets that were lost.
//
//	0      it is for one member alone
//	1 + n  it is for all whom this member's data goes to; n packets so far, mod 255,
//	       were sealed with the group's keys for one member alone
func (w *writer) seal(dst []byte, kind uint8, key uint32, alone bool, frames [][]byte) ([]byte, error) {
	flags := uint8(0)
	if key == 0 && !alone {
		flags = 1 + uint8(w.alone%flow.AloneCycle)
	}
	dst, err := w.s.c.Sealer.SealAll(dst, key, kind, flags, frames)
	if err == nil && key == 0 && alone {
		w.alone += uint64(len(frames))
	}
	return dst, err
}

// metaOf is what the machines are to know of a packet.
func metaOf(o *Opened, overflow uint32) flow.Meta {
	return flow.Meta{Number: o.Number, Epoch: o.Epoch, Overflow: overflow, Pairwise: o.Pairwise || o.Flags == 0, Alone: o.Flags - 1}
}
