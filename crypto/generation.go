package crypto

import (
	"crypto/cipher"
	"encoding/binary"
)

// A generation is one data key: 2^22 packets of one sender under one secret.
// It does not change once made, so goroutines share it freely.
type generation struct {
	number uint32
	aead   cipher.AEAD
	iv     [nonceSize]byte
}

// maker makes the cipher of a data key. Tests put a recorder in its place.
type maker func(key *secret) cipher.AEAD

func newGeneration(from *secret, number uint32, build maker) *generation {
	key, iv := dataKey(from, number)
	defer key.wipe()
	return &generation{number: number, aead: build(key), iv: iv}
}

// scratch is what a call into a cipher needs in memory that outlives the call's
// stack frame: arguments of interface calls do, and the hot path must not
// allocate them. Nothing in it is secret.
type scratch struct {
	aad   [aadSize]byte
	nonce [nonceSize]byte
}

// nonceFor returns iv xor (0⁴ ‖ number), or nothing for a cipher that carries
// its own nonce.
func (g *generation) nonceFor(s *scratch, number uint64) []byte {
	copy(s.nonce[:4], g.iv[:4])
	binary.BigEndian.PutUint64(s.nonce[4:], binary.BigEndian.Uint64(g.iv[4:])^number)
	return s.nonce[:g.aead.NonceSize()]
}

// seal appends the packet whose header is in s to dst.
func (g *generation) seal(s *scratch, dst []byte, number uint64, payload []byte) []byte {
	dst = append(dst, s.aad[:headerSize]...)
	return g.aead.Seal(dst, g.nonceFor(s, number), payload, s.aad[:])
}

// open decrypts the packet whose header is in s, in place.
func (g *generation) open(s *scratch, packet []byte, number uint64) ([]byte, error) {
	sealed := packet[headerSize:]
	return g.aead.Open(sealed[:0], g.nonceFor(s, number), sealed, s.aad[:])
}

// generationOf says which data key a packet number belongs to.
func generationOf(number uint64) uint32 { return uint32(number >> generationBits) }
