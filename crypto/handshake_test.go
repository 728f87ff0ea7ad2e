package crypto

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// outcome is what both ends of a handshake got.
type outcome struct {
	root, leaf       *Channel
	rootErr, leafErr error
}

// meet lets a root and a leaf shake hands over a pipe, in which every write
// waits for its read. It runs in a bubble: five seconds are the limit, and a
// handshake that takes any time at all was waiting for a timeout.
func meet(t *testing.T, rootDials bool, root, leaf Identity) (o outcome) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	start := time.Now()
	a, b := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		o.leaf, o.leafErr = handshake(ctx, b, !rootDials, RoleLeaf, leaf)
	}()
	o.root, o.rootErr = handshake(ctx, a, rootDials, RoleRoot, root)
	<-done
	if waited := time.Since(start); waited != 0 && !fips140.Enabled() {
		t.Errorf("the ends waited %v for each other", waited)
	}
	for _, c := range []*Channel{o.root, o.leaf} {
		if c != nil {
			t.Cleanup(func() { _ = c.NetConn().Close() })
		}
	}
	return o
}

// bothWays runs a story with each end dialling, each in a bubble of its own.
func bothWays(t *testing.T, story func(t *testing.T, rootDials bool)) {
	for name, rootDials := range map[string]bool{"leaf dials": false, "root dials": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) { story(t, rootDials) })
		})
	}
}

// bubble runs f where time is fake, but for FIPS mode: there new randomness may
// come from the jitter of the clock, and a fake clock has none, which is a panic.
func bubble(t *testing.T, f func(t *testing.T)) {
	if fips140.Enabled() {
		f(t)
		return
	}
	synctest.Test(t, f)
}

// needsFakeTime skips what would take real seconds in FIPS mode.
func needsFakeTime(t *testing.T) {
	if fips140.Enabled() {
		t.Skip("time cannot be faked in FIPS mode, see bubble; the same test runs without it")
	}
}

func TestHandshake_EachIdentityWorksWhoeverDials(t *testing.T) {
	bothWays(t, func(t *testing.T, rootDials bool) {
		code, ed := newCode(t), newKey(t)
		same, err := ParseCode(code.Reveal())
		must(t, err)
		p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		edPin, err := Identity{Key: ed}.Pin()
		must(t, err)
		p256Pin, err := Identity{Key: p256}.Pin()
		must(t, err)
		a := newAuthority(t)
		rootCert := Identity{Certificate: a.issue(t, issue{root: true, names: []string{"root.test", "10.1.2.3"}}), CAs: a.pool}
		rootPin, err := rootCert.Pin()
		must(t, err)
		member := Identity{Certificate: a.issue(t, issue{names: []string{"leaf.test"}}), CAs: a.pool}
		by := func(name string, pin Pin) Identity {
			id := member
			id.ServerName, id.RootPin = name, pin
			return id
		}
		for name, c := range map[string]struct{ root, leaf Identity }{
			"join code":                        {Identity{Code: code}, Identity{Code: same}},
			"join code and pin":                {Identity{Code: code, Key: ed}, Identity{Code: same, RootPin: edPin}},
			"certificates by name":             {rootCert, by("root.test", Pin{})},
			"certificates by IP address":       {rootCert, by("10.1.2.3", Pin{})},
			"certificates by pin":              {rootCert, by("", rootPin)},
			"certificates by name and pin":     {rootCert, by("root.test", rootPin)},
			"pinned Ed25519 root":              {Identity{Key: ed}, Identity{RootPin: edPin}},
			"pinned P-256 root and leaf token": {Identity{Key: p256}, Identity{RootPin: p256Pin, Token: []byte("secret token")}},
		} {
			must(t, c.root.Check(RoleRoot))
			must(t, c.leaf.Check(RoleLeaf))
			o := meet(t, rootDials, c.root, c.leaf)
			if o.rootErr != nil || o.leafErr != nil {
				t.Errorf("%s: root %v, leaf %v", name, o.rootErr, o.leafErr)
				continue
			}
			checkChannel(t, name, o, c.root)
		}
	})
}

