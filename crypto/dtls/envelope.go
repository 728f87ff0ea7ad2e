package dtls

import "net/netip"

// What the endpoints put on the wire. DTLS records travel inside; the id, which
// the dialler draws, tells associations apart, so that two ends can dial each
// other at once, a restarted end can dial again, and somebody who sees no
// packets cannot send any that reach an association. All numbers big-endian.
//
//	ASK    20 | version 1 | id 8 | zero to 80 bytes     dialler: may I?
//	GIVE   21 | version 1 | id 8 | token 16             acceptor: if you hear this
//	OPEN   22 | version 1 | id 8 | token 16 | records   dialler, until it is admitted
//	CARRY  23 | version 1 | id 8 | records              everybody else
//
// An ASK is three times a GIVE and a bit: who lies about its address has a
// third of its bytes sent there, and no state is kept (RFC 6347, 4.2.1, does
// the same with a cookie). The first byte alone, 20 to 23, tells these packets
// from all others on a shared socket.
const (
	kindAsk   = 20
	kindGive  = 21
	kindOpen  = 22
	kindCarry = 23

	envelopeVersion = 1

	idSize    = 8
	tokenSize = 16

	carrySize = 2 + idSize
	giveSize  = carrySize + tokenSize
	openSize  = carrySize + tokenSize
	askSize   = 80
)

type (
	id    [idSize]byte
	token [tokenSize]byte
)

type envelope struct {
	kind    uint8
	id      id
	token   token  // GIVE and OPEN
	records []byte // OPEN and CARRY, never empty; a part of the packet
}

// Owns reports whether packet is for an Endpoint, by its first byte. Packets
// that crypto.Ring seals never are.
func Owns(packet []byte) bool {
	return len(packet) > 0 && packet[0] >= kindAsk && packet[0] <= kindCarry
}

func (v *envelope) append(b []byte) []byte {
	b = append(b, v.kind, envelopeVersion)
	b = append(b, v.id[:]...)
	switch v.kind {
	case kindAsk:
		b = append(b, make([]byte, askSize-carrySize)...)
	case kindGive, kindOpen:
		b = append(b, v.token[:]...)
	}
	return append(b, v.records...)
}

// parseEnvelope refuses what no Endpoint writes.
func parseEnvelope(b []byte) (v envelope, d Drop) {
	switch {
	case !Owns(b):
		return v, DropStrange
	case len(b) < carrySize:
		return v, DropMalformed
	case b[1] != envelopeVersion:
		return v, DropVersion
	}
	v.kind = b[0]
	copy(v.id[:], b[2:])
	rest := b[carrySize:]
	if v.kind == kindAsk {
		if len(b) != askSize || !zero(rest) {
			return envelope{}, DropMalformed
		}
		return v, 0
	}
	if v.kind != kindCarry {
		if len(rest) < tokenSize {
			return envelope{}, DropMalformed
		}
		copy(v.token[:], rest)
		rest = rest[tokenSize:]
	}
	if (v.kind == kindGive) != (len(rest) == 0) {
		return envelope{}, DropMalformed
	}
	v.records = rest
	return v, 0
}

func zero(b []byte) bool {
	var or byte
	for _, x := range b {
		or |= x
	}
	return or == 0
}

// plainAddr makes one address of the two ways to write an IPv4 one.
func plainAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
