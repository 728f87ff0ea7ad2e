package crypto

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"fmt"
	"runtime"

	"github.com/joinleaf/joinleaf/crypto/aesgcm"
	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/sys/cpu"
)

// Suite is how packets are sealed. The root picks it, it is part of the
// session's parameters and so of every key; there is none that does not seal.
type Suite uint8

// The suites.
const (
	AES256GCM            Suite = 1 // counter nonce
	AES256GCMRandomNonce Suite = 2 // FIPS 140-3: random nonce, 12 bytes before the ciphertext
	ChaCha20Poly1305     Suite = 3 // counter nonce; no AES hardware needed
)

const (
	tagSize   = 16
	nonceSize = 12
)

// DefaultSuite picks for this process: suite 2 when FIPS 140-3 is enforced,
// suite 1 where the CPU has AES and carry-less multiplication, else suite 3.
func DefaultSuite() Suite {
	switch {
	case fips140.Enforced():
		return AES256GCMRandomNonce
	case hasAES():
		return AES256GCM
	}
	return ChaCha20Poly1305
}

func hasAES() bool {
	switch runtime.GOARCH {
	case "amd64", "386":
		return cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ
	case "arm64":
		return cpu.ARM64.HasAES && cpu.ARM64.HasPMULL
	}
	return false
}

// Overhead is what sealing adds to a payload, in bytes: header, tag and, in
// suite 2, nonce.
func (s Suite) Overhead() int {
	if s == AES256GCMRandomNonce {
		return headerSize + nonceSize + tagSize
	}
	return headerSize + tagSize
}

// Valid reports whether s is a suite that this version knows.
func (s Suite) Valid() bool { return s >= AES256GCM && s <= ChaCha20Poly1305 }

// Check reports whether this process may use the suite and says why not.
func (s Suite) Check() error {
	switch {
	case !s.Valid():
		return fmt.Errorf("%w: suite %d is unknown; use a version of joinleaf that has it", ErrVersion, uint8(s))
	case s != AES256GCMRandomNonce && fips140.Enforced():
		return fmt.Errorf("%w: %v is not allowed while FIPS 140-3 is enforced; choose %v", ErrVersion, s, AES256GCMRandomNonce)
	}
	return nil
}

// String returns the AEAD's name.
func (s Suite) String() string {
	switch s {
	case AES256GCM:
		return "AES-256-GCM"
	case AES256GCMRandomNonce:
		return "AES-256-GCM with random nonce"
	case ChaCha20Poly1305:
		return "ChaCha20-Poly1305"
	}
	return fmt.Sprintf("suite %d", uint8(s))
}

// newAEAD makes the cipher of one data key. NewRing has checked the suite and
// the key's length is fixed, so a refusal is a broken promise, not an event.
func newAEAD(s Suite, key *secret) cipher.AEAD {
	a, err := buildAEAD(s, key)
	if err != nil {
		panic("crypto: " + s.String() + " refused its key: " + err.Error())
	}
	return a
}

func buildAEAD(s Suite, key *secret) (cipher.AEAD, error) {
	switch s {
	case AES256GCM:
		return aesgcm.New((*[aesgcm.KeySize]byte)(key))
	case ChaCha20Poly1305:
		return chacha20poly1305.New(key[:])
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}
