package dtls

import (
	"bytes"
	"errors"
	"testing"

	"github.com/joinleaf/joinleaf/crypto"
)

// Both ends export the same, under each label and context something else; it
// is RFC 5705 over the master secret, as the test computes it itself.
func TestD7_BothEndsExportTheSame(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		a, _ := l.host("10.0.0.1:4000", nil)
		b, to := l.host("10.0.0.2:4000", nil)
		d, acc := l.meet(a, b, to, Who{})
		seen := map[string]string{}
		for label, context := range map[string][]byte{
			"EXPORTER-a": nil, "EXPORTER-b": nil, "EXPORTER-c": {}, "EXPORTER-d": []byte("context"),
		} {
			x, err1 := d.Export(label, context, 40)
			y, err2 := acc.Export(label, context, 40)
			if err1 != nil || err2 != nil || len(x) != 40 || !bytes.Equal(x, y) || seen[string(x)] != "" {
				t.Errorf("%s: %x, %x, %v, %v, the same as %q", label, x, y, err1, err2, seen[string(x)])
			}
			seen[string(x)] = label
			k := d.a.suite.keys.Load()
			seed := label + string(k.clientRandom[:]) + string(k.serverRandom[:])
			if context != nil {
				seed += be(uint64(len(context)), 2) + string(context)
			}
			if want := pSHA256(k.master[:], seed, 40); !bytes.Equal(x, want) {
				t.Errorf("%s: %x, and RFC 5705 says %x", label, x, want)
			}
		}
		without, _ := d.Export("EXPORTER-a", nil, 40)
		empty, _ := d.Export("EXPORTER-a", []byte{}, 40)
		if bytes.Equal(without, empty) {
			t.Error("no context and an empty one export the same")
		}
		for _, label := range []string{"", "master secret", "key expansion", "client finished"} {
			if b, err := d.Export(label, nil, 32); err == nil {
				t.Errorf("%q: %x", label, b)
			}
		}
		for _, n := range []int{-1, 0, maxExport + 1} {
			if b, err := d.Export("EXPORTER-a", nil, n); err == nil {
				t.Errorf("%d bytes: %x", n, b)
			}
		}
	})
}

// Nobody is who it says because of its address, and no certificate of another
// member passes for the one that was meant.
func TestD8_APeerIsWhoWasMeant(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		ca := newAuthority(t)
		with := func(names ...string) func(*Config) {
			return func(c *Config) {
				c.Identity = crypto.Identity{Certificate: ca.issue(t, issue{names: names}), CAs: ca.pool}
				c.Admit = AnyMember
			}
		}
		a, _ := l.host("10.0.0.1:4000", with("a.test"))
		meant, _ := l.host("10.0.0.2:4000", with("b.test", "10.0.0.2"))
		other, at := l.host("10.0.0.3:4000", with("c.test")) // where b was expected
		for name, c := range map[string]struct {
			who  Who
			want error
		}{
			"an IP literal":                      {Who{Name: "10.0.0.2"}, crypto.ErrCertificate},
			"an IP literal that is its address":  {Who{Name: "10.0.0.3"}, crypto.ErrCertificate},
			"another member's name":              {Who{Name: "b.test"}, crypto.ErrCertificate},
			"another member's pin":               {Who{Pin: meant.Pin()}, crypto.ErrPin},
			"the right name, another's pin":      {Who{Name: "c.test", Pin: meant.Pin()}, crypto.ErrPin},
			"another's name, the right pin":      {Who{Name: "b.test", Pin: other.Pin()}, crypto.ErrCertificate},
			"an empty name, and nothing besides": {Who{}, crypto.ErrIdentity},
		} {
			_, _, err, _ := try(t, a, other, at, c.who)
			if !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		}
		d, acc := l.meet(a, other, at, Who{Name: "c.test", Pin: other.Pin()})
		alive(t, d, acc)
	})
}
