package control

import "encoding/binary"

// Two packets stand outside any channel: a stranger asks whether there is a
// session on this group, and its coordinator says that there is. They go over
// the group's membership port, in clear.
//
// HELLO, 1,200 bytes, so that whoever lies about its address gets less than a
// thirtieth of its bytes sent there:
//
//	0       1     2     10
//	+-------+-----+-----+------
//	| 0x4A  |  1  | lot | zeros
//	+-------+-----+-----+------
//
// HERE, 34 bytes, to a HELLO with its lot and to the group now and then with
// lot 0. The coordinator is whose address it came from.
//
//	0       1     2     10        18     34
//	+-------+-----+-----+---------+------+
//	| 0x4A  |  2  | lot | session | hash |    session: 8 bytes of its id,
//	+-------+-----+-----+---------+------+    hash: 16 bytes of the charter's
//
// The first byte is neither that of a DTLS packet nor of a sealed one.
const (
	plainMark = 0x4A
	kindHello = 1
	kindHere  = 2

	HelloSize = 1200
	HereSize  = 34
)

// Hello asks for sessions. Who founds one, should nobody answer, is decided by
// the lowest lot.
type Hello struct{ Lot uint64 }

// Here says that a session's coordinator is at the address it came from.
type Here struct {
	Lot     uint64
	Session [8]byte
	Charter [16]byte
}

// Append appends the packet to b.
func (h Hello) Append(b []byte) []byte {
	b = append(b, plainMark, kindHello)
	b = binary.BigEndian.AppendUint64(b, h.Lot)
	return append(b, make([]byte, HelloSize-10)...)
}

// ParseHello reads a HELLO.
func ParseHello(packet []byte) (Hello, error) {
	s := plain(packet, kindHello, HelloSize)
	h := Hello{s.u64()}
	var all byte
	for _, x := range s.take(len(s.rest)) {
		all |= x
	}
	s.check(all == 0, FaultValue)
	if err := s.end(); err != nil {
		return Hello{}, err
	}
	return h, nil
}

// Append appends the packet to b.
func (h Here) Append(b []byte) []byte {
	b = append(b, plainMark, kindHere)
	b = binary.BigEndian.AppendUint64(b, h.Lot)
	return append(append(b, h.Session[:]...), h.Charter[:]...)
}

// ParseHere reads a HERE.
func ParseHere(packet []byte) (Here, error) {
	s := plain(packet, kindHere, HereSize)
	h := Here{Lot: s.u64()}
	copy(h.Session[:], s.take(8))
	copy(h.Charter[:], s.take(16))
	if err := s.end(); err != nil {
		return Here{}, err
	}
	return h, nil
}

func plain(packet []byte, kind uint8, size int) scan {
	s := scan{rest: packet}
	s.check(len(packet) == size, FaultLength)
	s.check(s.u8() == plainMark, FaultType)
	s.check(s.u8() == kind, FaultType)
	return s
}
