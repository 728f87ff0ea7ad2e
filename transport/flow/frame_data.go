package flow

import "encoding/binary"

// A DATA frame: a head of 16 bytes, then the symbol. Behind the payload there
// may be zeros, which make it as long as its neighbours in a batch.
//
//	type 1 | geom 1 | stream 2 | seq 6 | pos 2 | sent 4 || len 2 | head 2 | message 4 | payload len | zeros
//
//	geom     log2 of the interleave D in bits 7-5, class in bits 4-3, last of its block in bit 2, bits 1-0 zero
//	pos      place within the block, so that seq - pos names the block
//	sent     microseconds of the sender's clock, mod 2^32
//	head     offset of the first record that starts in this payload; 65535: none does
//	message  number of that record, or of the next one to start, mod 2^32
//
// The payload is a run of records, {length varint, bytes}, that go on from
// symbol to symbol. A length never straddles: where it does not fit the symbol
// ends.
type data struct {
	interleave uint8 // log2
	class      Class
	last       bool
	stream     Stream
	seq        uint64
	pos        uint16
	sent       uint32
	head       uint16
	message    uint32
	payload    []byte
	zeros      int
}

func geometry(interleave uint8, class Class, last bool) byte {
	g := interleave<<5 | byte(class)<<3
	if last {
		g |= 4
	}
	return g
}

// putDataHead fills the first 24 bytes of a slot.
func putDataHead(b []byte, d *data) {
	_ = b[HeadSize+symbolHead-1]
	b[0] = frameData
	b[1] = geometry(d.interleave, d.class, d.last)
	binary.BigEndian.PutUint16(b[2:], d.stream)
	put48(b[4:], d.seq)
	binary.BigEndian.PutUint16(b[10:], d.pos)
	binary.BigEndian.PutUint32(b[12:], d.sent)
	binary.BigEndian.PutUint16(b[16:], uint16(len(d.payload)))
	binary.BigEndian.PutUint16(b[18:], d.head)
	binary.BigEndian.PutUint32(b[20:], d.message)
}

func appendData(b []byte, d *data) []byte {
	var head [HeadSize + symbolHead]byte
	putDataHead(head[:], d)
	b = append(append(b, head[:]...), d.payload...)
	return append(b, make([]byte, d.zeros)...)
}

// parseData reads a frame into d. Every rule that does not depend on the
// receiver's state is checked here.
func parseData(b []byte, d *data) bool {
	if len(b) <= HeadSize+symbolHead || b[0] != frameData || b[1]&3 != 0 {
		return false
	}
	n := int(binary.BigEndian.Uint16(b[16:]))
	d.interleave, d.class, d.last = b[1]>>5, Class(b[1]>>3&3), b[1]&4 != 0
	d.stream = binary.BigEndian.Uint16(b[2:])
	d.seq = get48(b[4:])
	d.pos = binary.BigEndian.Uint16(b[10:])
	d.sent = binary.BigEndian.Uint32(b[12:])
	d.head = binary.BigEndian.Uint16(b[18:])
	d.message = binary.BigEndian.Uint32(b[20:])
	rest := b[HeadSize+symbolHead:]
	if n == 0 || n > len(rest) || d.head != noHead && int(d.head) >= n {
		return false
	}
	if d.interleave > 4 || int(d.pos) >= blockSize<<d.interleave || uint64(d.pos) > d.seq {
		return false
	}
	d.payload, d.zeros = rest[:n], len(rest)-n
	for _, z := range rest[n:] {
		if z != 0 {
			return false
		}
	}
	return true
}

// numberIn reads the message number out of a closed packet's slot.
func numberIn(slot []byte) uint32 { return binary.BigEndian.Uint32(slot[20:]) }
