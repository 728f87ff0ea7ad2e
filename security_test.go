package joinleaf

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
)

// The document's openssl commands make certificates with which a root and a leaf
// prove themselves, for a week and three months.
func TestSecurity_TheDocumentsCertificatesWork(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil || runtime.GOOS == "windows" {
		if os.Getenv("JOINLEAF_REQUIRE_LAB") == "1" {
			t.Fatal("no openssl command: the document's commands were not run")
		}
		t.Skip("no openssl command: the document's commands are not run")
	}
	dir, ran := t.TempDir(), 0
	for _, b := range fenced.FindAllStringSubmatch(read(t, "docs/security.md"), -1) {
		if b[1] != "sh" {
			continue
		}
		ran++
		cmd := exec.CommandContext(t.Context(), "sh", "-e")
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(b[2])
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if ran != 1 {
		t.Fatalf("%d blocks of commands, want one", ran)
	}
	cas := x509.NewCertPool()
	text, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil || !cas.AppendCertsFromPEM(text) {
		t.Fatal("ca.pem: ", err)
	}
	load := func(name string) *tls.Certificate {
		c, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))
		if err != nil {
			t.Fatal(err)
		}
		return &c
	}
	root := crypto.Identity{Certificate: load("root"), CAs: cas}
	leaf := crypto.Identity{Certificate: load("leaf"), CAs: cas, ServerName: "root.example"}
	if err := errors.Join(root.Check(crypto.RoleRoot), leaf.Check(crypto.RoleLeaf)); err != nil {
		t.Fatal(err)
	}
	if root.Check(crypto.RoleLeaf) == nil || leaf.Check(crypto.RoleRoot) == nil {
		t.Error("one's certificate passes for the other's")
	}
	for id, want := range map[*crypto.Identity]time.Duration{&root: 90 * 24 * time.Hour, &leaf: 7 * 24 * time.Hour} {
		until, err := id.Expires()
		if left := time.Until(until); err != nil || left < want-time.Hour || left > want+time.Hour {
			t.Errorf("it lasts %v, want %v: %v", left, want, err)
		}
	}
	shake := func(leaf crypto.Identity) (rootErr, leafErr error) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		a, b := net.Pipe()
		defer a.Close()
		defer b.Close()
		done := make(chan error)
		go func() {
			ch, err := crypto.Handshake(ctx, a, false, crypto.RoleRoot, root)
			if err == nil && ch.Peer.Certificate.Subject.CommonName != "leaf 17" {
				t.Errorf("the root sees %q", ch.Peer.Certificate.Subject)
			}
			done <- err
		}()
		_, leafErr = crypto.Handshake(ctx, b, true, crypto.RoleLeaf, leaf)
		return <-done, leafErr
	}
	if rootErr, leafErr := shake(leaf); rootErr != nil || leafErr != nil {
		t.Errorf("root %v, leaf %v", rootErr, leafErr)
	}
	leaf.ServerName = "elsewhere.example"
	if _, err := shake(leaf); !errors.Is(err, crypto.ErrCertificate) {
		t.Errorf("another name: %v", err)
	}
}
