package control

import (
	"encoding/binary"

	"github.com/joinleaf/joinleaf/transport"
)

// Bye ends a membership. Code 0 is a close in good order; the edges say how
// far the sender of BYE has sent, so the other side knows what is still due
// (R137).
type Bye struct {
	Code  transport.Code
	Text  string
	Edges []Edge
}

// BYE:
//
//	code(4) text(text) edges

// Append appends the whole frame to b.
func (y Bye) Append(b []byte) []byte {
	b, start := begin(b, TypeBye)
	b = binary.BigEndian.AppendUint32(b, uint32(y.Code))
	b = appendText(b, y.Text, MaxText)
	return finish(appendEdges(b, y.Edges), start)
}

// ParseBye reads a BYE.
func ParseBye(frame []byte) (Bye, error) {
	s := open(frame, TypeBye)
	y := Bye{Code: s.code()}
	text, edges := s.text(MaxText), s.edges()
	if err := s.end(); err != nil {
		return Bye{}, err
	}
	y.Text, y.Edges = string(text), decodeEdges(edges)
	return y, nil
}

// Chat is one message of a side chat (R230).
type Chat struct {
	Data []byte
}

// CHAT:
//
//	data, to the frame's end

// Append appends the whole frame to b.
func (c Chat) Append(b []byte) []byte {
	b, start := begin(b, TypeChat)
	return finish(append(b, c.Data...), start)
}

// ParseChat reads a CHAT. Data points into frame.
func ParseChat(frame []byte) (Chat, error) {
	s := open(frame, TypeChat)
	s.check(len(s.rest) <= MaxChat, FaultLimit)
	data := s.take(len(s.rest))
	if err := s.end(); err != nil {
		return Chat{}, err
	}
	return Chat{data}, nil
}
