package dtls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"encoding/base32"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
)

// Who says which peer Dial expects. The zero Who is any holder of the join
// code; with certificates and with pins it must say more.
type Who struct {
	// Pin is the peer's key, from a roster.
	Pin crypto.Pin
	// Name is a DNS name or IP address that the peer's certificate must be for.
	// With certificates only.
	Name string
	// Any takes any member that the CAs have signed and Admit accepts. With
	// certificates only, where it is the explicit way to go without the others.
	Any bool
}

func (w way) check(who Who) error {
	named := who.Name != "" || who.Any
	switch {
	case named && w != wayCertificates:
		return fmt.Errorf("dtls: %w: Who.Name and Who.Any go with certificates, not with %v", crypto.ErrIdentity, w)
	case w == wayPins && who.Pin.IsZero():
		return fmt.Errorf("dtls: %w: with pins alone Dial needs Who.Pin", crypto.ErrIdentity)
	case w == wayCertificates && who.Pin.IsZero() && !named:
		return fmt.Errorf("dtls: %w: with certificates Dial needs Who.Pin or Who.Name; "+
			"without, any member passes for the one that is meant, and Who.Any says that it may", crypto.ErrIdentity)
	}
	return nil
}

// look sees the other end's certificates once pion has checked that it holds
// the first one's key. Keys of another kind than the profile's end here.
func (a *association) look(chain [][]byte, _ [][]*x509.Certificate) error {
	if len(chain) == 0 {
		return crypto.ErrCertificate
	}
	var certs []*x509.Certificate
	for _, der := range chain {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("%w: it is not readable: %w", crypto.ErrCertificate, err)
		}
		certs = append(certs, c)
	}
	if !usable(certs[0].PublicKey) {
		return fmt.Errorf("%w: its key is a %T, not on P-256", crypto.ErrCertificate, certs[0].PublicKey)
	}
	a.chain = certs
	return nil
}

func usable(key any) bool {
	k, ok := key.(*ecdsa.PublicKey)
	return ok && k.Curve == elliptic.P256()
}

// judge decides whether the other end may be who it must be. With a join code
// that is only the beginning: the proofs follow.
func (e *Endpoint) judge(chain []*x509.Certificate, who Who) error {
	if len(chain) == 0 {
		return fmt.Errorf("%w: it showed none; every member has one", crypto.ErrCertificate)
	}
	if pin := crypto.PinOf(chain[0]); !who.Pin.IsZero() && subtle.ConstantTimeCompare(pin[:], who.Pin[:]) != 1 {
		return fmt.Errorf("%w: the peer has %v and %v was expected; its address may have changed hands, or its roster entry is old",
			crypto.ErrPin, pin, who.Pin)
	}
	if e.way != wayCertificates {
		return nil
	}
	o := x509.VerifyOptions{
		Roots:         e.config.Identity.CAs,
		Intermediates: x509.NewCertPool(),
		DNSName:       who.Name, // a name or an IP address; x509 compares both
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := chain[0].Verify(o); err != nil {
		return fmt.Errorf("%w: the peer's does not verify; check CAs, the name expected, dates and usage: %w", crypto.ErrCertificate, err)
	}
	return nil
}

// proofs computes both ends' proofs that they hold the join code. Each covers
// its role, so that none can be reflected; the exporter of this association, so
// that none can be replayed or relayed; and both keys:
//
//	HMAC-SHA256(code, "joinleaf1 dtls proof" ‖ 0x00 ‖ "acceptor" or "dialler" ‖
//		exporter("EXPORTER-joinleaf1-dtls-proof", 32) ‖ pin(acceptor) ‖ pin(dialler))
func (e *Endpoint) proofs(k *suiteKeys, acceptor, dialler crypto.Pin) (offer, answer [proofSize]byte, err error) {
	if e.way != wayCode {
		return offer, answer, nil
	}
	export, err := k.export("EXPORTER-joinleaf1-dtls-proof", nil, 32)
	if err != nil {
		return offer, answer, err
	}
	defer clear(export)
	code := codeKey(e.config.Identity.Code)
	defer clear(code)
	prove := func(role string) (p [proofSize]byte) {
		m := hmac.New(sha256.New, code)
		m.Write([]byte("joinleaf1 dtls proof\x00" + role))
		m.Write(export)
		m.Write(acceptor[:])
		m.Write(dialler[:])
		m.Sum(p[:0])
		return p
	}
	return prove("acceptor"), prove("dialler"), nil
}

// codeKey is the join code's random bytes: its text without dashes and, at the
// end, without the check sum of 4 bytes.
func codeKey(c crypto.JoinCode) []byte {
	b, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(c.Reveal(), "-", ""))
	if err != nil || len(b) < 20 {
		panic("dtls: a join code does not read as it was written")
	}
	return b[:len(b)-4]
}

// newCertificate is a key for one Endpoint, in the certificate that DTLS wants.
// Nobody looks at anything in it but the key.
func newCertificate(now time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("dtls: no key for this endpoint: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(10 * 365 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("dtls: no certificate for this endpoint: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("dtls: our own certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}
