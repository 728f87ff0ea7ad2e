package dtls

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	crand "crypto/rand"

	pion "github.com/pion/dtls/v2"
)

// 100,000 records, under loss, so that handshake records are repeated too:
// every protected one opens under write IV xor (epoch ‖ number) as it stands in
// its header, no number comes twice under a key, and there is no room for a
// nonce on the wire.
func TestD1_NoncesAreTheRecordNumbersAndNeverRepeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, 3)
		l.loss = 0.2
		wide := func(c *Config) { c.HandshakeTimeout = slot }
		a, _ := l.host("10.0.0.1:4000", wide)
		b, to := l.host("10.0.0.2:4000", wide)
		sent := map[netip.AddrPort][]record{}
		l.tap = func(p []byte, from, _ netip.AddrPort) {
			v, _ := parseEnvelope(p)
			for rest := v.records; len(rest) > 0; {
				r, more, ok := cutRecord(rest)
				if !ok {
					t.Fatalf("we sent %x", p)
				}
				if rest = more; r.epoch > 0 {
					sent[from] = append(sent[from], r)
				}
			}
		}
		d, acc := l.meet(a, b, to, Who{})
		const each = 50_000
		text := []byte("twenty bytes of text")
		for range each {
			must(t, errors.Join(d.Write(text), acc.Write(text)))
		}
		total := 0
		for from, records := range sent {
			k := d.a.suite.keys.Load() // opens what the acceptor sealed
			if from.String() == "10.0.0.1:4000" {
				k = acc.a.suite.keys.Load()
			}
			seen := map[uint64]bool{}
			for i := range records {
				r := &records[i]
				if seen[r.number] || r.epoch != 1 {
					t.Fatalf("record number %d of epoch %d came twice from %v", r.number, r.epoch, from)
				}
				seen[r.number] = true
				nonce := k.openIV
				for j := range 8 {
					nonce[4+j] ^= byte((uint64(1)<<48 | r.number) >> (56 - 8*j))
				}
				aad := fmt.Appendf(nil, "\x00\x01%s%c\xfe\xfd%s", be(r.number, 6), rune(r.content), be(uint64(len(r.body)-16), 2))
				out, err := k.open.Open(nil, nonce[:], r.body, aad)
				if err != nil || r.content == contentData && len(out) == 1+len(text) && !bytes.Equal(out[1:], text) {
					t.Fatalf("record %d from %v: %x, %v", r.number, from, out, err)
				}
			}
			total += len(records)
		}
		if total < 2*each {
			t.Errorf("%d records only", total)
		}
	})
}

func be(x uint64, n int) string {
	var b []byte
	for i := range n {
		b = append(b, byte(x>>(8*(n-1-i))))
	}
	return string(b)
}

var builtIn = []pion.CipherSuiteID{
	pion.TLS_ECDHE_ECDSA_WITH_AES_128_CCM, pion.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
	pion.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, pion.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	pion.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, pion.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	pion.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA, pion.TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA,
	pion.TLS_PSK_WITH_AES_128_CCM, pion.TLS_PSK_WITH_AES_128_CCM_8, pion.TLS_PSK_WITH_AES_256_CCM_8,
	pion.TLS_PSK_WITH_AES_128_GCM_SHA256, pion.TLS_PSK_WITH_AES_128_CBC_SHA256,
	pion.TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA256,
}

// strangeSuite has an id that nobody knows: who offers it offers none.
type strangeSuite struct{ *suite }

func (strangeSuite) ID() pion.CipherSuiteID { return 0xEEEE }

