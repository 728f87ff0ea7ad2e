package dtls

import (
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	crand "crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"slices"
	"testing"
	"time"

	pion "github.com/pion/dtls/v2"

	"github.com/joinleaf/joinleaf/crypto"
)

// pSHA256 is P_SHA256 of RFC 5246, section 5.
func pSHA256(secret []byte, seed string, n int) (out []byte) {
	mac := func(b []byte) []byte {
		m := hmac.New(sha256.New, secret)
		m.Write(b)
		return m.Sum(nil)
	}
	a := []byte(seed)
	for len(out) < n {
		a = mac(a)
		out = append(out, mac(append(append([]byte(nil), a...), seed...))...)
	}
	return out[:n]
}

// A dialler that shows a member's certificate and no proof that it has the key.
func TestD8_AStolenCertificateIsWorthNothing(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		roster := map[crypto.Pin]bool{}
		pins := func(c *Config) {
			c.Identity = crypto.Identity{}
			c.Admit = func(_ context.Context, p crypto.PeerInfo) error {
				if roster[p.Pin] {
					return nil
				}
				return errors.New("not in the roster")
			}
		}
		e, at := l.host("10.0.0.2:4000", pins)
		member, _ := l.host("10.0.0.1:4000", pins)
		roster[member.Pin()], roster[e.Pin()] = true, true
		for name, change := range map[string]func(*pion.Config){
			"without the key": func(c *pion.Config) { c.Certificates = []tls.Certificate{{Certificate: member.own.Certificate}} },
			"with another key": func(c *pion.Config) {
				c.Certificates = []tls.Certificate{{Certificate: member.own.Certificate, PrivateKey: newKey(t)}}
			},
			"no certificate": func(c *pion.Config) { c.Certificates = nil },
		} {
			r := l.rogueDialler(t, "10.0.0.6:6000", at)
			c := r.config(t, newSuite())
			change(c)
			conn, err := r.shake(t, c)
			if err == nil {
				_ = conn.Close()
			}
			time.Sleep(6 * time.Second)
			if s := e.Stats(); s.Admitted != 0 {
				t.Fatalf("%s: admitted, %+v", name, s)
			}
			_ = r.Close()
		}
		d, acc := l.meet(member, e, at, Who{Pin: e.Pin()})
		alive(t, d, acc)
	})
}

// What a signature covers is never the other end's choice: there is one scheme,
// and a peer with a key of any other kind is refused whatever it signs.
func TestD8_OneSignatureScheme(t *testing.T) {
	_, key, err := ed25519.GenerateKey(crand.Reader)
	must(t, err)
	one := []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}
	if got := profile(newSuite(), tls.Certificate{}, 1000, nil).SignatureSchemes; !slices.Equal(got, one) {
		t.Fatalf("the profile takes %v", got)
	}
	for _, acceptor := range []bool{false, true} {
		bubble(t, func(t *testing.T, l *lab) {
			e, at := l.host("10.0.0.2:4000", func(c *Config) { c.Identity, c.Admit = crypto.Identity{}, AnyMember })
			edwards := func(r *rogue) *pion.Config {
				c := r.config(t, newSuite())
				c.SignatureSchemes = nil
				c.Certificates = []tls.Certificate{*newAuthority(t).issue(t, issue{key: key})}
				return c
			}
			if !acceptor {
				r := l.rogueDialler(t, "10.0.0.6:6000", at)
				_, err := r.shake(t, edwards(r))
				refusedBoth(t, e, err, nil)
				return
			}
			r := l.rogueAcceptor("10.0.0.6:6000")
			dialled := make(chan error, 1)
			go func() {
				_, err := e.Dial(t.Context(), r.at, Who{Pin: crypto.Pin{1}})
				dialled <- err
			}()
			_, err := r.shake(t, edwards(r))
			refusedBoth(t, e, err, <-dialled)
		})
	}
}
