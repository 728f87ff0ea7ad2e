package simnet_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/transport/simnet"
)

// The control channel is TLS, and it reads with deadlines: one that passes
// must leave the connection usable, as it does over a kernel's TCP.
func TestStream_CarriesTLSWithDeadlines(t *testing.T) {
	inBubble(t, simnet.Link{Delay: 5 * time.Millisecond, Loss: 0.05}, func(t *testing.T, n *simnet.Net) {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
		der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
		if err != nil {
			t.Fatal(err)
		}
		a, b := streams(t, n)
		server := tls.Server(b, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}}})
		client := tls.Client(a, &tls.Config{InsecureSkipVerify: true})
		go func() {
			io.Copy(server, server)
			server.Close()
		}()
		if err := client.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		client.SetReadDeadline(time.Now().Add(3 * time.Second))
		began := time.Now()
		_, err = client.Read(make([]byte, 1))
		var ne net.Error
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &ne) || !ne.Timeout() {
			t.Errorf("Read past its deadline: %v", err)
		}
		wantSince(t, "the deadline", began, 3*time.Second)
		client.SetReadDeadline(time.Time{})
		io.WriteString(client, "through TLS")
		wantRead(t, client, "through TLS")
		client.CloseWrite()
		if rest, err := io.ReadAll(client); len(rest) != 0 || err != nil {
			t.Errorf("the end: %q, %v", rest, err)
		}
	})
}