// A peer that offers, or picks whatever we offered, a suite of pion's own or
// none that we know gets nowhere, at either end.
func TestD2_NoOtherCipherSuite(t *testing.T) {
	key, err := rsa.GenerateKey(crand.Reader, 2048)
	must(t, err)
	for _, suite := range append(builtIn, 0) {
		for _, acceptor := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v/rogue accepts %v", pion.CipherSuiteName(suite), acceptor), func(t *testing.T) {
				bubble(t, func(t *testing.T, l *lab) {
					e, at := l.host("10.0.0.2:4000", nil)
					config := func(r *rogue) *pion.Config { return strangeConfig(t, r, suite, key) }
					if !acceptor {
						r := l.rogueDialler(t, "10.0.0.6:6000", at)
						_, err := r.shake(t, config(r))
						refusedBoth(t, e, err, nil)
						return
					}
					r := l.rogueAcceptor("10.0.0.6:6000")
					r.tamper = func(b []byte) []byte { // the rogue takes another suite for offered
						return bytes.ReplaceAll(b, []byte{0xCC, 0xA9}, []byte{byte(suite >> 8), byte(suite)})
					}
					dialled := make(chan error, 1)
					go func() {
						_, err := e.Dial(t.Context(), r.at, Who{})
						dialled <- err
					}()
					_, err := r.shake(t, config(r))
					refusedBoth(t, e, err, <-dialled)
				})
			})
		}
	}
}

func strangeConfig(t *testing.T, r *rogue, suite pion.CipherSuiteID, key *rsa.PrivateKey) *pion.Config {
	c := r.config(t, newSuite())
	c.CipherSuites, c.CustomCipherSuites, c.SignatureSchemes = []pion.CipherSuiteID{suite}, nil, nil
	name := pion.CipherSuiteName(suite)
	switch {
	case suite == 0:
		c.CipherSuites = []pion.CipherSuiteID{}
		c.CustomCipherSuites = func() []pion.CipherSuite { return []pion.CipherSuite{strangeSuite{newSuite()}} }
	case bytes.Contains([]byte(name), []byte("PSK")):
		c.PSK = func([]byte) ([]byte, error) { return []byte("psk"), nil }
		c.PSKIdentityHint = []byte("hint")
		c.Certificates, c.ClientAuth, c.VerifyPeerCertificate = nil, pion.NoClientCert, nil
	case bytes.Contains([]byte(name), []byte("RSA_WITH")) && !bytes.Contains([]byte(name), []byte("ECDSA")):
		cert := newAuthority(t).issue(t, issue{key: key})
		c.Certificates = []tls.Certificate{*cert}
	}
	return c
}

// refusedBoth wants a failed handshake at the rogue and at our end.
func refusedBoth(t *testing.T, e *Endpoint, rogueErr, dialErr error) {
	t.Helper()
	time.Sleep(6 * time.Second)
	synctest.Wait()
	s := e.Stats()
	if rogueErr == nil || s.Admitted != 0 || s.Failed != 1 || s.Associations != 0 {
		t.Errorf("the rogue has %v, our end %v, %+v", rogueErr, dialErr, s)
	}
}

// Without the extended master secret neither the keys nor the exporter would
// depend on the whole handshake.
func TestD2_NoWeakerMasterSecret(t *testing.T) {
	for _, acceptor := range []bool{false, true} {
		bubble(t, func(t *testing.T, l *lab) {
			e, at := l.host("10.0.0.2:4000", nil)
			if !acceptor {
				r := l.rogueDialler(t, "10.0.0.6:6000", at)
				c := r.config(t, newSuite())
				c.ExtendedMasterSecret = pion.DisableExtendedMasterSecret
				_, err := r.shake(t, c)
				refusedBoth(t, e, err, nil)
				return
			}
			r := l.rogueAcceptor("10.0.0.6:6000")
			c := r.config(t, newSuite())
			c.ExtendedMasterSecret = pion.DisableExtendedMasterSecret
			dialled := make(chan error, 1)
			go func() {
				_, err := e.Dial(t.Context(), r.at, Who{})
				dialled <- err
			}()
			_, err := r.shake(t, c)
			refusedBoth(t, e, err, <-dialled)
		})
	}
}

