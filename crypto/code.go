package crypto

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"log/slog"
	"strings"
)

// A join code is 16 to 64 random bytes and, behind them, the first 4 of
// SHA-256("joinleaf1 code" ‖ 0x00 ‖ bytes), in base32 without padding. For
// people it is written in groups of four with dashes between.
const (
	codeBytes  = 16 // what NewCode draws
	minCode    = 16
	maxCode    = 64
	checkBytes = 4
	codeGroup  = 4

	maxCodeChars = (8*(maxCode+checkBytes) + 4) / 5
	maxCodeInput = 4 * maxCodeChars // with separators; longer is not looked at
)

var codeEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// The refusals never repeat what was read: it may be most of a secret.
var (
	errCodeEmpty = fmt.Errorf("%w: the join code is empty; copy the one that the root's side shows", ErrIdentity)
	errCodeChars = fmt.Errorf("%w: the join code has characters that no code has (letters A to Z and digits 2 to 7 only); "+
		"copy it again, or make one with NewCode: a password will not do", ErrIdentity)
	errCodeSize = fmt.Errorf("%w: the join code is cut off or too long; copy all of it, "+
		"or make one with NewCode: a password will not do", ErrIdentity)
	errCodeCheck = fmt.Errorf("%w: the join code's check sum is wrong: a character differs; "+
		"copy it again, or make one with NewCode: a password will not do", ErrIdentity)
)

// JoinCode is the secret that members of a session share. It is random, never a
// password: a false leaf sees something to guess against. Printing, logging and
// encoding it shows that it is there and nothing else; only Reveal gives it.
// The zero JoinCode is none. Compare codes with Equal, not ==.
type JoinCode struct {
	s *codeSecret
}

// codeSecret is held behind two pointers, see secret.
type codeSecret struct {
	n int
	b *[maxCode]byte
}

func newCodeSecret(n int) *codeSecret { return &codeSecret{n, new([maxCode]byte)} }

// NewCode draws a join code of 128 random bits.
func NewCode() (JoinCode, error) {
	s := newCodeSecret(codeBytes)
	if _, err := rand.Read(s.b[:s.n]); err != nil {
		return JoinCode{}, fmt.Errorf("crypto: no randomness for a join code: %w", err)
	}
	return JoinCode{s}, nil
}

// ParseCode reads what Reveal wrote. Case, dashes and white space do not
// matter; anything else that NewCode would not print is refused.
func ParseCode(text string) (JoinCode, error) {
	if len(text) > maxCodeInput {
		return JoinCode{}, errCodeSize
	}
	var digits [maxCodeChars]byte
	var plain [maxCode + checkBytes]byte
	defer clear(digits[:])
	defer clear(plain[:])
	n, err := codeDigits(&digits, text)
	if err != nil {
		return JoinCode{}, err
	}
	size := n * 5 / 8
	if size < minCode+checkBytes || size > len(plain) || codeEncoding.EncodedLen(size) != n {
		return JoinCode{}, errCodeSize
	}
	spare := packDigits(plain[:size], digits[:n])
	size -= checkBytes
	check := codeCheck(plain[:size])
	if spare != 0 || subtle.ConstantTimeCompare(check[:], plain[size:size+checkBytes]) != 1 {
		return JoinCode{}, errCodeCheck
	}
	s := newCodeSecret(size)
	copy(s.b[:], plain[:size])
	return JoinCode{s}, nil
}

// codeDigits reads the code's base32 digits, 5 bits each, without separators.
func codeDigits(dst *[maxCodeChars]byte, text string) (n int, err error) {
	for i := range len(text) {
		c := text[i]
		switch {
		case c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n':
			continue
		case c >= 'a' && c <= 'z':
			c -= 'a'
		case c >= 'A' && c <= 'Z':
			c -= 'A'
		case c >= '2' && c <= '7':
			c -= '2' - 26
		default:
			return 0, errCodeChars
		}
		if n == len(dst) {
			return 0, errCodeSize
		}
		dst[n] = c
		n++
	}
	if n == 0 {
		return 0, errCodeEmpty
	}
	return n, nil
}

// packDigits fills dst and returns the bits left over, which must be zero, or
// two texts would be one code. encoding/base32 would leave copies of the secret
// behind that cannot be cleared.
func packDigits(dst, digits []byte) (spare uint16) {
	bits, n := uint16(0), 0
	for _, d := range digits {
		bits, n = bits<<5|uint16(d), n+5
		if n >= 8 {
			n -= 8
			dst[0], dst = byte(bits>>n), dst[1:]
			bits &= 1<<n - 1
		}
	}
	return bits
}

func codeCheck(code []byte) [checkBytes]byte {
	var b [len(labelPrefix) + 5 + maxCode]byte
	defer clear(b[:])
	n := copy(b[:], labelPrefix+"code\x00")
	n += copy(b[n:], code)
	sum := sha256.Sum256(b[:n])
	return [checkBytes]byte(sum[:])
}

// Reveal returns the code in the form that people copy and ParseCode reads:
// groups of four characters with dashes. It is empty for the zero JoinCode.
func (c JoinCode) Reveal() string {
	if c.IsZero() {
		return ""
	}
	check := codeCheck(c.bytes())
	plain := append(append(make([]byte, 0, maxCode+checkBytes), c.bytes()...), check[:]...)
	defer clear(plain)
	text := codeEncoding.EncodeToString(plain)
	var b strings.Builder
	for len(text) > codeGroup {
		b.WriteString(text[:codeGroup])
		b.WriteByte('-')
		text = text[codeGroup:]
	}
	b.WriteString(text)
	return b.String()
}

// IsZero reports whether there is no code.
func (c JoinCode) IsZero() bool { return c.s == nil }

// Equal reports, in constant time, whether two codes are the same.
func (c JoinCode) Equal(d JoinCode) bool {
	if c.IsZero() || d.IsZero() {
		return c.IsZero() == d.IsZero()
	}
	return subtle.ConstantTimeCompare(c.bytes(), d.bytes()) == 1
}

func (c JoinCode) bytes() []byte { return c.s.b[:c.s.n] }

// String says whether there is a code, not which.
func (c JoinCode) String() string {
	if c.IsZero() {
		return "[no join code]"
	}
	return "[join code]"
}

// GoString is String.
func (c JoinCode) GoString() string { return c.String() }

// Format is String for every verb.
func (c JoinCode) Format(f fmt.State, _ rune) { redact(f, c.String()) }

// LogValue is String.
func (c JoinCode) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText is String: encoding a configuration must not write the code.
func (c JoinCode) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
