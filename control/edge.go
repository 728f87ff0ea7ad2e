package control

import "encoding/binary"

// Edge is how far a stream has come: the next sequence number and the next
// message number. The fields are flow's, so one converts to the other.
type Edge struct {
	Stream  uint16
	Seq     uint64
	Message uint64
}

const edgeSize = 18

// Edges, inside START, BEAT and BYE, streams rising:
//
//	n(1), then n times stream(2) seq(8) message(8)
func appendEdges(b []byte, es []Edge) []byte {
	b = append(b, byte(len(es)))
	for _, e := range es {
		b = binary.BigEndian.AppendUint16(b, e.Stream)
		b = binary.BigEndian.AppendUint64(b, e.Seq)
		b = binary.BigEndian.AppendUint64(b, e.Message)
	}
	return b
}

// edges checks a list and returns its bytes, for decodeEdges once the whole
// frame is known to be good.
func (s *scan) edges() []byte {
	raw := s.take(s.count(uint32(s.u8()), MaxStreams) * edgeSize)
	last := -1
	for b := raw; len(b) > 0; b = b[edgeSize:] {
		stream := int(binary.BigEndian.Uint16(b))
		s.check(stream > last, FaultValue)
		last = stream
	}
	return raw
}

func decodeEdges(raw []byte) []Edge {
	var es []Edge
	if len(raw) > 0 {
		es = make([]Edge, 0, len(raw)/edgeSize)
	}
	for b := raw; len(b) > 0; b = b[edgeSize:] {
		es = append(es, Edge{
			Stream:  binary.BigEndian.Uint16(b),
			Seq:     binary.BigEndian.Uint64(b[2:]),
			Message: binary.BigEndian.Uint64(b[10:]),
		})
	}
	return es
}

// checkEdges reports a list that no peer would take.
func checkEdges(es []Edge) error {
	if len(es) > MaxStreams {
		return invalid("edges of more than 16 streams")
	}
	for i := 1; i < len(es); i++ {
		if es[i].Stream <= es[i-1].Stream {
			return invalid("edges must name rising streams")
		}
	}
	return nil
}
