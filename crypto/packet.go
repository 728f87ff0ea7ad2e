package crypto

import "encoding/binary"

// A sealed packet, big-endian:
//
//	 0      version (high nibble) = 1 | kind (low nibble)
//	 1      flags
//	 2..3   reserved, zero, checked
//	 4..7   session tag: SHA-256(session id)[:4]; finds, does not prove
//	 8..11  key id
//	12..15  sender id
//	16..23  packet number, u64, from 0 per (secret, sender)
//	24..    suite 2 only: nonce, 12 bytes; ciphertext; tag, 16 bytes
//
// Authenticated beside the ciphertext are the header and the group:
//
//	0..23 header | 24..39 group address as 16 bytes | 40..41 group port
//
// The nonce is iv xor (0⁴ ‖ packet number). Group address and port stand for
// pairwise packets too, since the address on the wire may be rewritten.
const (
	headerSize = 24
	aadSize    = headerSize + 16 + 2

	version = 1
)

// What a packet's low nibble says. 4 to 7 are never assigned: their first byte
// would be 20 to 23, which is a DTLS record's on the same socket. 8 to 10 are
// plain messages before admission and are never sealed.
const (
	KindData     = 0 // the data plane's frames
	KindManifest = 1
	KindRekey    = 2
	KindEpoch    = 3
	KindHello    = 8
	KindRetry    = 9
	KindOpen     = 10
)

const (
	generationBits = 22                // a data key seals at most 2^22 packets
	lastNumber     = uint64(1)<<48 - 1 // the last packet number there is
)

type header struct {
	kind, flags   uint8
	tag           uint32
	keyID, sender uint32
	number        uint64
}

// put writes h over b.
func (h *header) put(b *[headerSize]byte) {
	b[0] = version<<4 | h.kind
	b[1] = h.flags
	b[2], b[3] = 0, 0
	binary.BigEndian.PutUint32(b[4:], h.tag)
	binary.BigEndian.PutUint32(b[8:], h.keyID)
	binary.BigEndian.PutUint32(b[12:], h.sender)
	binary.BigEndian.PutUint64(b[16:], h.number)
}

// parse reads the header at the start of b and refuses what no sender of that
// version writes.
func (h *header) parse(b []byte, version uint8) Drop {
	if len(b) < headerSize {
		return DropShort
	}
	b = b[:headerSize]
	if b[0]>>4 != version || b[0]&15 > KindEpoch || b[2]|b[3] != 0 {
		return DropVersion
	}
	h.kind, h.flags = b[0]&15, b[1]
	h.tag = binary.BigEndian.Uint32(b[4:])
	h.keyID = binary.BigEndian.Uint32(b[8:])
	h.sender = binary.BigEndian.Uint32(b[12:])
	h.number = binary.BigEndian.Uint64(b[16:])
	return 0
}

// Drop says why a packet was not opened. It is a count, never an error:
// anybody can send anything.
type Drop uint8

// The reasons, in the order in which a packet meets them, but for Closed and
// Generation. Zero means opened.
const (
	DropShort      Drop = 1 // shorter than header and tag
	DropVersion    Drop = 2 // another version, a kind that is never sealed, reserved bits set
	DropSession    Drop = 3 // another session's tag
	DropKey        Drop = 4 // key id unknown: an epoch not yet told, or nobody's
	DropSender     Drop = 5 // not admitted to seal for the group
	DropReplay     Drop = 6 // opened before, or too old to tell
	DropForged     Drop = 7 // does not open
	DropClosed     Drop = 8 // the epoch is over, or the ring closed
	DropGeneration Drop = 9 // packet number too far ahead; not tried
)

// Drops is the number of reasons plus one: room for an array indexed by Drop.
const Drops = 10

var dropNames = [Drops]string{
	"opened", "short", "version", "session", "key", "sender", "replay", "forged", "closed", "generation",
}

// String returns the reason as one word, fit for a counter's name.
func (d Drop) String() string {
	if int(d) < len(dropNames) {
		return dropNames[d]
	}
	return "unknown"
}
