package flow

import "encoding/binary"

// A STATUS is a member's word on what it has and what it can take. In a
// session of equals one STATUS speaks to all senders.
//
//	type 1 | flags 1 | echo 4 | held 4 | expected 4 | heard 4 | n 1 | n x {sender 4, stream 2, delivered 6, highest 6, limit 6}
//	| lost, rebuilt, host drops, late, replayed: varints
//
//	flags      bit 0: echo and held hold, for all senders named
//	expected   packets the sender is known to have sent to the group since Start, mod 2^32
//	heard      how many of them came
//	delivered  next sequence that the application has not taken
//	highest    sequence after the highest known to be sent
//	limit      first sequence that must not be sent yet
type status struct {
	echoed          bool
	echo, held      uint32
	expected, heard uint32
	n               int
	streams         [mostStatusStreams]statusStream
	lost            uint64
	rebuilt         uint64
	host            uint64
	late            uint64
	replayed        uint64
}

type statusStream struct {
	sender                    Member
	stream                    Stream
	delivered, highest, limit uint64
}

const (
	statusHead        = 19
	statusEntry       = 24
	mostStatusStreams = MaxStreams
)

func appendStatus(b []byte, f *status) []byte {
	b = append(b, frameStatus, bit(f.echoed))
	for _, v := range [...]uint32{f.echo, f.held, f.expected, f.heard} {
		b = binary.BigEndian.AppendUint32(b, v)
	}
	b = append(b, byte(f.n))
	for i := range f.n {
		s := &f.streams[i]
		b = binary.BigEndian.AppendUint32(b, s.sender)
		b = binary.BigEndian.AppendUint16(b, s.stream)
		b = append48(append48(append48(b, s.delivered), s.highest), s.limit)
	}
	for _, v := range [...]uint64{f.lost, f.rebuilt, f.host, f.late, f.replayed} {
		b = binary.AppendUvarint(b, v)
	}
	return b
}

func parseStatus(b []byte, f *status) bool {
	if len(b) < statusHead || b[0] != frameStatus || b[1] > 1 {
		return false
	}
	f.echoed = b[1] == 1
	f.echo, f.held = binary.BigEndian.Uint32(b[2:]), binary.BigEndian.Uint32(b[6:])
	f.expected, f.heard = binary.BigEndian.Uint32(b[10:]), binary.BigEndian.Uint32(b[14:])
	f.n = int(b[18])
	if !f.echoed && f.echo|f.held != 0 || f.n > mostStatusStreams || len(b) < statusHead+f.n*statusEntry {
		return false
	}
	b = b[statusHead:]
	for i := range f.n {
		s := &f.streams[i]
		s.sender = binary.BigEndian.Uint32(b)
		s.stream = binary.BigEndian.Uint16(b[4:])
		s.delivered, s.highest, s.limit = get48(b[6:]), get48(b[12:]), get48(b[18:])
		if s.delivered > s.highest {
			return false
		}
		b = b[statusEntry:]
	}
	for _, v := range [...]*uint64{&f.lost, &f.rebuilt, &f.host, &f.late, &f.replayed} {
		var n int
		if *v, n = varint(b); n == 0 {
			return false
		}
		b = b[n:]
	}
	return len(b) == 0
}
