package flow

import "encoding/binary"

// A NAK asks for every gap of one stream at once, oldest first (U1).
//
//	type 1 | flags 1 | stream 2 | echo 4 | held 4 | base 6 | {gap varint, run varint} ...
//
//	flags  bit 0: echo and held hold
//	echo   the newest `sent` that the member heard
//	held   microseconds between hearing it and sending this
//	base   the first sequence that lacks; a range starts gap after the one before ended, the first after base
type nak struct {
	echoed bool
	stream Stream
	echo   uint32
	held   uint32
	base   uint64
	ranges []byte // checked by parseNak
}

const nakHead = 18

func appendNak(b []byte, f *nak) []byte {
	b = append(b, frameNak, bit(f.echoed))
	b = binary.BigEndian.AppendUint16(b, f.stream)
	b = binary.BigEndian.AppendUint32(b, f.echo)
	b = binary.BigEndian.AppendUint32(b, f.held)
	b = append48(b, f.base)
	return append(b, f.ranges...)
}

// parseNak checks every range: at least one, none empty, none past 2^48. end is
// the sequence after the last.
func parseNak(b []byte, f *nak) (end uint64, ok bool) {
	if len(b) <= nakHead || b[0] != frameNak || b[1] > 1 {
		return 0, false
	}
	f.echoed = b[1] == 1
	f.stream = binary.BigEndian.Uint16(b[2:])
	f.echo = binary.BigEndian.Uint32(b[4:])
	f.held = binary.BigEndian.Uint32(b[8:])
	f.base = get48(b[12:])
	f.ranges = b[nakHead:]
	if !f.echoed && f.echo|f.held != 0 {
		return 0, false
	}
	end = f.base
	for rest := f.ranges; len(rest) > 0; {
		_, to, n := nakRange(rest, end)
		if n == 0 || to > seqMax {
			return 0, false
		}
		end, rest = to, rest[n:]
	}
	return end, true
}

// nakRange reads one range; n is 0 when it is broken or empty.
func nakRange(b []byte, end uint64) (from, to uint64, n int) {
	gap, n1 := varint(b)
	if n1 == 0 {
		return 0, 0, 0
	}
	run, n2 := varint(b[n1:])
	if n2 == 0 || run == 0 || gap > seqMax || run > seqMax {
		return 0, 0, 0
	}
	return end + gap, end + gap + run, n1 + n2
}

func appendNakRange(b []byte, gap, run uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(b, gap), run)
}

func bit(v bool) byte {
	if v {
		return 1
	}
	return 0
}
