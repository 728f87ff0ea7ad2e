package dtls

import "encoding/binary"

// A DTLS 1.2 record (RFC 6347, 4.1):
//
//	0 content type | 1..2 version FE FD | 3..4 epoch | 5..10 number | 11..12 length | 13.. body
const recordHeader = 13

const (
	contentCipher    = 20 // ChangeCipherSpec
	contentAlert     = 21
	contentHandshake = 22
	contentData      = 23

	dtls12 = 0xFEFD
)

type record struct {
	content uint8
	version uint16
	epoch   uint16
	number  uint64 // 48 bits
	body    []byte
}

func (r *record) append(b []byte) []byte {
	b = append(b, r.content)
	b = binary.BigEndian.AppendUint16(b, r.version)
	b = binary.BigEndian.AppendUint64(b, uint64(r.epoch)<<48|r.number)
	b = binary.BigEndian.AppendUint16(b, uint16(len(r.body)))
	return append(b, r.body...)
}

// cutRecord cuts the first record off b, which is not empty.
func cutRecord(b []byte) (r record, rest []byte, ok bool) {
	if len(b) < recordHeader {
		return record{}, nil, false
	}
	n := recordHeader + int(binary.BigEndian.Uint16(b[11:]))
	if n == recordHeader || n > len(b) { // an empty body says nothing in any content type
		return record{}, nil, false
	}
	both := binary.BigEndian.Uint64(b[3:])
	return record{
		content: b[0],
		version: binary.BigEndian.Uint16(b[1:]),
		epoch:   uint16(both >> 48),
		number:  both & (1<<48 - 1),
		body:    b[recordHeader:n],
	}, b[n:], true
}

// A handshake fragment, the body of a handshake record (RFC 6347, 4.2.2). One
// record holds one fragment.
//
//	0 message type | 1..3 message length | 4..5 message number | 6..8 offset | 9..11 fragment length | 12.. fragment
const fragmentHeader = 12

const (
	messageClientHello        = 1
	messageServerHello        = 2
	messageHelloVerify        = 3
	messageCertificate        = 11
	messageServerKey          = 12
	messageCertificateRequest = 13
	messageServerHelloDone    = 14
	messageCertificateVerify  = 15
	messageClientKey          = 16
	messageFinished           = 20
)

type fragment struct {
	message uint8
	length  uint32 // of the whole message, 24 bits
	number  uint16
	offset  uint32 // 24 bits
	body    []byte
}

func (f *fragment) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(f.message)<<24|f.length)
	b = binary.BigEndian.AppendUint16(b, f.number)
	b = append(b, byte(f.offset>>16), byte(f.offset>>8), byte(f.offset))
	b = append(b, byte(len(f.body)>>16), byte(len(f.body)>>8), byte(len(f.body)))
	return append(b, f.body...)
}

// parseFragment reads a record's body that is one fragment and nothing else.
func parseFragment(b []byte) (f fragment, ok bool) {
	if len(b) < fragmentHeader {
		return f, false
	}
	first := binary.BigEndian.Uint32(b)
	f = fragment{
		message: uint8(first >> 24),
		length:  first & (1<<24 - 1),
		number:  binary.BigEndian.Uint16(b[4:]),
		offset:  uint32(b[6])<<16 | uint32(b[7])<<8 | uint32(b[8]),
		body:    b[fragmentHeader:],
	}
	if n := uint32(b[9])<<16 | uint32(b[10])<<8 | uint32(b[11]); n != uint32(len(f.body)) {
		return fragment{}, false
	}
	return f, true
}
