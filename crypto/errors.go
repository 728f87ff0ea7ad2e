package crypto

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// What a handshake fails with, at both ends: the end that refuses and the end
// that is refused match the same one. Time running out and the network's
// failures match what package context and package net say.
var (
	// ErrProof is matched when the ends have different join codes.
	ErrProof = errors.New("join code refused")
	// ErrPin is matched when the root has another key than the leaf expects.
	ErrPin = errors.New("root fingerprint refused")
	// ErrCertificate is matched when a certificate is missing or not trusted.
	ErrCertificate = errors.New("certificate refused")
	// ErrVersion is matched when the other end speaks something else.
	ErrVersion = errors.New("version not supported")
	// ErrIdentity is matched when an identity is not usable as configured, or
	// the two ends prove themselves in different ways.
	ErrIdentity = errors.New("identity not usable")
)

// reason is a refusal as the other end is told it. It is a hint for a person,
// unproven like the one that sends it, and leads to an error in every case.
type reason uint8

const (
	reasonProof       reason = 1
	reasonPin         reason = 2
	reasonCertificate reason = 3
	reasonVersion     reason = 4
	reasonIdentity    reason = 5
	reasonOther       reason = 6
)

var reasons = []struct {
	reason reason
	err    error
	told   string // at the end that is refused
}{
	{reasonProof, ErrProof, "the other end has another join code; give both the same one"},
	{reasonPin, ErrPin, "the leaf expects another root key; give it this root's fingerprint"},
	{reasonCertificate, ErrCertificate, "the other end does not accept ours: its CAs, the name it expects, our certificate's dates or its usage do not fit"},
	{reasonVersion, ErrVersion, "the other end does not speak our version; use the same version of joinleaf at both ends"},
	{reasonIdentity, ErrIdentity, "the ends are not set up alike; one must be the root and one a leaf, both with the same kind of identity"},
}

func reasonOf(err error) reason {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.reason
		}
	}
	return reasonOther
}

// refused is the error at the end that was told r.
func (r reason) refused() error {
	for _, k := range reasons {
		if k.reason == r {
			return fmt.Errorf("%w: %s", k.err, k.told)
		}
	}
	return errors.New("the other end refused for a reason of its own; see its log")
}

// tlsFailures finds what crypto/tls has no error values for, by its words: ours
// and, as "remote error", the alerts that the other end sent.
var tlsFailures = []struct {
	text string
	err  error
	why  string
}{
	{"unsupported versions", ErrVersion, "the other end has no TLS 1.3"},
	{"unsupported protocol version", ErrVersion, "the other end has no TLS 1.3"},
	{"protocol version not supported", ErrVersion, "the other end does not take TLS 1.3"},
	{"unsupported application protocols", ErrVersion, "the other end does not speak " + Protocol},
	{"ALPN", ErrVersion, "the other end does not speak " + Protocol},
	{"no application protocol", ErrVersion, "the other end does not speak " + Protocol},
	{"didn't provide a certificate", ErrCertificate, "the other end showed none; every member has one"},
	{"certificate required", ErrCertificate, "the other end wants one"},
	{"bad certificate", ErrCertificate, "the other end does not accept ours"},
	{"unknown certificate authority", ErrCertificate, "the other end does not know who signed ours"},
}

// explain turns a failed handshake, read or write into an error that says what
// happened and what to do.
func explain(err error) error {
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return fmt.Errorf("%w: the other end does not speak TLS; is this joinleaf's control port? (%w)", ErrVersion, err)
	}
	for _, closed := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, closed) {
			return fmt.Errorf("the other end closed without a word; it may be busy or set up wrong, see its log: %w", err)
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer in time: %w", err)
	}
	for _, f := range tlsFailures {
		if strings.Contains(err.Error(), f.text) {
			return fmt.Errorf("%w: %s: %w", f.err, f.why, err)
		}
	}
	return fmt.Errorf("TLS failed: %w", err)
}
