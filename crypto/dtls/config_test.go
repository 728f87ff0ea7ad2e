package dtls

import (
	"crypto/ed25519"
	"crypto/fips140"
	"crypto/rand"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
)

func TestNew_SaysWhatIsWrong(t *testing.T) {
	code, err := crypto.NewCode()
	must(t, err)
	ca := newAuthority(t)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	good := crypto.Identity{Certificate: ca.issue(t, issue{}), CAs: ca.pool}
	edwards := crypto.Identity{Certificate: ca.issue(t, issue{key: edKey}), CAs: ca.pool}
	both := good
	both.Code = code
	send := func([]byte, netip.AddrPort) error { return nil }
	for want, c := range map[string]Config{
		"it is empty":           {Write: send},
		"choose one":            {Write: send, Identity: both, Admit: AnyMember},
		"Admit is missing":      {Write: send, Identity: good},
		"CAs is missing":        {Write: send, Identity: crypto.Identity{Certificate: good.Certificate}, Admit: AnyMember},
		"Certificate is missin": {Write: send, Identity: crypto.Identity{CAs: ca.pool}, Admit: AnyMember},
		"no P-256 key":          {Write: send, Identity: edwards, Admit: AnyMember},
		"sessions with a root":  {Write: send, Identity: crypto.Identity{Code: code, RootPin: crypto.Pin{1}}},
		"Write is missing":      {Identity: crypto.Identity{Code: code}},
		"MTU":                   {Write: send, Identity: crypto.Identity{Code: code}, MTU: 500},
		"negative duration":     {Write: send, Identity: crypto.Identity{Code: code}, IdleTimeout: -1},
		"HandshakeTimeout":      {Write: send, Identity: crypto.Identity{Code: code}, HandshakeTimeout: time.Minute},
		"Config.HalfOpen is":    {Write: send, Identity: crypto.Identity{Code: code}, HalfOpen: -1},
		"no unlimited":          {Write: send, Identity: crypto.Identity{Code: code}, AskRate: 1 << 30},
	} {
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), code.Reveal()) {
			t.Errorf("%s: %v", want, err)
		}
	}
	for w, who := range map[way][]Who{
		wayCode:         {{Name: "x"}, {Any: true}},
		wayPins:         {{}, {Any: true}, {Name: "x"}},
		wayCertificates: {{}},
	} {
		for _, x := range who {
			if err := w.check(x); !errors.Is(err, crypto.ErrIdentity) {
				t.Errorf("%v and %+v: %v", w, x, err)
			}
		}
	}
}

// The code's bytes are those that crypto computes its own proofs with: 16 of
// them, and two texts of one code are one key.
func TestCodeKey_IsTheCodeItself(t *testing.T) {
	code, err := crypto.NewCode()
	must(t, err)
	same, err := crypto.ParseCode(strings.ToLower(code.Reveal()))
	must(t, err)
	if a, b := codeKey(code), codeKey(same); len(a) != 16 || string(a) != string(b) {
		t.Errorf("%d bytes, %v", len(a), string(a) == string(b))
	}
}

func TestZ2_FIPSIsRefusedInWords(t *testing.T) {
	_, err := New(Config{Admit: AnyMember, Write: func([]byte, netip.AddrPort) error { return nil }})
	if enforced := fips140.Enforced(); enforced != errors.Is(err, ErrFIPS) || enforced != (err != nil) {
		t.Errorf("enforced %v: %v", enforced, err)
	}
}