// checkChannel holds a pair of channels to what Channel promises.
func checkChannel(t *testing.T, name string, o outcome, root Identity) {
	t.Helper()
	go func() { _, _ = o.root.Write([]byte("welcome")) }()
	b := make([]byte, 7)
	if _, err := io.ReadFull(o.leaf, b); err != nil || string(b) != "welcome" {
		t.Errorf("%s: read %q, %v", name, b, err)
	}
	if pin, err := root.Pin(); err == nil && o.leaf.Peer.Pin != pin {
		t.Errorf("%s: the leaf sees %v, the root says %v", name, o.leaf.Peer.Pin, pin)
	}
	if withCode := !root.Code.IsZero(); withCode != (o.leaf.Peer.Certificate == nil) || withCode != (o.root.Peer.Certificate == nil) {
		t.Errorf("%s: certificates %v and %v", name, o.leaf.Peer.Certificate, o.root.Peer.Certificate)
	}
	seen := map[[32]byte]bool{}
	for _, leaf := range []uint32{1, 2, 256} {
		d1, u1, err1 := PairKeys(o.root, SessionID{1}, leaf)
		d2, u2, err2 := PairKeys(o.leaf, SessionID{1}, leaf)
		if err1 != nil || err2 != nil || d1 != d2 || u1 != u2 || d1 == u1 || seen[d1] || seen[u1] || d1 == [32]byte{} {
			t.Errorf("%s: pair keys of leaf %d: %v, %v", name, leaf, err1, err2)
		}
		k1, err1 := LeafKey(o.root, SessionID{1}, leaf)
		k2, err2 := LeafKey(o.leaf, SessionID{1}, leaf)
		k3, err3 := LeafKey(o.leaf, SessionID{2}, leaf)
		if err1 != nil || err2 != nil || err3 != nil || k1 != k2 || k1 == k3 || seen[k1] || seen[k3] || k1 == [32]byte{} {
			t.Errorf("%s: leaf key of leaf %d: %v, %v", name, leaf, err1, err2)
		}
		seen[d1], seen[u1], seen[k1], seen[k3] = true, true, true, true
	}
	x, err1 := o.root.Export("EXPORTER-test", nil, 20)
	y, err2 := o.leaf.Export("EXPORTER-test", nil, 20)
	z, err3 := o.leaf.Export("EXPORTER-test", []byte{}, 20)
	if err := errors.Join(err1, err2, err3); err != nil || len(x) != 20 || !bytes.Equal(x, y) {
		t.Errorf("%s: exports %x, %x, %x, %v", name, x, y, z, err)
	}
}

// A mismatch gives both ends an error of the same kind, at once.
func TestC1_C2_C3_MismatchesAreTheSameErrorAtBothEnds(t *testing.T) {
	bothWays(t, func(t *testing.T, rootDials bool) {
		code, key := newCode(t), newKey(t)
		pin, err := Identity{Key: key}.Pin()
		must(t, err)
		a, b := newAuthority(t), newAuthority(t)
		rootOf := func(a *authority, i issue) Identity { return Identity{Certificate: a.issue(t, i), CAs: a.pool} }
		good := rootOf(a, issue{root: true, names: []string{"root.test", "10.1.2.3"}})
		goodPin, err := good.Pin()
		must(t, err)
		leafOf := func(x *authority, name string, pin Pin) Identity {
			return Identity{Certificate: x.issue(t, issue{names: []string{"leaf.test"}}), CAs: x.pool, ServerName: name, RootPin: pin}
		}
		own, err := selfSigned(newKey(t))
		must(t, err)
		named := leafOf(a, "root.test", Pin{})
		for name, c := range map[string]struct {
			root, leaf Identity
			want       error
		}{
			// C3
			"C3 another code":                     {Identity{Code: code}, Identity{Code: newCode(t)}, ErrProof},
			"C3 the right code, another root key": {Identity{Code: code, Key: newKey(t)}, Identity{Code: code, RootPin: pin}, ErrPin},
			"C3 the right key, another code":      {Identity{Code: newCode(t), Key: key}, Identity{Code: code, RootPin: pin}, ErrProof},
			// C1: the root is false
			"C1 another key":                           {Identity{Key: newKey(t)}, Identity{RootPin: pin}, ErrPin},
			"C1 another member's certificate":          {rootOf(a, issue{names: []string{"root.test"}}), named, ErrCertificate},
			"C1 another member's certificate, its key": {rootOf(a, issue{names: []string{"leaf.test"}}), leafOf(a, "", goodPin), ErrCertificate},
			"C1 another name":                          {rootOf(a, issue{root: true, names: []string{"other.test"}}), named, ErrCertificate},
			"C1 a name in the subject alone":           {rootOf(a, issue{root: true}), named, ErrCertificate},
			"C1 an IP address that is not in it":       {good, leafOf(a, "10.9.9.9", Pin{}), ErrCertificate},
			"C1 an expired certificate":                {rootOf(a, issue{root: true, names: []string{"root.test"}, expired: true}), named, ErrCertificate},
			"C1 another authority":                     {Identity{Certificate: b.issue(t, issue{root: true, names: []string{"root.test"}}), CAs: a.pool}, named, ErrCertificate},
			"C1 the right name, another key":           {rootOf(a, issue{root: true, names: []string{"root.test"}}), leafOf(a, "root.test", goodPin), ErrPin},
			"C1 a certificate that it signed itself":   {Identity{Certificate: own, CAs: a.pool}, named, ErrCertificate},
			// C2: the leaf is false
			"C2 another authority":         {good, Identity{Certificate: b.issue(t, issue{}), CAs: a.pool, ServerName: "root.test"}, ErrCertificate},
			"C2 a root's certificate":      {good, Identity{Certificate: a.issue(t, issue{root: true}), CAs: a.pool, ServerName: "root.test"}, ErrCertificate},
			"C2 an expired certificate":    {good, Identity{Certificate: a.issue(t, issue{expired: true}), CAs: a.pool, ServerName: "root.test"}, ErrCertificate},
			"a code against a pinned root": {Identity{Key: key}, Identity{Code: code}, ErrIdentity},
			"a pin against a code":         {Identity{Code: code, Key: key}, Identity{RootPin: pin}, ErrIdentity},
		} {
			o := meet(t, rootDials, c.root, c.leaf)
			for end, err := range map[string]error{"root": o.rootErr, "leaf": o.leafErr} {
				if !errors.Is(err, c.want) {
					t.Errorf("%s: the %s's error is %v, want %v", name, end, err, c.want)
					continue
				}
				if strings.Contains(err.Error(), strings.ReplaceAll(code.Reveal(), "-", "")) || len(err.Error()) < 60 {
					t.Errorf("%s: the %s's error tells the code, or too little: %v", name, end, err)
				}
			}
			if o.root != nil || o.leaf != nil {
				t.Errorf("%s: an end has a channel", name)
			}
		}
	})
}

