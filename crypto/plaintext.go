package crypto

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
)

// Insecure takes all protection away, for measurements and for looking at packets.
type Insecure uint8

const (
	// Protected is what everybody has who does not ask for anything else.
	Protected Insecure = 0
	// InsecurePlaintextForTesting: no TLS, no proof of anybody, no encryption, no
	// authentication. Whoever reaches the group or the control port reads, joins
	// and forges. Packets are of version 15 with another session tag, and control
	// connections begin with other bytes than TLS, so that no end with protection
	// and none without it ever understand each other. No peer, command line or
	// environment switches it on.
	InsecurePlaintextForTesting Insecure = plainVersion
)

const plainVersion = 15

// Check reports whether i is a value that there is.
func (i Insecure) Check() error {
	if i != Protected && i != InsecurePlaintextForTesting {
		return fmt.Errorf("%w: Insecure is %d; there is Protected and InsecurePlaintextForTesting", ErrIdentity, uint8(i))
	}
	return nil
}

// plainHello is what both ends of a control connection without protection say
// first; a role follows. A TLS record begins with its type, 22.
const plainHello = "joinleaf-insecure"

const tlsHandshake = 22

// PlainHandshake stands for Handshake where both ends have
// InsecurePlaintextForTesting: it finds an end of the opposite role that has too,
// and shows nothing of who that is.
func PlainHandshake(ctx context.Context, conn net.Conn, role Role) (*Channel, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	err := plainHandshake(conn, role)
	if errors.Is(err, ErrVersion) || errors.Is(err, ErrIdentity) {
		if c, ok := conn.(interface{ CloseWrite() error }); ok {
			_ = c.CloseWrite()
		}
		_, _ = io.CopyN(io.Discard, conn, 4<<10) // or closing would take back what was said
	}
	if !stop() {
		err = ended(ctx)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("crypto: handshake without protection of %v with %v: %w", role, conn.RemoteAddr(), err)
	}
	return &Channel{Conn: conn, Peer: PeerInfo{AddrPort: addrPort(conn.RemoteAddr())}, export: plainExport}, nil
}

func plainHandshake(conn net.Conn, role Role) error {
	if _, err := conn.Write(append([]byte(plainHello), byte(role))); err != nil {
		return err
	}
	var b [len(plainHello) + 1]byte
	_, err := io.ReadFull(conn, b[:1])
	if err == nil && b[0] != tlsHandshake {
		_, err = io.ReadFull(conn, b[1:])
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%w: the other end closed without the word for this end's InsecurePlaintextForTesting; it may be protected", ErrIdentity)
	case err != nil:
		return err
	case b[0] == tlsHandshake:
		return fmt.Errorf("%w: the other end speaks TLS: it is protected, and this end is InsecurePlaintextForTesting", ErrVersion)
	case string(b[:len(plainHello)]) != plainHello:
		return fmt.Errorf("%w: the other end is not joinleaf without protection", ErrVersion)
	case Role(b[len(plainHello)]) != role.other():
		return fmt.Errorf("%w: both ends are a %v; one must be the root and one a leaf", ErrIdentity, role)
	}
	return nil
}

// plainExport gives both ends the same bytes, and everybody else too.
func plainExport(label string, context []byte, n int) ([]byte, error) {
	return hkdf.Key(sha256.New, []byte(plainHello), context, label, n)
}

// plain is the cipher that is none.
type plain struct{}

func (plain) NonceSize() int { return nonceSize }
func (plain) Overhead() int  { return 0 }

func (plain) Seal(dst, _, plaintext, _ []byte) []byte { return append(dst, plaintext...) }

// Open is asked to open in place only.
func (plain) Open(_, _, text, _ []byte) ([]byte, error) { return text, nil }

// plainTag is a session's tag without protection.
func (id SessionID) plainTag() uint32 {
	h := sha256.Sum256(append([]byte(plainHello), id[:]...))
	return uint32(h[0])<<24 | uint32(h[1])<<16 | uint32(h[2])<<8 | uint32(h[3])
}

// Warn says at the start what is not protected.
func (i Insecure) Warn(log *slog.Logger) {
	if i == InsecurePlaintextForTesting {
		log.Warn("InsecurePlaintextForTesting: nothing is encrypted and nobody is who they say; whoever reaches this network reads, joins and forges")
	}
}

var errPlainIdentity = errors.New("Insecure is set and there is an Identity as well; choose one of them")

// CheckInsecure is Identity.Check for an end that may be without protection: then
// there must be no identity, or somebody believes in one that nobody looks at.
func (id Identity) CheckInsecure(role Role, i Insecure) error {
	if err := i.Check(); err != nil {
		return err
	}
	if i == Protected {
		return id.Check(role)
	}
	if _, err := id.way(); err == nil || len(id.Token) > 0 {
		return fmt.Errorf("%w: %w", ErrIdentity, errPlainIdentity)
	}
	return nil
}
