package crypto

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// usageOf is what a certificate must be for. It goes by role, not by TLS end:
// on an invitation the root is the TLS client, and a leaf's certificate must
// not pass for a root's there either.
func usageOf(role Role) x509.ExtKeyUsage {
	if role == RoleRoot {
		return x509.ExtKeyUsageServerAuth
	}
	return x509.ExtKeyUsageClientAuth
}

func usageName(role Role) string {
	if role == RoleRoot {
		return "server"
	}
	return "client"
}

// ownCertificate is what we show in a handshake: the configured certificate,
// or one that we sign ourselves, with the lasting key or with a key made for
// this connection.
func (id Identity) ownCertificate() (*tls.Certificate, error) {
	switch {
	case id.Certificate != nil:
		return id.Certificate, nil
	case id.Key != nil:
		return selfSigned(id.Key)
	}
	return throwaway()
}

// throwaway is a certificate with a key that nobody has seen before.
func throwaway() (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("no key for this connection: %w", err)
	}
	return selfSigned(key)
}

// selfSigned wraps a key for TLS, which wants a certificate. Nobody looks at
// anything in it but the key, its dates included: clocks may differ.
func selfSigned(key crypto.Signer) (*tls.Certificate, error) {
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    now.Add(-24 * time.Hour),
		NotAfter:     now.Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("%w: Key does not sign: %w", ErrIdentity, err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: Key makes no readable certificate: %w", ErrIdentity, err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// ownLeaf returns the first certificate of a chain, parsed.
func ownLeaf(c *tls.Certificate) (*x509.Certificate, error) {
	if c.Leaf != nil {
		return c.Leaf, nil
	}
	if len(c.Certificate) == 0 {
		return nil, fmt.Errorf("%w: Certificate is empty", ErrIdentity)
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		return nil, fmt.Errorf("%w: Certificate is not readable: %w", ErrIdentity, err)
	}
	return leaf, nil
}

// judge decides whether the other end of a finished TLS handshake may be who it
// must be. With a join code it is only the beginning: the proofs follow.
func (id Identity) judge(role Role, cs *tls.ConnectionState) error {
	if cs.Version != tls.VersionTLS13 || cs.NegotiatedProtocol != Protocol {
		return fmt.Errorf("%w: it speaks %s with protocol %q, not TLS 1.3 with %q; is it joinleaf, and as new as this end?",
			ErrVersion, tls.VersionName(cs.Version), cs.NegotiatedProtocol, Protocol)
	}
	if len(cs.PeerCertificates) == 0 {
		return fmt.Errorf("%w: it showed none; every member has one", ErrCertificate)
	}
	if id.Certificate != nil {
		if err := id.verifyChain(role, cs.PeerCertificates); err != nil {
			return err
		}
	}
	if got := PinOf(cs.PeerCertificates[0]); !id.RootPin.IsZero() && !id.RootPin.equal(got) {
		return fmt.Errorf("%w: the root has %v and %v was expected; "+
			"if the root's key was changed on purpose, use the new fingerprint, else this is another machine", ErrPin, got, id.RootPin)
	}
	return nil
}

// verifyChain replaces the check of crypto/tls, which looks at names on one
// side only and takes usage from who dials.
func (id Identity) verifyChain(role Role, chain []*x509.Certificate) error {
	peer := role.other()
	o := x509.VerifyOptions{
		Roots:         id.CAs,
		Intermediates: x509.NewCertPool(),
		DNSName:       id.ServerName, // empty at the root: leaves are named by the authorizer
		KeyUsages:     []x509.ExtKeyUsage{usageOf(peer)},
	}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := chain[0].Verify(o)
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: the %v's: %s: %w", ErrCertificate, peer, certificateAdvice(err, peer), err)
}

// certificateAdvice says what to do about a chain that does not verify.
func certificateAdvice(err error, peer Role) string {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "no authority in CAs signed it, and both ends need the same authority"
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return "it is for another name; ServerName must be a name in it"
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		switch e.Reason {
		case x509.Expired:
			return "its time is over or has not come; renew it or set the clock"
		case x509.IncompatibleUsage:
			return "it is not for " + usageName(peer) + " authentication, which a " + peer.String() + " needs"
		}
	}
	return "it does not verify"
}
