package crypto

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// Protocol is the ALPN name of the control channel.
const Protocol = "joinleaf/1"

// Handshake turns conn into a proven channel: TLS 1.3, our identity and the
// other end's, and with a join code both proofs, the root's first. dialer says
// whether we dialled; role who we are, which is another matter: a root that
// invites a leaf dials. It returns only once both ends have accepted.
//
// The other end must be the opposite role with the same kind of identity. Nobody
// is told anything before its proof held but who we are: no join code, no proof
// of a leaf, no token.
//
// ctx bounds all of it. On any error conn is closed, and the other end is told
// the reason if it listens.
func Handshake(ctx context.Context, conn net.Conn, dialer bool, role Role, id Identity) (*Channel, error) {
	if err := id.Check(role); err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("crypto: handshake: %w", err)
	}
	return handshake(ctx, conn, dialer, role, id)
}

// handshake is Handshake for an identity that may be wrong.
func handshake(ctx context.Context, conn net.Conn, dialer bool, role Role, id Identity) (*Channel, error) {
	// Closing is what stops every read and write, TLS's own included.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	ch, err := shake(conn, dialer, role, id)
	if !stop() {
		err = ended(ctx)
	}
	if err != nil {
		// Not tls.Conn.Close: it would wait for somebody to take its farewell.
		_ = conn.Close()
		return nil, fmt.Errorf("crypto: handshake of %v with %v: %w", role, conn.RemoteAddr(), err)
	}
	return ch, nil
}

// ended is the error for a ctx that is done: it matches its Err and its Cause.
func ended(ctx context.Context) error {
	why := "cancelled"
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		why = "the other end did not finish in time; is it joinleaf, and up?"
	}
	if cause := context.Cause(ctx); !errors.Is(cause, ctx.Err()) {
		return fmt.Errorf("%s: %w: %w", why, ctx.Err(), cause)
	}
	return fmt.Errorf("%s: %w", why, context.Cause(ctx))
}

func shake(conn net.Conn, dialer bool, role Role, id Identity) (*Channel, error) {
	own, err := id.ownCertificate()
	if err != nil {
		return nil, err
	}
	w, err := id.way()
	if err != nil {
		return nil, err
	}
	d := &dialogue{role: role, way: w, id: id}
	if dialer {
		d.verdict = errUnjudged
		d.conn = tls.Client(conn, d.clientConfig(own))
	} else {
		d.conn = tls.Server(conn, serverConfig(own))
	}
	if err := d.conn.Handshake(); err != nil {
		return nil, explain(err)
	}
	if dialer {
		err = d.open()
	} else {
		err = d.answer()
	}
	if err != nil {
		return nil, err
	}
	if w == wayCode {
		if err := d.prove(own); err != nil {
			return nil, err
		}
	}
	return newChannel(d.conn, w), nil
}

func baseConfig() *tls.Config {
	return &tls.Config{
		MinVersion:             tls.VersionTLS13,
		NextProtos:             []string{Protocol},
		SessionTicketsDisabled: true, // resumption must not outlive an eviction
		InsecureSkipVerify:     true, // replaced by Identity.judge, not dropped
	}
}

func serverConfig(own *tls.Certificate) *tls.Config {
	c := baseConfig()
	c.Certificates = []tls.Certificate{*own}
	c.ClientAuth = tls.RequireAnyClientCert
	return c
}

// clientConfig judges the listener before it sees our certificate. A failure
// ends nothing yet, since an alert has no room for reasons: the listener gets a
// certificate that says nothing, and then the refusal.
func (d *dialogue) clientConfig(own *tls.Certificate) *tls.Config {
	c := baseConfig()
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		d.verdict = d.id.judge(d.role, &cs)
		return nil
	}
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		if d.verdict == nil {
			return own, nil
		}
		return throwaway()
	}
	return c
}

var errUnjudged = errors.New("TLS finished without showing the other end's certificate")
