package dtls

import "fmt"

// What application data holds. A datagram of the application is a data frame;
// the others settle who is admitted, before any data:
//
//	DATA     0 | datagram
//	OFFER    1 | version 1 | way | proof 32     acceptor: this is who I am
//	ANSWER   2 | version 1 | way | proof 32     dialler: you are; this is who I am
//	ADMITTED 3 | version 1 | way | reason 0     acceptor: you are
//	REFUSED  4 | version 1 | way | reason       either, instead of its frame
//	BYE      5 | version 1 | way | reason 0     either, admitted: that was all
//
// BYE says what DTLS's close_notify says, which pion loses now and then.
// Proofs are zero but with a join code.
const (
	frameData     = 0
	frameOffer    = 1
	frameAnswer   = 2
	frameAdmitted = 3
	frameRefused  = 4
	frameBye      = 5

	frameVersion = 1

	proofSize   = 32
	offerSize   = 3 + proofSize
	verdictSize = 3 + 1
)

// way is how both ends prove themselves. Its numbers are on the wire.
type way uint8

const (
	wayCode         way = 1
	wayCertificates way = 2
	wayPins         way = 3
)

func (w way) String() string {
	switch w {
	case wayCode:
		return "a join code"
	case wayCertificates:
		return "certificates"
	case wayPins:
		return "pins alone"
	}
	return fmt.Sprintf("way %d", uint8(w))
}

// frame is any but a DATA frame.
type frame struct {
	kind   uint8
	way    way
	proof  [proofSize]byte // OFFER and ANSWER
	reason reason          // REFUSED
}

func (f *frame) append(b []byte) []byte {
	b = append(b, f.kind, frameVersion, uint8(f.way))
	if f.kind == frameOffer || f.kind == frameAnswer {
		return append(b, f.proof[:]...)
	}
	return append(b, uint8(f.reason))
}

func parseFrame(b []byte) (f frame, ok bool) {
	if len(b) < verdictSize || b[1] != frameVersion {
		return f, false
	}
	kind, reason := b[0], reason(b[3])
	switch {
	case (kind == frameOffer || kind == frameAnswer) && len(b) == offerSize:
		copy(f.proof[:], b[3:])
	case (kind == frameAdmitted || kind == frameBye) && len(b) == verdictSize && reason == 0:
	case kind == frameRefused && len(b) == verdictSize && reason != 0:
		f.reason = reason
	default:
		return frame{}, false
	}
	f.kind, f.way = kind, way(b[2])
	return f, true
}
