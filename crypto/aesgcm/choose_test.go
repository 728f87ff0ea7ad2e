package aesgcm

import (
	"crypto/cipher"
	"crypto/fips140"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestNew_TakesTheKernelWhereItMay(t *testing.T) {
	t.Logf("the processor can: %v; FIPS 140-3: %v; the kernel is used: %v", capable, fips140.Enabled(), Fast())
	if want := capable && !fips140.Enabled(); Fast() != want {
		t.Errorf("the kernel is used: %v, want %v", Fast(), want)
	}
	a, err := New(new([KeySize]byte))
	if fips140.Enforced() {
		if err == nil {
			t.Error("a caller's nonces are taken while FIPS 140-3 is enforced")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if library := fmt.Sprintf("%T", mustLibrary(t, new([KeySize]byte))); (fmt.Sprintf("%T", a) != library) != Fast() {
		t.Errorf("New returns %T, and Fast says %v", a, Fast())
	}
}

func TestNew_LeavesFIPSToTheLibrary(t *testing.T) {
	if fips140.Enabled() {
		t.Skip("this process is one where FIPS 140-3 is on")
	}
	for _, mode := range []string{"on", "only"} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=TestNew_TakesTheKernelWhereItMay", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140="+mode)
		out, err := cmd.CombinedOutput()
		for _, want := range []string{"the kernel is used: false", "--- PASS: TestNew_TakesTheKernelWhereItMay"} {
			if err != nil || !strings.Contains(string(out), want) {
				t.Errorf("fips140=%s: no %q: %v\n%s", mode, want, err, out)
			}
		}
	}
}

// The environment can switch the instructions off, which is how to do without the
// kernel where it is under suspicion.
func TestNew_ObeysTheEnvironment(t *testing.T) {
	needKernel(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=TestNew_TakesTheKernelWhereItMay", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=cpu.avx512f=off")
	out, err := cmd.CombinedOutput()
	for _, want := range []string{"the processor can: false", "--- PASS: TestNew_TakesTheKernelWhereItMay"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("no %q: %v\n%s", want, err, out)
		}
	}
}

// faulty is right, but for one thing.
type faulty struct {
	cipher.AEAD
	wrong string
}

func (f faulty) Seal(dst, nonce, plain, data []byte) []byte {
	out := f.AEAD.Seal(dst, nonce, plain, data)
	switch {
	case f.wrong == "tag", f.wrong == "text" && len(plain) == 257:
		out[len(out)-1-len(plain)/2] ^= 0x10
	case f.wrong == "length":
		return append(out, 0)
	}
	return out
}

func (f faulty) Open(dst, nonce, sealed, data []byte) ([]byte, error) {
	out, err := f.AEAD.Open(dst, nonce, sealed, data)
	switch {
	case f.wrong == "trust" && err != nil && len(sealed) == 1408+tagSize:
		return make([]byte, 1408), nil
	case f.wrong == "leak" && err != nil:
		return make([]byte, 1), err
	case f.wrong == "refusal" && len(data) > 0:
		return nil, errors.New("no")
	case f.wrong == "opened" && err == nil && len(out) > 0:
		out[len(out)-1] ^= 1
	}
	return out, err
}

func TestAgree_NoticesWhatIsWrong(t *testing.T) {
	mustLibrary(t, new([KeySize]byte))
	for wrong, want := range map[string]bool{
		"": true, "tag": false, "text": false, "length": false,
		"trust": false, "leak": false, "refusal": false, "opened": false,
	} {
		got := agree(func(key *[KeySize]byte) cipher.AEAD { return faulty{mustLibrary(t, key), wrong} })
		if got != want {
			t.Errorf("with a wrong %q they agree: %v", wrong, got)
		}
		got = trust(func(key *[KeySize]byte) cipher.AEAD { return faulty{mustLibrary(t, key), wrong} })
		if want = want && capable && !fips140.Enabled(); got != want {
			t.Errorf("with a wrong %q it is trusted: %v", wrong, got)
		}
	}
}

func TestAgree_OfTheKernelHoldsAgainAndAgain(t *testing.T) {
	needKernel(t)
	mustLibrary(t, new([KeySize]byte))
	for range 20 {
		if !agree(newVector) {
			t.Fatal("the kernel and crypto/cipher disagree")
		}
	}
}
