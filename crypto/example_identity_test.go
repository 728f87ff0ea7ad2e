package crypto_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
)

// meet has a root and a leaf prove themselves to each other, and closes.
func meet(root, leaf crypto.Identity) (rootErr, leafErr error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	atRoot, atLeaf := net.Pipe() // a TCP connection, in life
	defer atRoot.Close()
	defer atLeaf.Close()
	done := make(chan error)
	go func() {
		_, err := crypto.Handshake(ctx, atRoot, false, crypto.RoleRoot, root)
		done <- err
	}()
	_, leafErr = crypto.Handshake(ctx, atLeaf, true, crypto.RoleLeaf, leaf)
	return <-done, leafErr
}

// issuer makes certificates; in life they come from your authority, as files.
func issuer() (pool *x509.CertPool, issue func(usage x509.ExtKeyUsage, names ...string) *tls.Certificate) {
	key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "our authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, _ := x509.CreateCertificate(rand.Reader, ca, ca, key.Public(), key)
	ca, _ = x509.ParseCertificate(der)
	pool = x509.NewCertPool()
	pool.AddCert(ca)
	return pool, func(usage x509.ExtKeyUsage, names ...string) *tls.Certificate {
		own, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		c := &x509.Certificate{SerialNumber: big.NewInt(2), DNSNames: names, NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{usage}}
		der, _ := x509.CreateCertificate(rand.Reader, c, ca, own.Public(), key)
		return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: own}
	}
}

// Both ends show a certificate of one authority: the root's for server
// authentication and with the name that leaves expect, a leaf's for client
// authentication. A leaf's certificate does not pass for the root's.
func ExampleIdentity_certificates() {
	cas, issue := issuer()
	root := crypto.Identity{Certificate: issue(x509.ExtKeyUsageServerAuth, "root.example"), CAs: cas}
	leaf := crypto.Identity{Certificate: issue(x509.ExtKeyUsageClientAuth), CAs: cas, ServerName: "root.example"}
	fmt.Println(meet(root, leaf))

	leaf.ServerName = "other.example"
	_, err := meet(root, leaf)
	fmt.Println(errors.Is(err, crypto.ErrCertificate))

	leaf.ServerName = "" // anybody's certificate would pass for the root's
	fmt.Println(leaf.Check(crypto.RoleLeaf))
	// Output:
	// <nil> <nil>
	// true
	// identity not usable: a leaf with certificates needs ServerName or RootPin; without, any member's certificate would pass for the root's
}

// The root has a lasting key and leaves know its fingerprint. A leaf's token goes
// to the root once that is proven, and is for the root's authorizer to judge.
func ExampleIdentity_pinnedRoot() {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	root := crypto.Identity{Key: key}
	pin, err := root.Pin() // what the root's side shows, and people copy
	if err != nil {
		panic(err)
	}
	again, err := crypto.ParsePin(pin.String())
	fmt.Println(again == pin, err)
	fmt.Println(meet(root, crypto.Identity{RootPin: pin, Token: []byte("ticket 17")}))

	pin[0] ^= 1
	_, err = meet(root, crypto.Identity{RootPin: pin})
	fmt.Println(errors.Is(err, crypto.ErrPin))
	// Output:
	// true <nil>
	// <nil> <nil>
	// true
}
