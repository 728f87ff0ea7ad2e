package rooted_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/rooted"
	"github.com/joinleaf/joinleaf/transport"
)

// A session in which everybody shows a certificate, from files such as those that
// the commands in docs/security.md make. A leaf goes when its certificate runs out.
func Example_certificates() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	dir, err := os.MkdirTemp("", "joinleaf-example-")
	check(err)
	defer os.RemoveAll(dir)
	certificates(dir)
	load := func(name string) (*tls.Certificate, *x509.CertPool) {
		own, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))
		check(err)
		text, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
		check(err)
		cas := x509.NewCertPool() // your authority's alone, never the system's
		if !cas.AppendCertsFromPEM(text) {
			check(errors.New("ca.pem holds no certificate"))
		}
		return &own, cas
	}

	own, cas := load("root")
	group, err := transport.ParseGroup("239.192.7.2:17012")
	check(err)
	root, err := rooted.Listen(ctx, group, rooted.Config{
		Identity:  crypto.Identity{Certificate: own, CAs: cas},
		Authorize: rooted.AuthorizeAnyVerified, // or say who: peer.Certificate is verified
		Control:   netip.MustParseAddrPort("127.0.0.1:0"), Interface: "lo",
	})
	check(err)
	defer root.Close()
	go func() {
		_, err := root.Accept(ctx)
		check(err)
		check(root.Send(ctx, []byte("to whom we know")))
	}()

	own, cas = load("leaf")
	leaf, err := rooted.Join(ctx, root.Addr(), nil, rooted.Config{
		Identity:  crypto.Identity{Certificate: own, CAs: cas, ServerName: "root.example"},
		Interface: "lo",
	})
	check(err)
	defer leaf.Close()
	p := make([]byte, 1024)
	m, err := leaf.Recv(ctx, p)
	check(err)
	fmt.Printf("%s\n", p[:m.N])

	own, cas = load("leaf") // and nobody else passes for the root
	_, err = rooted.Join(ctx, root.Addr(), nil, rooted.Config{
		Identity:  crypto.Identity{Certificate: own, CAs: cas, ServerName: "other.example"},
		Interface: "lo",
	})
	fmt.Println(errors.Is(err, crypto.ErrCertificate))
	// Output:
	// to whom we know
	// true
}

// certificates stands in for an authority: ca.pem, root.pem, root.key, leaf.pem and
// leaf.key.
func certificates(dir string) {
	write := func(name, kind string, der []byte) {
		check(os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "our authority"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	check(err)
	ca, err = x509.ParseCertificate(der)
	check(err)
	write("ca.pem", "CERTIFICATE", der)
	for name, c := range map[string]*x509.Certificate{
		"root": {DNSNames: []string{"root.example"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}},
		"leaf": {Subject: pkix.Name{CommonName: "leaf 17"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
	} {
		c.SerialNumber, c.NotAfter = big.NewInt(2), ca.NotAfter
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		check(err)
		der, err := x509.CreateCertificate(rand.Reader, c, ca, key.Public(), caKey)
		check(err)
		write(name+".pem", "CERTIFICATE", der)
		der, err = x509.MarshalPKCS8PrivateKey(key)
		check(err)
		write(name+".key", "PRIVATE KEY", der)
	}
}

// Leaves know the root's fingerprint, and a token says who they are. What the
// authorizer goes by changes; Reauthorize has it look again, and who is not on the
// list any more is out when it returns.
func Example_pinnedRoot() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, key, err := ed25519.GenerateKey(rand.Reader) // the root's, Ed25519 or P-256, kept in a file
	check(err)
	identity := crypto.Identity{Key: key}
	pin, err := identity.Pin() // what the root's side shows, and people copy
	check(err)

	var mu sync.Mutex
	guests := map[string]time.Time{"ticket 17": time.Now().Add(8 * time.Hour)}
	group, err := transport.ParseGroup("239.192.7.2:17014")
	check(err)
	root, err := rooted.Listen(ctx, group, rooted.Config{
		Identity: identity,
		Authorize: func(_ context.Context, _ crypto.PeerInfo, token []byte) (until time.Time, err error) {
			mu.Lock()
			defer mu.Unlock()
			until, ok := guests[string(token)]
			if !ok {
				return until, errors.New("not on the list")
			}
			return until, nil // the leaf is evicted then
		},
		Control: netip.MustParseAddrPort("127.0.0.1:0"), Interface: "lo",
	})
	check(err)
	defer root.Close()
	go func() {
		for ctx.Err() == nil {
			root.Accept(ctx) // an error for whom the authorizer refuses
		}
	}()

	join := func(ticket string) (*rooted.Leaf, error) {
		return rooted.Join(ctx, root.Addr(), nil, rooted.Config{
			Identity:  crypto.Identity{RootPin: pin, Token: []byte(ticket)},
			Interface: "lo",
		})
	}
	_, err = join("ticket 99")
	fmt.Println("ticket 99:", errors.Is(err, transport.WSAEACCES))
	leaf, err := join("ticket 17")
	fmt.Println("ticket 17:", err)
	check(err)
	defer leaf.Close()

	mu.Lock()
	delete(guests, "ticket 17")
	mu.Unlock()
	check(root.Reauthorize(ctx))
	_, err = leaf.Recv(ctx, make([]byte, 1024))
	fmt.Println("later:", errors.Is(err, transport.WSAEACCES))
	// Output:
	// ticket 99: true
	// ticket 17: <nil>
	// later: true
}
