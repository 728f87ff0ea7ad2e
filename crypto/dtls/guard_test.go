package dtls

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"
)

func TestGuard_LetsThroughAnHonestHandshakeAlone(t *testing.T) {
	part := func(message uint8, number uint16, length, offset, n int) []byte {
		f := fragment{message: message, length: uint32(length), number: number, offset: uint32(offset), body: make([]byte, n)}
		return f.append(nil)
	}
	hello := part(messageClientHello, 0, 100, 0, 100)
	for name, c := range map[string]struct {
		r               record
		dialler, sealed bool
		want            Drop
	}{
		"a hello":                      {r: record{content: 22, version: dtls12, body: hello}},
		"a hello at the dialler":       {r: record{content: 22, version: dtls12, body: hello}, dialler: true, want: RecordFragment},
		"a hello when keys are in use": {r: record{content: 22, version: dtls12, body: hello}, sealed: true, want: RecordLate},
		"DTLS 1.0":                     {r: record{content: 22, version: 0xFEFF, body: hello}, want: RecordVersion},
		"TLS 1.2":                      {r: record{content: 22, version: 0x0303, body: hello}, want: RecordVersion},
		"epoch 2":                      {r: record{content: 22, version: dtls12, epoch: 2, body: hello}, want: RecordEpoch},
		"heartbeat":                    {r: record{content: 24, version: dtls12, epoch: 1, body: hello}, want: RecordKind},
		"content 19":                   {r: record{content: 19, version: dtls12, body: hello}, want: RecordKind},
		"a change of cipher":           {r: record{content: 20, version: dtls12, body: []byte{1}}},
		"a longer change of cipher":    {r: record{content: 20, version: dtls12, body: []byte{1, 1}}, want: RecordCipher},
		"a protected change":           {r: record{content: 20, version: dtls12, epoch: 1, body: []byte{1}}, want: RecordCipher},
		"an alert":                     {r: record{content: 21, version: dtls12, body: []byte{2, 40}}, want: RecordPlain},
		"a protected alert":            {r: record{content: 21, version: dtls12, epoch: 1, body: make([]byte, 18)}},
		"data":                         {r: record{content: 23, version: dtls12, body: []byte{1}}, want: RecordPlain},
		"protected data":               {r: record{content: 23, version: dtls12, epoch: 1, body: make([]byte, 18)}},
		"a high number":                {r: record{content: 22, version: dtls12, number: maxPlainNumber, body: hello}, want: RecordNumber},
		"the last number":              {r: record{content: 22, version: dtls12, number: maxPlainNumber - 1, body: hello}},
		"a message of 16 KiB":          {r: record{content: 22, version: dtls12, body: part(11, 2, maxMessage, 0, 9)}},
		"a longer message":             {r: record{content: 22, version: dtls12, body: part(11, 2, maxMessage+1, 0, 9)}, want: RecordFragment},
		"message 17":                   {r: record{content: 22, version: dtls12, body: part(11, 17, 9, 0, 9)}, want: RecordFragment},
		"a fragment of nothing":        {r: record{content: 22, version: dtls12, body: part(11, 2, 9, 0, 0)}, want: RecordFragment},
		"an empty message":             {r: record{content: 22, version: dtls12, body: part(14, 2, 0, 0, 0)}, dialler: true},
		"an empty message, elsewhere":  {r: record{content: 22, version: dtls12, body: part(14, 2, 0, 1, 0)}, dialler: true, want: RecordFragment},
		"a fragment beyond its end":    {r: record{content: 22, version: dtls12, body: part(11, 2, 9, 5, 5)}, want: RecordFragment},
		"two fragments in a record":    {r: record{content: 22, version: dtls12, body: append(part(11, 2, 9, 0, 9), hello...)}, want: RecordFragment},
		"Finished in the clear":        {r: record{content: 22, version: dtls12, body: part(20, 2, 12, 0, 12)}, want: RecordFragment},
		"HelloRequest":                 {r: record{content: 22, version: dtls12, body: part(0, 0, 0, 0, 0)}, dialler: true, want: RecordFragment},
	} {
		g := guard{dialler: c.dialler}
		if got := g.judge(&c.r, c.sealed); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	for name, c := range map[string]struct{ each, want int }{"fragments": {10, maxFragments}, "bytes": {1000, maxFragmentBytes / 1012}} {
		g, passed := guard{}, 0
		for range 10 * maxFragments {
			r := record{content: 22, version: dtls12, body: part(11, 2, 2000, 0, c.each)}
			if g.judge(&r, false) == 0 {
				passed++
			}
		}
		if passed != c.want {
			t.Errorf("%d %s passed, want %d", passed, name, c.want)
		}
	}
}

func TestGuard_LimitsWhatProtectionHides(t *testing.T) {
	finished := fragment{message: messageFinished, length: 12, number: 5, body: make([]byte, 12)}
	request := fragment{message: 0}
	short := fragment{message: messageFinished, length: 12, number: 5, body: make([]byte, 6)}
	for name, c := range map[string]struct {
		content uint8
		body    []byte
		want    bool
	}{
		"data": {23, []byte{1}, true}, "empty data": {23, nil, true},
		"close": {21, []byte{1, 0}, true}, "fatal": {21, []byte{2, 40}, true}, "warning": {21, []byte{1, 90}, false}, "half an alert": {21, []byte{2}, false},
		"Finished": {22, finished.append(nil), true}, "renegotiation": {22, request.append(nil), false}, "half a Finished": {22, short.append(nil), false},
		"a change of cipher": {20, []byte{1}, false}, "two messages": {22, append(finished.append(nil), request.append(nil)...), false},
	} {
		if got := judgeInner(c.content, c.body); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What TestD1 sees on the wire, record by record: nothing opens but what the
// other end sealed, as it was, once Finished has opened.
func TestSuite_RefusesWhatIsNotItsOwn(t *testing.T) {
	dialler, acceptor := newSuite(), newSuite()
	master, cr, sr := make([]byte, 48), make([]byte, 32), make([]byte, 32)
	master[0], cr[1], sr[2] = 1, 2, 3
	must(t, dialler.Init(master, cr, sr, true))
	must(t, acceptor.Init(master, cr, sr, false))
	finished := fragment{message: messageFinished, length: 12, number: 5, body: make([]byte, 12)}
	first := record{content: contentHandshake, version: dtls12, epoch: 1, number: 0, body: finished.append(nil)}
	data := record{content: contentData, version: dtls12, epoch: 1, number: 1, body: []byte("text")}
	early, err := dialler.Encrypt(nil, data.append(nil))
	must(t, err)
	if _, err := acceptor.Decrypt(early); err == nil {
		t.Error("data opened before Finished")
	}
	sealed, err := dialler.Encrypt(nil, first.append(nil))
	must(t, err)
	if out, err := acceptor.Decrypt(sealed); err != nil || hex.EncodeToString(out) != hex.EncodeToString(first.append(nil)) {
		t.Fatalf("opened %x, %v", out, err)
	}
	if len(early) != recordHeader+len("text")+16 {
		t.Errorf("a record of %d bytes: there is a nonce in it", len(early))
	}
	for i := range 8 * len(early) {
		bad := append([]byte(nil), early...)
		bad[i/8] ^= 1 << (i % 8)
		as := append([]byte(nil), bad...)
		if out, err := acceptor.Decrypt(bad); err == nil || !bytes.Equal(bad, as) {
			t.Errorf("bit %d changed: opened %x, and what came in is now %x", i, out, bad)
		}
	}
	if _, err := dialler.Decrypt(early); err == nil {
		t.Error("our own record opened: it can be reflected")
	}
	for name, r := range map[string]record{
		"the number after the last": {content: 23, version: dtls12, epoch: 1, number: maxRecords, body: []byte{1}},
		"the clear epoch":           {content: 23, version: dtls12, body: []byte{1}},
		"another epoch":             {content: 23, version: dtls12, epoch: 2, body: []byte{1}},
		"too long":                  {content: 23, version: dtls12, epoch: 1, body: make([]byte, maxDatagram)},
	} {
		if _, err := dialler.Encrypt(nil, r.append(nil)); err == nil {
			t.Errorf("%s: sealed", name)
		}
	}
	r := record{content: 23, version: dtls12, epoch: 1, number: maxRecords - 1, body: []byte{1}}
	if _, err := dialler.Encrypt(nil, r.append(nil)); err != nil {
		t.Errorf("the last number: %v", err)
	}
	empty := newSuite()
	if _, err := empty.Encrypt(nil, data.append(nil)); err == nil {
		t.Error("sealed without keys")
	}
	if _, err := empty.Decrypt(early); err == nil {
		t.Error("opened without keys")
	}
	if err := empty.Init(master[1:], cr, sr, true); err == nil {
		t.Error("a short master secret")
	}
}

func TestDrop_NamesAreThere(t *testing.T) {
	seen := map[string]bool{}
	for d := range Drop(Drops) {
		if s := d.String(); s == "" || seen[s] {
			t.Errorf("reason %d is called %q", d, s)
		} else {
			seen[s] = true
		}
	}
	if fmt.Sprint(Drop(99)) != "unknown reason" {
		t.Error(Drop(99))
	}
}
