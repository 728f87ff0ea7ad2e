package crypto

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
)

// A group key proves membership, not authorship: any member can seal in the
// name of any sender. What only its author may say is therefore signed as well,
// with an Ed25519 key made for one session (RFC 8032). Signed is
//
//	"joinleaf1 " ‖ kind ‖ 0x00 ‖ session id 16 ‖ author u32 ‖ body
//
// so that one kind, session or author never passes for another, and the
// signature, 64 bytes, stands behind the body.
const (
	signRekey    = "rekey"
	signEpoch    = "epoch"
	signManifest = "manifest"

	signatureSize = ed25519.SignatureSize
)

// PublicKey is an author's Ed25519 public key. It is no secret.
type PublicKey [ed25519.PublicKeySize]byte

// IsZero reports whether k is no key at all.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// veil keeps what it points at out of every printed struct; see secret.
type veil[T any] struct{ of *T }

// Author signs for one member of one session. All methods but Wipe are safe for
// concurrent use.
type Author struct {
	session SessionID
	self    uint32
	public  PublicKey
	hidden  *veil[ed25519.PrivateKey] // holds nil once wiped
}

// NewAuthor draws a signing key for member self of a session. It lives as long
// as the session does: no lasting key ever signs data.
func NewAuthor(session SessionID, self uint32) (*Author, error) {
	if session == (SessionID{}) || self == 0 {
		return nil, errors.New("crypto: an author needs a session and a member id")
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return nil, fmt.Errorf("crypto: no signing key: %w", err)
	}
	return &Author{session, self, PublicKey(public), &veil[ed25519.PrivateKey]{&private}}, nil
}

// Public returns the key that others check the signatures with.
func (a *Author) Public() PublicKey { return a.public }

// sign appends the signature of b[from:] to b. It panics once a was wiped: a
// key of zeros is one that everybody has.
func (a *Author) sign(b []byte, kind string, from int) []byte {
	if a.hidden.of == nil {
		panic("crypto: an author signs after it was wiped")
	}
	var room [signedRoom]byte
	msg := appendStatement(room[:0], kind, a.session, a.self, b[from:])
	return append(b, ed25519.Sign(*a.hidden.of, msg)...)
}

// AppendSigned appends body and its signature as a statement of that kind.
// Kinds are words of the caller's own; "rekey", "epoch" and "manifest" are
// taken. See [Witness.Signed].
func (a *Author) AppendSigned(b []byte, kind string, body []byte) []byte {
	from := len(b)
	return a.sign(append(b, body...), kind, from)
}

// signedRoom is what most statements fit in: they are made on the stack, for one
// is signed, and one is checked, every few hundred packets.
const signedRoom = 1536

func appendStatement(b []byte, kind string, session SessionID, author uint32, body []byte) []byte {
	b = append(append(append(b, labelPrefix...), kind...), 0)
	b = append(b, session[:]...)
	b = binary.BigEndian.AppendUint32(b, author)
	return append(b, body...)
}

// Wipe clears the key. Copies that crypto/ed25519 has cached are out of reach.
func (a *Author) Wipe() {
	if a.hidden.of != nil {
		clear(*a.hidden.of)
		a.hidden.of = nil
	}
}

// String names the author and hides the key.
func (a *Author) String() string {
	return fmt.Sprintf("author %d of session %v", a.self, a.session)
}

// GoString is String.
func (a *Author) GoString() string { return a.String() }

// Format is String for every verb.
func (a *Author) Format(f fmt.State, _ rune) { redact(f, a.String()) }

// LogValue is String.
func (a *Author) LogValue() slog.Value { return slog.StringValue(a.String()) }
