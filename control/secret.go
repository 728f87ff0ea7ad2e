package control

import "log/slog"

// Secret is bytes that must not reach a log: a token, an epoch's state. It
// prints as a placeholder with every verb; convert it to []byte to use it.
type Secret []byte

const redacted = "(secret)"

// String hides the bytes.
func (s Secret) String() string { return redacted }

// GoString hides them from %#v.
func (s Secret) GoString() string { return redacted }

// LogValue hides them from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText hides them from encoders that would print bytes as text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
