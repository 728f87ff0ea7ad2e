package flow

import "encoding/binary"

// A PARITY frame is one row of a column of a block: with as many different rows
// as it lacks symbols of that column, a member rebuilds them, whichever they are.
//
//	type 1 | geom 1 | stream 2 | first 6 | row 1 | place 2 | sent 3 || symbol
//
//	geom    as in DATA: log2 of the interleave D, class; the other bits zero
//	first   the block's first sequence
//	row     0 to 191, see code.go
//	place   column in bits 15-12, bits 11-10 zero, the block's number of symbols less one in bits 9-0
//	sent    the low 24 bits of the sender's microseconds
//	symbol  as long as the longest of the column's, {len 2, head 2, message 4, payload}; what lacks behind is zeros
type parity struct {
	interleave uint8 // log2
	class      Class
	stream     Stream
	first      uint64
	row        uint8
	column     int
	n          int
	sent       uint32 // 24 bits
	symbol     []byte
}

// putParityHead fills the first 16 bytes of a frame.
func putParityHead(b []byte, p *parity) {
	_ = b[HeadSize-1]
	b[0] = frameParity
	b[1] = geometry(p.interleave, p.class, false)
	binary.BigEndian.PutUint16(b[2:], p.stream)
	put48(b[4:], p.first)
	b[10] = p.row
	binary.BigEndian.PutUint16(b[11:], uint16(p.column<<12|(p.n-1)))
	b[13], b[14], b[15] = byte(p.sent>>16), byte(p.sent>>8), byte(p.sent)
}

func appendParity(b []byte, p *parity) []byte {
	var head [HeadSize]byte
	putParityHead(head[:], p)
	return append(append(b, head[:]...), p.symbol...)
}

func parseParity(b []byte, p *parity) bool {
	if len(b) <= HeadSize+symbolHead || b[0] != frameParity || b[1]&7 != 0 {
		return false
	}
	place := binary.BigEndian.Uint16(b[11:])
	p.interleave, p.class = b[1]>>5, Class(b[1]>>3&3)
	p.stream = binary.BigEndian.Uint16(b[2:])
	p.first = get48(b[4:])
	p.row = b[10]
	p.column, p.n = int(place>>12), int(place&1023)+1
	p.sent = uint32(b[13])<<16 | uint32(b[14])<<8 | uint32(b[15])
	p.symbol = b[HeadSize:]
	if p.interleave > 4 || place>>10&3 != 0 || p.row >= codeRows || p.n > blockSize<<p.interleave {
		return false
	}
	return p.column < min(p.n, 1<<p.interleave) && p.first+uint64(p.n) <= seqMax
}
