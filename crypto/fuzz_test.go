package crypto

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"strings"
	"testing"
)

// What opens is what was sealed: nobody without the keys can make anything else.
func FuzzOpen(f *testing.F) {
	content := func(kind uint8) []byte { return bytes.Repeat([]byte{kind}, int(kind)*20) }
	const first = 5 // the number of the first packet sealed; the kind counts with it
	for _, s := range suites {
		r := sealedVector(f, s, first)
		for kind := range uint8(4) {
			p, err := r.Seal(nil, 0, kind, kind, content(kind))
			must(f, err)
			f.Add(uint8(s)-1, bytes.Clone(p))
			if _, drop := sealedVector(f, s, 0).Open(p); drop != 0 {
				f.Fatalf("a seed does not open: %v", Drop(drop))
			}
		}
	}
	f.Add(uint8(1), []byte{})
	f.Fuzz(func(t *testing.T, suite uint8, packet []byte) {
		s := Suite(suite%3 + 1)
		if s.Check() != nil {
			t.Skip("not allowed in this mode")
		}
		o, drop := sealedVector(t, s, 0).Open(bytes.Clone(packet))
		if drop != 0 {
			if drop >= Drops || o.Payload != nil {
				t.Fatalf("dropped as %d with %+v", drop, o)
			}
			return
		}
		if !bytes.Equal(o.Payload, content(o.Kind)) || o.Flags != o.Kind || o.Number != first+uint64(o.Kind) ||
			o.Sender != 7 || len(o.Payload)+s.Overhead() != len(packet) {
			t.Fatalf("%x opened: %+v", packet, o)
		}
	})
}

func FuzzParseEpochState(f *testing.F) {
	session, params, roster, commit := vectorInputs()
	e := committedEpoch(session, params, roster, 1, commit)
	f.Add(e.AppendState(nil))
	f.Add(e.Next(roster).AppendState(nil))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := ParseEpochState(session, params, b)
		if err != nil {
			if len(b) != stateSize && testing.AllocsPerRun(1, func() { _, _ = ParseEpochState(session, params, b) }) != 0 {
				t.Error("refusing the size allocates")
			}
			return
		}
		if again := e.AppendState(nil); !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

func FuzzParseStep(f *testing.F) {
	session, params, roster, commit := vectorInputs()
	e := committedEpoch(session, params, roster, 1, commit)
	f.Add(e.Next(roster).AppendStep(nil))
	f.Add(e.Next([32]byte{}).AppendStep(nil))
	f.Add(e.Next(roster).Next(roster).AppendStep(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		next, err := e.ParseStep(b)
		if err != nil {
			return
		}
		if again := next.AppendStep(nil); !bytes.Equal(again, b) || next.Number() != e.Number()+1 {
			t.Errorf("%x became %x", b, again)
		}
	})
}

// What parses reads the same as what was typed, but for case and separators.
func FuzzParseCode(f *testing.F) {
	f.Add(JoinCode{&codeSecret{16, (*[maxCode]byte)(counted(1, maxCode))}}.Reveal())
	f.Add(JoinCode{&codeSecret{64, (*[maxCode]byte)(counted(1, maxCode))}}.Reveal())
	f.Add(strings.ToLower(JoinCode{&codeSecret{17, (*[maxCode]byte)(counted(1, maxCode))}}.Reveal()))
	f.Add("correct horse battery staple")
	plain := strings.NewReplacer("-", "", " ", "", "\t", "", "\r", "", "\n", "")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseCode(text)
		if err != nil {
			if testing.AllocsPerRun(1, func() { _, _ = ParseCode(text) }) != 0 {
				t.Error("refusing allocates")
			}
			return
		}
		if got := plain.Replace(c.Reveal()); got != strings.ToUpper(plain.Replace(text)) {
			t.Errorf("a code reads differently than typed")
		}
		if d, err := ParseCode(c.Reveal()); err != nil || !d.Equal(c) {
			t.Errorf("a revealed code does not parse: %v", err)
		}
	})
}

func FuzzParsePin(f *testing.F) {
	f.Add(Pin(counted(1, 32)).String())
	f.Add(Pin{}.String())
	f.Add("sha256:")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePin(text)
		if err != nil {
			if testing.AllocsPerRun(1, func() { _, _ = ParsePin(text) }) != 0 {
				t.Error("refusing allocates")
			}
			return
		}
		if p.String() != strings.TrimSpace(text) {
			t.Errorf("%q became %v", text, p)
		}
	})
}

func FuzzParseRecord(f *testing.F) {
	for _, r := range []record{
		{kind: recordAccept, role: RoleRoot, way: wayCode},
		{kind: recordProof, role: RoleLeaf, way: wayPin, proof: [32]byte{1}},
		{kind: recordRefuse, role: RoleLeaf, way: wayCertificates, reason: reasonOther},
	} {
		f.Add(r.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := testing.AllocsPerRun(1, func() { _, _ = parseRecord(b) }); n != 0 {
			t.Errorf("%v allocations", n)
		}
		r, err := parseRecord(b)
		if err != nil {
			return
		}
		if again := r.append(nil); !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
		if r.kind == recordRefuse && r.reason.refused() == nil {
			t.Error("a refusal is no error")
		}
	})
}

// Whatever certificate the other end shows, judging it does not panic, and one
// that the authority did not sign is never accepted.
func FuzzJudge(f *testing.F) {
	a := newAuthority(f)
	good := a.issue(f, issue{root: true, names: []string{"root.test"}})
	own, err := throwaway()
	must(f, err)
	member := a.issue(f, issue{})
	f.Add(good.Certificate[0])
	f.Add(own.Certificate[0])
	f.Add(a.cert.Raw)
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		cs := &tls.ConnectionState{Version: tls.VersionTLS13, NegotiatedProtocol: Protocol, PeerCertificates: []*x509.Certificate{c, a.cert}}
		id := Identity{Certificate: member, CAs: a.pool, ServerName: "root.test"}
		if err := id.judge(RoleLeaf, cs); err == nil && !bytes.Equal(c.RawTBSCertificate, mustParse(t, good).RawTBSCertificate) {
			t.Errorf("%x is accepted", der)
		}
		pinned := Identity{RootPin: PinOf(mustParse(t, good))}
		if err := pinned.judge(RoleLeaf, cs); (err == nil) != (PinOf(c) == pinned.RootPin) {
			t.Errorf("%x against a pin: %v", der, err)
		}
	})
}

func mustParse(t testing.TB, c *tls.Certificate) *x509.Certificate {
	t.Helper()
	leaf, err := ownLeaf(c)
	must(t, err)
	return leaf
}
