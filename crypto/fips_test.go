package crypto

import (
	"crypto/fips140"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Z2, crypto's part: this package's tests again, in a process where nothing but
// approved algorithms works.
func TestZ2_EverythingWorksUnderFIPS(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("this process is the one where FIPS 140-3 is enforced")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.short", "-test.v")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "FIPS 140-3 mode is ") { // Go's words for what this build or system has not
		t.Skipf("FIPS 140-3 is not to be had here: %s", out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"TestZ2_SuiteTwoIsChosen", "TestHotPath_AllocatesNothing", "TestHandshake_EachIdentityWorksWhoeverDials", "TestP3_NoAlteredPacket"} {
		if !strings.Contains(string(out), "--- PASS: "+name) {
			t.Errorf("%s did not run and pass:\n%s", name, out)
		}
	}
}

func TestZ2_SuiteTwoIsChosen(t *testing.T) {
	for _, s := range []Suite{AES256GCM, AES256GCMRandomNonce, ChaCha20Poly1305} {
		_, err := NewRing(RingConfig{Suite: s, Session: SessionID{1}, Self: 1, Group: testGroup})
		allowed := s == AES256GCMRandomNonce || !fips140.Enforced()
		if allowed != (err == nil) || !allowed && !errors.Is(err, ErrVersion) {
			t.Errorf("FIPS enforced %v: %v: %v", fips140.Enforced(), s, err)
		}
	}
	if (DefaultSuite() == AES256GCMRandomNonce) != fips140.Enforced() {
		t.Errorf("FIPS enforced %v: the default is %v", fips140.Enforced(), DefaultSuite())
	}
	for s, want := range map[Suite]int{AES256GCM: 40, AES256GCMRandomNonce: 52, ChaCha20Poly1305: 40} {
		if s.Overhead() != want {
			t.Errorf("%v adds %d bytes, want %d", s, s.Overhead(), want)
		}
	}
}
