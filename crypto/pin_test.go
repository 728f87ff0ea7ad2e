package crypto

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

func TestPin_ReadsWhatItPrints(t *testing.T) {
	p := Pin(counted(200, 32))
	for _, text := range []string{p.String(), " " + p.String() + "\n"} {
		if q, err := ParsePin(text); err != nil || q != p {
			t.Errorf("%q: %v, %v", text, q, err)
		}
	}
	s := p.String()
	for name, text := range map[string]string{
		"nothing":           "",
		"no prefix":         s[7:],
		"another hash":      "sha512:" + s[7:],
		"one character off": s[:len(s)-1],
		"one too many":      s + "A",
		"padding":           s + "=",
		"spare bits set":    s[:len(s)-1] + "D",
		"standard base64":   strings.ReplaceAll(strings.ReplaceAll(s, "-", "+"), "_", "/"),
		"a line break":      s[:20] + "\n" + s[21:],
		"no key at all":     Pin{}.String(),
	} {
		if text == s {
			t.Fatalf("%s: the case changes nothing", name)
		}
		if q, err := ParsePin(text); !errors.Is(err, ErrIdentity) || !q.IsZero() {
			t.Errorf("%s: %v, %v", name, q, err)
		}
	}
}

func TestPin_GoesThroughJSON(t *testing.T) {
	for _, p := range []Pin{{}, Pin(counted(1, 32))} {
		b, err := json.Marshal(p)
		must(t, err)
		q := Pin{9}
		must(t, json.Unmarshal(b, &q))
		if p != q {
			t.Errorf("%v became %v", p, q)
		}
	}
}

func TestIdentity_PinIsTheFingerprintThatOthersSee(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	for _, id := range []Identity{{Key: ed}, {Key: p256}, {Code: newCode(t), Key: ed}} {
		p, err := id.Pin()
		must(t, err)
		c, err := id.ownCertificate()
		must(t, err)
		if p != PinOf(c.Leaf) {
			t.Errorf("%v: shows %v, says %v", id, PinOf(c.Leaf), p)
		}
	}
	for _, id := range []Identity{{}, {Code: newCode(t)}, {RootPin: Pin{1}}} {
		if p, err := id.Pin(); !errors.Is(err, ErrIdentity) || !p.IsZero() {
			t.Errorf("%v has a fingerprint: %v, %v", id, p, err)
		}
	}
}
