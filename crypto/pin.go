package crypto

import (
	"crypto"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"strings"
)

// Pin is the fingerprint of a public key: SHA-256 of its SubjectPublicKeyInfo.
// It is public and may stand on a command line. The zero Pin is none.
type Pin [sha256.Size]byte

const pinPrefix = "sha256:"

var pinEncoding = base64.RawURLEncoding.Strict()

var errPinText = fmt.Errorf("%w: not a fingerprint; it reads %s and 43 letters, digits, - or _, as the root shows it", ErrIdentity, pinPrefix)

// String returns "sha256:" and the hash in unpadded base64 with - and _.
func (p Pin) String() string { return pinPrefix + pinEncoding.EncodeToString(p[:]) }

// ParsePin reads what String wrote; spaces around it do not matter.
func ParsePin(text string) (Pin, error) {
	var p Pin
	hash, ok := strings.CutPrefix(strings.TrimSpace(text), pinPrefix)
	if !ok || len(hash) != pinEncoding.EncodedLen(len(p)) || strings.ContainsAny(hash, "\r\n") {
		return Pin{}, errPinText
	}
	if _, err := pinEncoding.Decode(p[:], []byte(hash)); err != nil || p.IsZero() {
		return Pin{}, errPinText
	}
	return p, nil
}

// IsZero reports whether there is no fingerprint.
func (p Pin) IsZero() bool { return p == Pin{} }

// MarshalText is String, and empty for the zero Pin.
func (p Pin) MarshalText() ([]byte, error) {
	if p.IsZero() {
		return nil, nil
	}
	return []byte(p.String()), nil
}

// UnmarshalText is ParsePin; an empty text is the zero Pin.
func (p *Pin) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*p = Pin{}
		return nil
	}
	*p, err = ParsePin(string(text))
	return err
}

// PinOf returns the fingerprint of a certificate's key.
func PinOf(c *x509.Certificate) Pin { return sha256.Sum256(c.RawSubjectPublicKeyInfo) }

func pinOfKey(key crypto.PublicKey) (Pin, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return Pin{}, fmt.Errorf("%w: Key has a public key that certificates cannot carry: %w", ErrIdentity, err)
	}
	return sha256.Sum256(der), nil
}

func (p Pin) equal(q Pin) bool { return subtle.ConstantTimeCompare(p[:], q[:]) == 1 }
