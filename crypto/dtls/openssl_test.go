package dtls

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	pion "github.com/pion/dtls/v2"
)

// output collects what a process says.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// await waits until the process has said something.
func (o *output) await(t *testing.T, what string) {
	t.Helper()
	for range 500 {
		o.mu.Lock()
		found := bytes.Contains(o.b.Bytes(), []byte(what))
		o.mu.Unlock()
		if found {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	t.Fatalf("openssl did not say %q:\n%s", what, o.b.String())
}

// The suite, the profile and the exporter against another implementation of
// DTLS 1.2, over loopback and without our envelopes.
func TestSuite_AgreesWithOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("JOINLEAF_REQUIRE_LAB") == "1" {
			t.Fatal("no openssl command: the cipher suite was not compared with another implementation")
		}
		t.Skip("no openssl command: the cipher suite is not compared with another implementation")
	}
	own, err := newCertificate(time.Now())
	must(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	must(t, err)
	file := filepath.Join(t.TempDir(), "own.pem")
	both := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	must(t, os.WriteFile(file, both, 0o600))
	free, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	must(t, err)
	at := free.LocalAddr().String()
	must(t, free.Close())

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	out := &output{}
	cmd := exec.CommandContext(ctx, openssl, "s_server", "-dtls1_2", "-accept", at, "-cert", file, "-key", file, "-Verify", "1",
		"-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305", "-keymatexport", "EXPORTER-joinleaf-test", "-keymatexportlen", "32")
	cmd.Stdout, cmd.Stderr = out, out
	in, err := cmd.StdinPipe()
	must(t, err)
	must(t, cmd.Start())
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	out.await(t, "ACCEPT")

	sock, err := net.Dial("udp4", at)
	must(t, err)
	s := newSuite()
	conn, err := pion.ClientWithContext(ctx, sock, profile(s, own, 1100, nil))
	must(t, err)
	defer conn.Close()
	export, err := s.keys.Load().export("EXPORTER-joinleaf-test", nil, 32)
	must(t, err)
	out.await(t, fmt.Sprintf("Keying material: %X", export))
	_, err = conn.Write([]byte("hello openssl\n"))
	must(t, err)
	out.await(t, "hello openssl")
	_, err = in.Write([]byte("hello joinleaf\n"))
	must(t, err)
	b := make([]byte, 100)
	if n, err := conn.Read(b); err != nil || string(b[:n]) != "hello joinleaf\n" {
		t.Errorf("read %q, %v", b[:n], err)
	}
}
