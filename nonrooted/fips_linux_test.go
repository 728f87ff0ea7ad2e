package nonrooted

import (
	"crypto/fips140"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/joinleaf/joinleaf/crypto"
	"github.com/joinleaf/joinleaf/crypto/dtls"
	"github.com/joinleaf/joinleaf/transport"
)

// Equals prove themselves over DTLS, whose cipher suite FIPS 140-3 does not know:
// in such a process a join is refused, and the error says what is left.
func TestZ2_EqualsAreRefusedInWordsUnderFIPS(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("this process is the one where FIPS 140-3 is enforced")
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.run", "^TestZ2_TheRefusalOfThatProcess$")
	cmd.Env = append(os.Environ(), "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "FIPS 140-3 mode is ") { // Go's words for what this build or system has not
		t.Skipf("FIPS 140-3 is not to be had here: %s", out)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: TestZ2_TheRefusalOfThatProcess") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestZ2_TheRefusalOfThatProcess(t *testing.T) {
	code, err := crypto.NewCode()
	if err != nil {
		t.Fatal(err)
	}
	group, err := transport.ParseGroup("239.192.7.3:17005")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Join(t.Context(), group, Config{Identity: crypto.Identity{Code: code}, Interface: "lo"})
	if err == nil {
		p.Close()
	}
	if enforced := fips140.Enforced(); enforced != errors.Is(err, dtls.ErrFIPS) || enforced != (err != nil) {
		t.Fatalf("enforced %v: %v", enforced, err)
	}
	if err != nil && !strings.Contains(err.Error(), "rooted sessions work without DTLS") {
		t.Error(err)
	}
}
