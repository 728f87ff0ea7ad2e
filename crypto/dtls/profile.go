package dtls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"time"

	pion "github.com/pion/dtls/v2"
	"github.com/pion/dtls/v2/pkg/crypto/elliptic"

	"github.com/joinleaf/joinleaf/crypto"
)

// flightInterval is how long an unanswered flight waits until it is sent again.
// pion has no backing off; a handshake has one flight under way at a time.
const flightInterval = 300 * time.Millisecond

// profile is the only configuration that pion is run with. Every value is
// there for a reason; a value that is left out is one too.
func profile(s *suite, own tls.Certificate, mtu int, look func([][]byte, [][]*x509.Certificate) error) *pion.Config {
	c := &pion.Config{
		// Not nil but empty: no suite of pion's own, neither offered nor accepted.
		CipherSuites:       []pion.CipherSuiteID{},
		CustomCipherSuites: func() []pion.CipherSuite { return []pion.CipherSuite{s} },

		// Exactly one scheme, and look wants a key of its kind: what a signature
		// covers must never be the other end's choice. Do not add a second one.
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		EllipticCurves:   []elliptic.Curve{elliptic.X25519},

		Certificates: []tls.Certificate{own},
		ClientAuth:   pion.RequireAnyClientCert,
		// pion's checks of chains and names are replaced by judge, not dropped.
		InsecureSkipVerify:    true,
		VerifyPeerCertificate: look,

		// Without it a master secret would not depend on the whole handshake,
		// and pion's server does not compare the client's Finished.
		ExtendedMasterSecret: pion.RequireExtendedMasterSecret,

		// No resumption, no PSK, no key log: SessionStore, PSK and KeyLogWriter
		// stay nil. The cookie stays on: InsecureSkipVerifyHello is false.
		SupportedProtocols:     []string{crypto.Protocol},
		ReplayProtectionWindow: replayWindow,
		MTU:                    mtu,
		FlightInterval:         flightInterval,
	}
	c.LoggerFactory = silence(c.LoggerFactory)
	return c
}

// shake runs the DTLS handshake over p. ctx bounds it.
func shake(ctx context.Context, p *pipe, dialler bool, c *pion.Config) (*pion.Conn, error) {
	if dialler {
		return pion.ClientWithContext(ctx, p, c)
	}
	return pion.ServerWithContext(ctx, p, c)
}

// silence returns a logger factory that loses everything. Without one pion
// prints to the standard output whatever PION_LOG_ variables in the environment
// ask for. L is pion's logger, whose package we do not import.
func silence[L any](_ interface{ NewLogger(scope string) L }) mute[L] {
	return mute[L]{any(noLog{}).(L)}
}

type mute[L any] struct{ log L }

func (m mute[L]) NewLogger(string) L { return m.log }

type noLog struct{}

func (noLog) Trace(string)          {}
func (noLog) Tracef(string, ...any) {}
func (noLog) Debug(string)          {}
func (noLog) Debugf(string, ...any) {}
func (noLog) Info(string)           {}
func (noLog) Infof(string, ...any)  {}
func (noLog) Warn(string)           {}
func (noLog) Warnf(string, ...any)  {}
func (noLog) Error(string)          {}
func (noLog) Errorf(string, ...any) {}
