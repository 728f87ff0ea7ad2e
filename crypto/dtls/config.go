package dtls

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
)

// Config says who an Endpoint is, whom it trusts and what it may spend. It is
// read by New and never written.
type Config struct {
	// Identity is how this end and every peer prove themselves, one of:
	//
	//	join code     Code
	//	certificates  Certificate, with a P-256 key, and CAs; members are
	//	              equals, so all certificates are for client authentication
	//	pins alone    nothing; Admit and Dial's Who say which keys are members'
	//
	// Its other fields are for sessions with a root and must be empty. With a
	// join code or pins New draws a key, which lives as long as the Endpoint
	// and whose pin is Endpoint.Pin.
	Identity crypto.Identity

	// Admit is asked about every peer that has proven itself, dialled or not,
	// last of all; an error refuses it. Roster pins are checked here. It may
	// run for several peers at once, and ctx ends with the handshake. nil
	// admits every holder of the join code; with certificates and with pins it
	// must be set, AnyMember if nothing else.
	Admit func(ctx context.Context, peer crypto.PeerInfo) error

	// Write sends one UDP packet. It is called from many goroutines at once,
	// should not block and must not keep packet.
	Write func(packet []byte, to netip.AddrPort) error

	// MTU is the longest UDP payload sent, in bytes. 0 means 1,200; 576 to
	// 4,096 are possible.
	MTU int

	// HandshakeTimeout is how long an association may take from its first
	// packet until it is admitted. 0 means 5 s; at most 30 s.
	HandshakeTimeout time.Duration
	// IdleTimeout closes an association on which nothing was sent or received.
	// 0 means 60 s.
	IdleTimeout time.Duration
	// Lifetime closes an association, however busy: keys do not change before.
	// 0 means an hour.
	Lifetime time.Duration

	// HalfOpen is how many handshakes that others began may run at once. 0
	// means 64. More are dropped; diallers repeat themselves.
	HalfOpen int
	// HalfOpenPerAddress is how many of them may come from one address, or one
	// /64 in IPv6. 0 means 8.
	HalfOpenPerAddress int
	// Associations is how many there may be of all kinds. 0 means 1,024.
	Associations int
	// Backlog is how many admitted ones wait for Accept. 0 means 64. When it is
	// full further peers are refused with ErrBusy.
	Backlog int
	// Unread is how many received datagrams wait for Read, for each
	// association. 0 means 64. Further ones are lost and counted.
	Unread int
	// AskRate is how many strangers a second are answered. 0 means 10,000.
	AskRate int

	// Logger hears of refused peers, at most once a second. nil is silence.
	Logger *slog.Logger
}

// AnyMember admits every peer that has proven itself.
func AnyMember(context.Context, crypto.PeerInfo) error { return nil }

const (
	minMTU = 576
	maxMTU = maxDatagram
)

// complete returns c with its defaults, or says what is wrong with it.
func (c Config) complete() (Config, way, error) {
	if fips140.Enforced() {
		return c, 0, fmt.Errorf("dtls: %w: its cipher suite, ChaCha20-Poly1305 with X25519, is not approved; rooted sessions work without DTLS", ErrFIPS)
	}
	w, err := c.way()
	if err != nil {
		return c, 0, err
	}
	if c.Write == nil {
		return c, 0, fmt.Errorf("dtls: Config.Write is missing: nothing could be sent")
	}
	orDefault(&c.MTU, 1200)
	if c.MTU < minMTU || c.MTU > maxMTU {
		return c, 0, fmt.Errorf("dtls: Config.MTU is %d; %d to %d are possible", c.MTU, minMTU, maxMTU)
	}
	orDefault(&c.HandshakeTimeout, 5*time.Second)
	orDefault(&c.IdleTimeout, time.Minute)
	orDefault(&c.Lifetime, time.Hour)
	if c.HandshakeTimeout < 0 || c.HandshakeTimeout > slot || c.IdleTimeout < 0 || c.Lifetime < 0 {
		return c, 0, fmt.Errorf("dtls: Config has a negative duration, or HandshakeTimeout above %v", slot)
	}
	for _, n := range []struct {
		field *int
		name  string
		value int
	}{
		{&c.HalfOpen, "HalfOpen", 64}, {&c.HalfOpenPerAddress, "HalfOpenPerAddress", 8}, {&c.Associations, "Associations", 1024},
		{&c.Backlog, "Backlog", 64}, {&c.Unread, "Unread", 64}, {&c.AskRate, "AskRate", 10_000},
	} {
		if orDefault(n.field, n.value); *n.field < 0 || *n.field > 1<<20 {
			return c, 0, fmt.Errorf("dtls: Config.%s is %d; 1 to %d are possible, there is no unlimited", n.name, *n.field, 1<<20)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, w, nil
}

func orDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// way tells which way the identity takes, and refuses none and several.
func (c *Config) way() (way, error) {
	id := &c.Identity
	certificates := id.Certificate != nil || id.CAs != nil
	switch {
	case id.ServerName != "" || !id.RootPin.IsZero() || id.Key != nil || len(id.Token) > 0:
		return 0, fmt.Errorf("dtls: %w: ServerName, RootPin, Key and Token are for sessions with a root; "+
			"between equals Dial says which key or name it expects", crypto.ErrIdentity)
	case !id.Code.IsZero() && certificates:
		return 0, fmt.Errorf("dtls: %w: it has a Code and certificates; choose one of them", crypto.ErrIdentity)
	case !id.Code.IsZero():
		return wayCode, nil
	case c.Admit == nil && !certificates:
		return 0, fmt.Errorf("dtls: %w: it is empty; set Code, or Certificate and CAs, or Admit to go by pins alone", crypto.ErrIdentity)
	case c.Admit == nil:
		return 0, fmt.Errorf("dtls: %w: with certificates Admit is missing; AnyMember admits whoever the CAs have signed", crypto.ErrIdentity)
	case !certificates:
		return wayPins, nil
	}
	return wayCertificates, checkOwn(id)
}

// checkOwn finds at home what the other end would refuse.
func checkOwn(id *crypto.Identity) error {
	switch {
	case id.CAs == nil:
		return fmt.Errorf("dtls: %w: CAs is missing; give the authorities that sign members' certificates", crypto.ErrIdentity)
	case id.Certificate == nil || len(id.Certificate.Certificate) == 0:
		return fmt.Errorf("dtls: %w: Certificate is missing; both ends need one", crypto.ErrIdentity)
	}
	key, ok := id.Certificate.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return fmt.Errorf("dtls: %w: Certificate has no P-256 key (it is a %T); DTLS takes no other kind", crypto.ErrIdentity, id.Certificate.PrivateKey)
	}
	return nil
}