// With different kinds of identity the dialler may see a strange certificate
// before the ends have compared kinds; both are told the same all the same.
func TestHandshake_CertificatesAgainstAnythingElse(t *testing.T) {
	bothWays(t, func(t *testing.T, rootDials bool) {
		a := newAuthority(t)
		root := Identity{Certificate: a.issue(t, issue{root: true, names: []string{"root.test"}}), CAs: a.pool}
		leaf := Identity{Certificate: a.issue(t, issue{}), CAs: a.pool, ServerName: "root.test"}
		pin, err := root.Pin()
		must(t, err)
		for name, c := range map[string]struct{ root, leaf Identity }{
			"a leaf with a code":         {root, Identity{Code: newCode(t)}},
			"a leaf with the root's pin": {root, Identity{RootPin: pin}},
			"a root with a code":         {Identity{Code: newCode(t)}, leaf},
			"a root with a key":          {Identity{Key: newKey(t)}, leaf},
		} {
			o := meet(t, rootDials, c.root, c.leaf)
			alike := false
			for _, want := range []error{ErrIdentity, ErrCertificate} {
				alike = alike || errors.Is(o.rootErr, want) && errors.Is(o.leafErr, want)
			}
			if !alike {
				t.Errorf("%s: root %v, leaf %v", name, o.rootErr, o.leafErr)
			}
		}
	})
}

func TestHandshake_TwoRootsOrTwoLeavesAreTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		code := newCode(t)
		for _, role := range []Role{RoleRoot, RoleLeaf} {
			a, b := net.Pipe()
			errs := make(chan error, 2)
			for i, conn := range []net.Conn{a, b} {
				go func() {
					_, err := Handshake(t.Context(), conn, i == 0, role, Identity{Code: code})
					errs <- err
				}()
			}
			for range 2 {
				if err := <-errs; !errors.Is(err, ErrIdentity) {
					t.Errorf("two ends with role %v: %v", role, err)
				}
			}
		}
	})
}

func TestHandshake_ABadIdentityClosesTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := net.Pipe()
		if ch, err := Handshake(t.Context(), a, true, RoleLeaf, Identity{}); !errors.Is(err, ErrIdentity) || ch != nil {
			t.Errorf("an empty identity: %v", err)
		}
		_, err := Handshake(t.Context(), b, false, RoleRoot, Identity{Code: newCode(t)})
		if err == nil || !strings.Contains(err.Error(), "closed without a word") {
			t.Errorf("the other end: %v", err)
		}
	})
}

func TestHandshake_EndsWithItsContext(t *testing.T) {
	needsFakeTime(t)
	bothWays(t, func(t *testing.T, dials bool) {
		silent := map[string]func(conn net.Conn){
			"says nothing": func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) },
			"reads nothing": func(net.Conn) {
			},
		}
		for name, other := range silent {
			a, b := net.Pipe()
			go other(b)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			start := time.Now()
			ch, err := Handshake(ctx, a, dials, RoleRoot, Identity{Code: newCode(t)})
			if !errors.Is(err, context.DeadlineExceeded) || ch != nil || time.Since(start) != 5*time.Second {
				t.Errorf("%s: after %v: %v", name, time.Since(start), err)
			}
			if _, err := a.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("%s: the connection is still open: %v", name, err)
			}
			cancel()
			_ = b.Close()
		}
		cause := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		a, b := net.Pipe()
		_, err := Handshake(ctx, a, dials, RoleRoot, Identity{Code: newCode(t)})
		if !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
			t.Errorf("cancelled before it began: %v", err)
		}
		_ = b.Close()
	})
}
