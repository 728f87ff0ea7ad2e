package control

import (
	"encoding/binary"
	"net/netip"
)

// Ready says that the leaf has joined the group and holds this epoch, and
// where it hears unicast.
type Ready struct {
	Epoch uint64
	Addr  netip.AddrPort // the port matters; an unspecified address is the control connection's
}

// READY:
//
//	epoch(8) address(18)

// Append appends the whole frame to b.
func (r Ready) Append(b []byte) []byte {
	b, start := begin(b, TypeReady)
	b = binary.BigEndian.AppendUint64(b, r.Epoch)
	return finish(appendAddrPort(b, r.Addr), start)
}

// ParseReady reads a READY.
func ParseReady(frame []byte) (Ready, error) {
	s := open(frame, TypeReady)
	r := Ready{Epoch: s.u64(), Addr: s.addrPort()}
	s.check(r.Addr.Port() != 0 && !r.Addr.Addr().IsMulticast(), FaultValue)
	if err := s.end(); err != nil {
		return Ready{}, err
	}
	return r, nil
}

// Start counts the leaf in: it is owed every message from the edges on and
// none before (R244).
type Start struct {
	Epoch uint64
	Edges []Edge
}

// START and BEAT:
//
//	epoch(8) edges

// Append appends the whole frame to b.
func (t Start) Append(b []byte) []byte { return appendEpochEdges(b, TypeStart, t.Epoch, t.Edges) }

// ParseStart reads a START.
func ParseStart(frame []byte) (Start, error) {
	epoch, edges, err := parseEpochEdges(frame, TypeStart)
	return Start{epoch, edges}, err
}

// Beat says that its sender lives, which epoch it holds and how far it has
// sent: a receiver that has heard none of it knows that its data path is
// broken, not idle.
type Beat struct {
	Epoch uint64 // 0: none yet
	Edges []Edge
}

// Append appends the whole frame to b.
func (t Beat) Append(b []byte) []byte { return appendEpochEdges(b, TypeBeat, t.Epoch, t.Edges) }

// ParseBeat reads a BEAT.
func ParseBeat(frame []byte) (Beat, error) {
	epoch, edges, err := parseEpochEdges(frame, TypeBeat)
	return Beat{epoch, edges}, err
}

func appendEpochEdges(b []byte, t Type, epoch uint64, edges []Edge) []byte {
	b, start := begin(b, t)
	b = binary.BigEndian.AppendUint64(b, epoch)
	return finish(appendEdges(b, edges), start)
}

func parseEpochEdges(frame []byte, t Type) (uint64, []Edge, error) {
	s := open(frame, t)
	epoch, edges := s.u64(), s.edges()
	if err := s.end(); err != nil {
		return 0, nil, err
	}
	return epoch, decodeEdges(edges), nil
}