// forgeries are what somebody on the path can make without a key.
func forgeries(n uint64) []record {
	alert := func(level, what byte) record {
		return record{content: contentAlert, version: dtls12, number: 500 + n, body: []byte{level, what}}
	}
	return []record{
		alert(1, 0), alert(2, 40), alert(2, 10), alert(1, 90),
		{content: contentData, version: dtls12, number: 501 + n, body: []byte("forged")},
		{content: contentCipher, version: dtls12, number: 502 + n, body: []byte{1}},
		{content: contentCipher, version: dtls12, number: 503 + n, body: []byte{2}},
		{content: contentCipher, version: dtls12, epoch: 1, number: 504 + n, body: []byte{1}},
		{content: 24, version: dtls12, number: 505 + n, body: []byte{1, 2, 3}},
		{content: 99, version: dtls12, epoch: 1, number: 506 + n, body: []byte{1, 2, 3}},
		{content: contentAlert, version: 0xFEFF, number: 507 + n, body: []byte{2, 40}},
		{content: contentData, version: dtls12, epoch: 1, number: 508 + n, body: bytes.Repeat([]byte{9}, 60)},
		{content: contentHandshake, version: dtls12, epoch: 1, number: 509 + n, body: bytes.Repeat([]byte{9}, 60)},
		{content: contentData, version: dtls12, epoch: 2, number: 510 + n, body: bytes.Repeat([]byte{9}, 60)},
		// A number that would push every honest one out of the replay window.
		plain(1<<48-1, fragment{message: messageServerHello, length: 90, number: 9, body: make([]byte, 4)}),
		plain(1<<48-1, fragment{message: messageClientHello, length: 90, number: 9, body: make([]byte, 4)}),
	}
}

func TestD3_ForgedRecordsEndNothing(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		a, from := l.host("10.0.0.1:4000", nil)
		b, to := l.host("10.0.0.2:4000", nil)
		// Somebody on the path answers every packet with forgeries, to both ends.
		var on id
		n := uint64(0)
		l.tap = func(p []byte, _, _ netip.AddrPort) {
			v, d := parseEnvelope(p)
			if d != 0 || v.kind == kindAsk || v.kind == kindGive {
				return
			}
			on = v.id
			go forge(l, on, n, from, to)
			n++
		}
		start := time.Now()
		d, acc := l.meet(a, b, to, Who{})
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("the handshake took %v: forgeries delayed it", took)
		}
		alive(t, d, acc)
		l.mu.Lock()
		l.tap = nil
		l.mu.Unlock()
		for n := range uint64(100) {
			forge(l, on, n, from, to)
		}
		synctest.Wait()
		start = time.Now()
		alive(t, d, acc)
		if took := time.Since(start); took > 10*time.Millisecond {
			t.Errorf("data took %v after forgeries: reading stalled", took)
		}
		for _, e := range []*Endpoint{a, b} {
			s := e.Stats()
			for _, reason := range []Drop{RecordPlain, RecordLate, RecordCipher, RecordKind, RecordVersion, RecordEpoch, RecordForged} {
				if s.Drops[reason] == 0 {
					t.Errorf("nothing was counted as %v", reason)
				}
			}
		}
		balanced(t, a, b)
	})
}

func forge(l *lab, on id, n uint64, from, to netip.AddrPort) {
	for _, r := range forgeries(n) {
		v := envelope{kind: kindCarry, id: on, records: r.append(nil)}
		l.inject(v.append(nil), from, to)
		l.inject(v.append(nil), to, from)
	}
}

// Who does not see the packets does not know the id and reaches nothing at all.
func TestD3_WithoutTheIdNothingArrives(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		a, from := l.host("10.0.0.1:4000", nil)
		b, to := l.host("10.0.0.2:4000", nil)
		d, acc := l.meet(a, b, to, Who{})
		before := b.Stats()
		for n := range uint64(100) {
			forge(l, id{byte(n)}, n, from, to)
		}
		s := b.Stats()
		if s.Records != before.Records || s.Drops[DropUnknown]-before.Drops[DropUnknown] != uint64(100*len(forgeries(0))) {
			t.Errorf("before %+v, after %+v", before, s)
		}
		alive(t, d, acc)
	})
}
