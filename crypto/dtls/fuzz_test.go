package dtls

import (
	"bytes"
	"net/netip"
	"testing"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
)

// captured is one of everything that goes over the wire.
func captured() (out [][]byte) {
	hello := plain(0, fragment{message: messageClientHello, length: 30, body: make([]byte, 30)})
	data := record{content: contentData, version: dtls12, epoch: 1, number: 7, body: make([]byte, 40)}
	both := data.append(hello.append(nil))
	for _, v := range []envelope{
		{kind: kindAsk, id: id{1}}, {kind: kindGive, id: id{1}, token: token{2}},
		{kind: kindOpen, id: id{1}, token: token{2}, records: both}, {kind: kindCarry, id: id{1}, records: both},
	} {
		out = append(out, v.append(nil))
	}
	return append(out, both, cipherRecord())
}

func FuzzEnvelope(f *testing.F) {
	for _, b := range captured() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, d := parseEnvelope(b)
		if d == 0 && !bytes.Equal(v.append(nil), b) {
			t.Errorf("%x reads as %+v, which is written %x", b, v, v.append(nil))
		}
		if d != 0 && testing.AllocsPerRun(1, func() { _, _ = parseEnvelope(b) }) != 0 {
			t.Error("refused, and memory allocated")
		}
	})
}

func FuzzRecord(f *testing.F) {
	for _, b := range captured() {
		f.Add(b)
		f.Add(b[min(len(b), carrySize):])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 {
			return
		}
		r, rest, ok := cutRecord(b)
		if !ok {
			return
		}
		if again := append(r.append(nil), rest...); !bytes.Equal(again, b) {
			t.Errorf("%x is written %x", b, again)
		}
		if g, ok := parseFragment(r.body); ok && !bytes.Equal(g.append(nil), r.body) {
			t.Errorf("fragment %x is written %x", r.body, g.append(nil))
		}
		_ = begins(b)
		_ = judgeInner(r.content, r.body)
	})
}

// FuzzGuard feeds datagrams to the guard and gives what passes to pion's part:
// no more than the limits comes out, and it is what came in.
func FuzzGuard(f *testing.F) {
	for _, b := range captured() {
		f.Add(b, true, false)
		f.Add(b[min(len(b), carrySize):], false, true)
	}
	f.Fuzz(func(t *testing.T, b []byte, dialler, sealed bool) {
		c := &counters{}
		s := &suite{count: c}
		s.opened.Store(sealed)
		p := newPipe(dialler, s, c, netip.AddrPort{}, nil)
		for range 3 {
			p.push(b)
		}
		total := 0
		for _, w := range p.waiting {
			total += len(w)
			for rest := w; len(rest) > 0; {
				r, more, ok := cutRecord(rest)
				if !ok || r.content != contentHandshake && r.epoch == 0 || r.epoch > 1 || sealed && r.epoch == 0 {
					t.Fatalf("passed %x", w)
				}
				rest = more
			}
		}
		if total > 3*len(b) || len(p.held) > maxHeld {
			t.Errorf("%d bytes in, %d out, %d records held", 3*len(b), total, len(p.held))
		}
		if st := c.snapshot(); st.Records < st.Passed {
			t.Errorf("%+v", st)
		}
	})
}

func FuzzFrame(f *testing.F) {
	for _, x := range []frame{
		{kind: frameOffer, way: wayCode, proof: [32]byte{1}}, {kind: frameAnswer, way: wayPins},
		{kind: frameAdmitted, way: wayPins}, {kind: frameRefused, way: wayCode, reason: reasonPin}, {kind: frameBye, way: wayCode},
	} {
		f.Add(x.append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, ok := parseFrame(b)
		if ok && !bytes.Equal(x.append(nil), b) {
			t.Errorf("%x is written %x", b, x.append(nil))
		}
		if ok && x.kind == frameRefused && x.reason.refused() == nil {
			t.Error("a refusal that is no error")
		}
	})
}

func FuzzSuite(f *testing.F) {
	for _, b := range captured() {
		f.Add(b)
	}
	dialler, acceptor := newSuite(), newSuite()
	for s, d := range map[*suite]bool{dialler: true, acceptor: false} {
		if err := s.Init(make([]byte, 48), make([]byte, 32), make([]byte, 32), d); err != nil {
			f.Fatal(err)
		}
	}
	acceptor.opened.Store(true)
	f.Fuzz(func(t *testing.T, b []byte) {
		if out, err := acceptor.Decrypt(b); err == nil {
			t.Errorf("%x opened as %x", b, out)
		}
		sealed, err := dialler.Encrypt(nil, b)
		if err != nil {
			return
		}
		if out, err := acceptor.Decrypt(sealed); err == nil && !bytes.Equal(out, b) {
			t.Errorf("%x sealed and opened is %x", b, out)
		}
	})
}

// FuzzHandle gives whole packets to an Endpoint that has a handshake open.
func FuzzHandle(f *testing.F) {
	for _, b := range captured() {
		f.Add(b, true)
		f.Add(b, false)
	}
	code, err := crypto.NewCode()
	if err != nil {
		f.Fatal(err)
	}
	from := netip.MustParseAddrPort("10.0.0.1:4000")
	e, err := New(Config{Identity: crypto.Identity{Code: code}, Write: func([]byte, netip.AddrPort) error { return nil }, HandshakeTimeout: 50 * time.Millisecond})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = e.Close() })
	f.Fuzz(func(t *testing.T, b []byte, good bool) {
		if v, d := parseEnvelope(b); d == 0 && v.kind == kindOpen && good {
			v.token = e.mint.token(time.Now(), from, v.id)
			b = v.append(nil)
		}
		e.Handle(b, from)
		if s := e.Stats(); s.HalfOpen > 8 {
			t.Errorf("%+v", s)
		}
	})
}
