package control

import (
	"encoding/binary"
	"math"
)

// Version is the version of the frames. It stands in JOIN, INVITE and the
// parameters; a peer of another version is refused with WSAVERNOTSUPPORTED.
const Version = 1

// RootID is the root's member id; leaves count on from 2, and 0 is the group.
const RootID uint32 = 1

// Limits of what a frame may carry. Every length and count is held against
// its limit before anything is allocated.
const (
	MaxFrameBefore = 68 << 10 // length of a frame before admission: connect data and 4 KiB
	MaxFrame       = 1 << 20  // and after
	MaxConnectData = 64 << 10 // caller or callee data (R46, R173)
	MaxChat        = 64 << 10 // one side chat message (R230)
	MaxText        = 512      // the words in REFUSE, BYE and NOTICE, bytes of UTF-8
	MaxName        = 255      // a session's name, bytes of UTF-8
	MaxToken       = 1 << 10  // a leaf's token for the authorizer
	MaxQoS         = 512      // flow specifications, opaque here
	MaxState       = 1 << 10  // the epoch's state in WELCOME and REKEY, opaque here
	MaxSuites      = 16
	MaxStreams     = 16
	MaxSenders     = 1024 // entries of one SENDERS list
	maxWelcome     = 32   // senders inside WELCOME; the rest follow in SENDERS
)

// Type says what a frame is.
type Type uint8

// The frame types.
const (
	TypeJoin    Type = 1  // leaf: let me in, or yes to an INVITE
	TypeInvite  Type = 2  // root: come in
	TypeRefuse  Type = 3  // either: no; ends the connection before WELCOME
	TypeWelcome Type = 4  // root: you are in, this is what you need
	TypeReady   Type = 5  // leaf: I have joined the group
	TypeStart   Type = 6  // root: you are counted from here on
	TypeRekey   Type = 7  // root: the newest epoch, for this leaf alone
	TypeRekeyed Type = 8  // leaf: I have it
	TypeSenders Type = 9  // root: who may send for the group
	TypeChat    Type = 10 // either: a side chat message
	TypeBeat    Type = 11 // either: I live, and this is how far I have sent
	TypeBye     Type = 12 // either: over, and why; ends the connection
	TypeNotice  Type = 13 // root: what it thinks of this leaf's pace
	TypeResync  Type = 14 // leaf: I have missed an epoch
)

var typeNames = [...]string{"", "JOIN", "INVITE", "REFUSE", "WELCOME", "READY", "START", "REKEY", "REKEYED", "SENDERS", "CHAT", "BEAT", "BYE", "NOTICE", "RESYNC"}

// String is the name used in docs/wire.md.
func (t Type) String() string {
	if t.known() {
		return typeNames[t]
	}
	return "unknown"
}

func (t Type) known() bool { return t >= TypeJoin && t <= TypeResync }

// headSize is the length field and the type.
const headSize = 5

// TypeOf tells what a whole frame is, or 0 for one too short to say.
func TypeOf(frame []byte) Type {
	if len(frame) < headSize {
		return 0
	}
	return Type(frame[4])
}

// A frame on the control connection, length included, is what every Append
// writes, every Parse and Handle takes and Reader.Next returns:
//
//	0      4     5
//	+------+-----+------
//	|length|type | body        length counts type and body
//	+------+-----+------
//
// begin starts one of type t behind b, finish fills in its length.
func begin(b []byte, t Type) ([]byte, int) {
	return append(b, 0, 0, 0, 0, byte(t)), len(b)
}

func finish(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b
}

// open checks the head of a frame of type want and returns a scan of its body.
func open(frame []byte, want Type) scan {
	s := scan{rest: frame}
	n := s.u32()
	t := Type(s.u8())
	switch {
	case s.fault != 0:
	case n > MaxFrame || len(frame) > math.MaxInt32 || int(n) != len(frame)-4:
		s.fail(FaultLength)
	case t != want:
		s.fail(FaultType)
	}
	return s
}
