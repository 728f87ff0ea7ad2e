package crypto

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// An authority signs certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

// issue says what a certificate is to be.
type issue struct {
	root    bool // else a leaf's
	names   []string
	expired bool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	a := &authority{cert, key, x509.NewCertPool()}
	a.pool.AddCert(cert)
	return a
}

func (a *authority) issue(t testing.TB, i issue) *tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: strings.Join(i.names, " ")},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if i.root {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	if i.expired {
		template.NotAfter = time.Now().Add(-time.Hour)
	}
	for _, n := range i.names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	must(t, err)
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}
}

func newKey(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return key
}

func TestIdentity_CheckSaysWhatIsMissing(t *testing.T) {
	code, key, pin := newCode(t), newKey(t), Pin{1}
	a := newAuthority(t)
	rootCert, leafCert := a.issue(t, issue{root: true, names: []string{"root.test"}}), a.issue(t, issue{})
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	must(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	for _, c := range []struct {
		name string
		role Role
		id   Identity
		want string // in the error; "" is no error
	}{
		{"a: root", RoleRoot, Identity{Code: code}, ""},
		{"a: leaf", RoleLeaf, Identity{Code: code}, ""},
		{"a: root with a lasting key", RoleRoot, Identity{Code: code, Key: key}, ""},
		{"a: leaf that pins too", RoleLeaf, Identity{Code: code, RootPin: pin}, ""},
		{"b: root", RoleRoot, Identity{Certificate: rootCert, CAs: a.pool}, ""},
		{"b: leaf by name", RoleLeaf, Identity{Certificate: leafCert, CAs: a.pool, ServerName: "root.test"}, ""},
		{"b: leaf by pin", RoleLeaf, Identity{Certificate: leafCert, CAs: a.pool, RootPin: pin}, ""},
		{"c: root", RoleRoot, Identity{Key: key}, ""},
		{"c: leaf", RoleLeaf, Identity{RootPin: pin}, ""},
		{"c: leaf with a token", RoleLeaf, Identity{RootPin: pin, Token: []byte("t")}, ""},

		{"nothing, root", RoleRoot, Identity{}, "empty"},
		{"nothing, leaf", RoleLeaf, Identity{}, "empty"},
		{"no role", 0, Identity{Code: code}, "neither root nor leaf"},
		{"code and certificates", RoleLeaf, Identity{Code: code, Certificate: leafCert, CAs: a.pool}, "choose one"},
		{"certificates and key", RoleRoot, Identity{Key: key, Certificate: rootCert, CAs: a.pool}, "choose one"},
		{"token without pin", RoleLeaf, Identity{Token: []byte("t")}, "no RootPin"},
		{"token with code", RoleLeaf, Identity{Code: code, Token: []byte("t")}, "Token"},
		{"token at the root", RoleRoot, Identity{Key: key, Token: []byte("t")}, "for leaves"},
		{"pin at the root", RoleRoot, Identity{Code: code, RootPin: pin}, "for leaves"},
		{"key at a leaf", RoleLeaf, Identity{Code: code, Key: key}, "for the root"},
		{"name at the root", RoleRoot, Identity{Certificate: rootCert, CAs: a.pool, ServerName: "x"}, "for leaves"},
		{"leaf with neither name nor pin", RoleLeaf, Identity{Certificate: leafCert, CAs: a.pool}, "ServerName or RootPin"},
		{"no authorities", RoleRoot, Identity{Certificate: rootCert}, "CAs is missing"},
		{"no certificate", RoleLeaf, Identity{CAs: a.pool, ServerName: "x"}, "Certificate is missing"},
		{"no private key", RoleRoot, Identity{Certificate: &tls.Certificate{Certificate: rootCert.Certificate}, CAs: a.pool}, "private key"},
		{"an empty certificate", RoleRoot, Identity{Certificate: &tls.Certificate{PrivateKey: key}, CAs: a.pool}, "empty"},
		{"rubbish for a certificate", RoleRoot, Identity{Certificate: &tls.Certificate{PrivateKey: key, Certificate: [][]byte{{1, 2}}}, CAs: a.pool}, "not readable"},
		{"a leaf's certificate at the root", RoleRoot, Identity{Certificate: leafCert, CAs: a.pool}, "server authentication"},
		{"a root's certificate at a leaf", RoleLeaf, Identity{Certificate: rootCert, CAs: a.pool, ServerName: "x"}, "client authentication"},
		{"an expired certificate", RoleLeaf, Identity{Certificate: a.issue(t, issue{expired: true}), CAs: a.pool, ServerName: "x"}, "ran out"},
		{"a P-384 key", RoleRoot, Identity{Key: p384}, "P-256"},
		{"an RSA key", RoleRoot, Identity{Key: crypto.Signer(rsaKey)}, "P-256"},
	} {
		err := c.id.Check(c.role)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (!errors.Is(err, ErrIdentity) || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v; want %q", c.name, err, c.want)
		}
	}
}
