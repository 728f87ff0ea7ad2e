package session

// Opened is what a packet held. It is an unnamed struct, declared alike by the
// key ring, so that the two packages need not know each other.
type Opened = struct {
	Payload       []byte // aliases the packet
	Sender        uint32
	Number, Epoch uint64
	Kind, Flags   uint8
	Pairwise      bool
}

// Sealer is what the data plane needs of the keys: crypto.Ring is one. SealAll is
// called by one goroutine at a time, Open by several.
type Sealer interface {
	// Overhead is what SealAll adds to a payload, in bytes.
	Overhead() int
	// SealAll appends a sealed packet for member to (0: the group) to dst, of each
	// payload; nothing if it fails.
	SealAll(dst []byte, to uint32, kind, flags uint8, payloads [][]byte) ([]byte, error)
	// Open checks, decrypts in place and only then marks the number as seen.
	// drop is zero or one of the first nine values of Drop.
	Open(packet []byte) (o Opened, drop uint8)
}

// kindData is the packet kind that carries the frames of transport/flow. Packets
// of the others that a sealer opens are handed on: see Config.Keys.
const kindData = 0
