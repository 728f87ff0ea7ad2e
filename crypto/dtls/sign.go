package dtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math/big"
	"strings"

	"github.com/joinleaf/joinleaf/crypto"
)

// SignatureSize is the size of what Sign makes: the key, compressed, and the two
// numbers of ECDSA on P-256 with SHA-256.
const SignatureSize = 33 + 32 + 32

// signed begins what Sign signs. A handshake signs with the same key, and what it
// signs begins with 32 bytes that the other end chose and 32 of our own: this is
// longer than both, so that nobody can have a handshake sign a text (RFC 8446,
// 4.4.3, does the same).
var signed = strings.Repeat(" ", 64) + "joinleaf1 said by a member\x00"

// Sign signs a text with the key that Pin is the fingerprint of. Who knows the pin
// can check it without an association, see Verify: what one member said to another
// can so be shown to a third.
func (e *Endpoint) Sign(text []byte) (sig [SignatureSize]byte, err error) {
	key, ok := e.own.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return sig, fmt.Errorf("dtls: %w: it has no P-256 key to sign with", crypto.ErrIdentity)
	}
	h := sha256.Sum256(append([]byte(signed), text...))
	r, s, err := ecdsa.Sign(rand.Reader, key, h[:])
	if err != nil {
		return sig, fmt.Errorf("dtls: signing: %w", err)
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return sig, fmt.Errorf("dtls: signing: %w", err)
	}
	sig[0] = 2 | point[64]&1
	copy(sig[1:33], point[1:33])
	r.FillBytes(sig[33:65])
	s.FillBytes(sig[65:])
	return sig, nil
}

// Verify reports whose key signed a text, by its fingerprint.
func Verify(text []byte, sig [SignatureSize]byte) (pin crypto.Pin, ok bool) {
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), sig[:33])
	if x == nil {
		return pin, false
	}
	point := make([]byte, 65)
	point[0] = 4
	x.FillBytes(point[1:33])
	y.FillBytes(point[33:])
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return pin, false
	}
	h := sha256.Sum256(append([]byte(signed), text...))
	if !ecdsa.Verify(key, h[:], new(big.Int).SetBytes(sig[33:65]), new(big.Int).SetBytes(sig[65:])) {
		return pin, false
	}
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return pin, false
	}
	return sha256.Sum256(der), true
}
