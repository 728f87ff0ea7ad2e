package rooted

import (
	"context"
	"crypto/fips140"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/transport"
)

// A process in which nothing but approved algorithms works has sessions, under
// suite 2, on real sockets, with signed data.
func TestZ2_ASessionRunsUnderFIPS(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("this process is the one where FIPS 140-3 is enforced")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run", "^TestZ2_TheSessionOfThatProcess$|^Example")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "FIPS 140-3 mode is ") { // Go's words for what this build or system has not
		t.Skipf("FIPS 140-3 is not to be had here: %s", out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"TestZ2_TheSessionOfThatProcess", "Example "} {
		if !strings.Contains(string(out), "--- PASS: "+name) {
			t.Errorf("%s did not run and pass:\n%s", name, out)
		}
	}
}

// On loopback: everything is joined, said and rekeyed once.
func TestZ2_TheSessionOfThatProcess(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	group, err := transport.ParseGroup("239.192.7.3:17003")
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Identity: crypto.Identity{Code: code}, Interface: "lo"}
	host := c
	host.Control = netip.MustParseAddrPort("127.0.0.1:0")
	root, err := Listen(ctx, group, host)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	suite := root.ring.Suite()
	if (suite == crypto.AES256GCMRandomNonce) != fips140.Enforced() {
		t.Errorf("suite %v, FIPS enforced %v", suite, fips140.Enforced())
	}
	join := func() (*Leaf, *Member) {
		in := make(chan *Member, 1)
		go func() {
			m, err := root.Accept(ctx)
			if err != nil {
				t.Error(err)
			}
			in <- m
		}()
		l, err := Join(ctx, root.Addr(), nil, c)
		if err != nil {
			t.Fatal(err)
		}
		return l, <-in
	}
	l, _ := join()
	defer l.Close()
	p := make([]byte, 4000)
	hear := func(i int) {
		text := fmt.Sprintf("message %d", i)
		if err := root.Send(ctx, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if m, err := l.Recv(ctx, p); err != nil || string(p[:m.N]) != text {
			t.Fatalf("%q, %v", p[:m.N], err)
		}
	}
	hear(1)
	guest, m := join()
	hear(2)
	epoch := root.Stats().Epoch
	if err := m.Evict(transport.WSAEACCES, "out"); err != nil {
		t.Fatal(err)
	}
	guest.Close()
	hear(3)
	if err := l.Send(ctx, []byte("to the root")); err != nil {
		t.Fatal(err)
	}
	if x, err := root.Recv(ctx, p); err != nil || string(p[:x.N]) != "to the root" {
		t.Fatalf("%q, %v", p[:x.N], err)
	}
	if after := root.Stats().Epoch; after <= epoch {
		t.Errorf("epoch %d, was %d before somebody was evicted", after, epoch)
	}
	if err := root.Close(); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
