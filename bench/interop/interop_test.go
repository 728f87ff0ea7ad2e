package dtls

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	three "github.com/pion/dtls/v3"

	"github.com/joinleaf/joinleaf/crypto"
	two "github.com/joinleaf/joinleaf/crypto/dtls"
)

// bothWays runs a story with each version dialling, in fake time.
func bothWays(t *testing.T, story func(t *testing.T, w *wire, threeDials bool)) {
	for name, threeDials := range map[string]bool{"three dials": true, "two dials": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { story(t, newWire(t), threeDials) })
		})
	}
}

func (w *wire) mustMeet(threeDials bool) *pair {
	w.t.Helper()
	p, err := w.meet(threeDials, w.config())
	must(w.t, err)
	return p
}

func TestD9_DataBothWays(t *testing.T) {
	bothWays(t, func(t *testing.T, w *wire, threeDials bool) {
		p := w.mustMeet(threeDials)
		for range 100 {
			p.alive()
		}
		if p.two.Peer().Pin != w.pinOfThree() {
			t.Errorf("version 2 sees %v, version 3 is %v", p.two.Peer().Pin, w.pinOfThree())
		}
		must(t, p.two.Close())
	})
}

// D1 of both: numbers rise, none comes twice, and a record is its text and a tag,
// with no room for a nonce.
func TestD9_D1_NoNoncesOnTheWire(t *testing.T) {
	bothWays(t, func(t *testing.T, w *wire, threeDials bool) {
		seen, sizes := map[string]bool{}, map[string]map[int]bool{"two": {}, "three": {}}
		var mu sync.Mutex
		w.tap = func(records []byte, toTwo bool) {
			mu.Lock()
			defer mu.Unlock()
			from := map[bool]string{true: "three", false: "two"}[toTwo]
			for b := records; len(b) > 0; {
				r, rest, ok := cutRecord(b)
				if !ok {
					t.Errorf("%s sent %x", from, b)
					return
				}
				b = rest
				k := fmt.Sprint(from, r.epoch, r.number)
				if r.epoch == 0 {
					continue // a flight may be said again under its numbers
				}
				if seen[k] {
					t.Errorf("record %d of epoch %d from %s came twice", r.number, r.epoch, from)
				}
				if seen[k] = true; r.content == contentData {
					sizes[from][len(r.body)] = true
				}
			}
		}
		p := w.mustMeet(threeDials)
		mu.Lock()
		clear(sizes["two"])
		clear(sizes["three"])
		mu.Unlock()
		for range 2000 {
			p.alive()
		}
		mu.Lock()
		defer mu.Unlock()
		for from, text := range map[string]string{"two": "from two", "three": "from three"} {
			if want := map[int]bool{1 + len(text) + 16: true}; fmt.Sprint(sizes[from]) != fmt.Sprint(want) {
				t.Errorf("%s sends records of %v bytes, want %v", from, sizes[from], want)
			}
		}
	})
}

// D2 of both: who offers, or has, any other suite gets nowhere.
func TestD9_D2_NoOtherCipherSuite(t *testing.T) {
	suites := []three.CipherSuiteID{
		three.TLS_ECDHE_ECDSA_WITH_AES_128_CCM, three.TLS_ECDHE_ECDSA_WITH_AES_128_CCM_8,
		three.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, three.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		three.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA,
	}
	bothWays(t, func(t *testing.T, w *wire, threeDials bool) {
		for _, s := range suites {
			c := w.config()
			c.CipherSuites = []three.CipherSuiteID{s}
			if _, err := w.meet(threeDials, c); err == nil {
				t.Errorf("%v: they meet", s)
			}
			time.Sleep(6 * time.Second)
			if st := w.two.Stats(); st.Admitted != 0 || st.Associations != 0 {
				t.Errorf("%v: %+v", s, st)
			}
		}
		w.mustMeet(threeDials).alive()
	})
}

// forgeries are what somebody on the path can make without a key.
func forgeries(n uint64) []record {
	return []record{
		{content: contentAlert, version: dtls12, number: 500 + n, body: []byte{1, 0}},
		{content: contentAlert, version: dtls12, number: 500 + n, body: []byte{2, 40}},
		{content: contentData, version: dtls12, number: 501 + n, body: []byte("forged")},
		{content: contentCipher, version: dtls12, number: 503 + n, body: []byte{2}},
		{content: contentCipher, version: dtls12, epoch: 1, number: 504 + n, body: []byte{1}},
		{content: 24, version: dtls12, number: 505 + n, body: []byte{1, 2, 3}},
		{content: contentAlert, version: 0xFEFF, number: 507 + n, body: []byte{2, 40}},
		{content: contentData, version: dtls12, epoch: 1, number: 508 + n, body: bytes.Repeat([]byte{9}, 60)},
		{content: contentData, version: dtls12, epoch: 2, number: 510 + n, body: bytes.Repeat([]byte{9}, 60)},
	}
}

// forge sends records to both ends, in the association's own envelopes.
func (w *wire) forge(x *third, records []record) {
	x.mu.Lock()
	v := envelope{kind: kindCarry, id: x.id}
	if !x.acceptor {
		v.kind, v.token = kindOpen, x.token
	}
	x.mu.Unlock()
	for _, r := range records {
		v.records = r.append(nil)
		w.two.Handle(v.append(nil), atThree)
		back := envelope{kind: kindCarry, id: v.id, records: v.records}
		x.handle(back.append(nil))
	}
}

// D3 of both: during the handshake and after it, forged records end nothing.
func TestD9_D3_ForgedRecordsEndNothing(t *testing.T) {
	bothWays(t, func(t *testing.T, w *wire, threeDials bool) {
		var n atomic.Uint64
		w.tap = func([]byte, bool) {
			w.mu.Lock()
			x := w.third
			w.mu.Unlock()
			go w.forge(x, forgeries(n.Add(1)%400))
		}
		p := w.mustMeet(threeDials)
		w.mu.Lock()
		w.tap = nil
		w.mu.Unlock()
		p.alive()
		for n := range uint64(100) {
			w.forge(p.x, forgeries(n))
			synctest.Wait()
		}
		p.alive()
		for _, d := range []Drop{RecordLate, RecordCipher, RecordKind, RecordVersion, RecordEpoch} {
			if p.wall.dropped(d) == 0 || w.two.Stats().Drops[d] == 0 {
				t.Errorf("nothing was counted as %v: %d and %d", d, p.wall.dropped(d), w.two.Stats().Drops[d])
			}
		}
	})
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// D4 of both: bad fragments by the thousand, while nobody has finished.
func TestD9_D4_FragmentsCostLittle(t *testing.T) {
	bothWays(t, func(t *testing.T, w *wire, threeDials bool) {
		x := w.newThird(!threeDials)
		wall := newWall(x, threeDials)
		before := heap()
		for i := range 10_000 {
			for _, f := range []fragment{
				{message: messageClientHello, length: 200, number: uint16(1 + i%16)},                                         // empty
				{message: messageServerHello, length: 1<<24 - 1, number: 1, offset: uint32(i), body: make([]byte, 9)},        // giant
				{message: messageServerHello, length: 20, number: 1, offset: 15, body: make([]byte, 9)},                      // leaves its message
				{message: messageClientHello, length: 20, number: 9999, body: make([]byte, 9)},                               // far ahead
				{message: messageCertificate, length: 200, number: 1, offset: uint32(i % 190), body: make([]byte, 9)},        // overlapping
				{message: messageCertificateRequest, length: 200, number: 1, offset: uint32(i % 190), body: make([]byte, 9)}, // the same, of the other end
			} {
				r := record{content: contentHandshake, version: dtls12, number: uint64(i % 900), body: f.append(nil)}
				wall.pass(nil, r.append(nil))
			}
		}
		passed := uint64(60_000)
		for _, n := range wall.drops {
			passed -= n
		}
		if grown := int64(heap()) - int64(before); passed > maxFragments || grown > 1<<20 {
			t.Errorf("%d of 60,000 fragments passed, the heap grew by %d", passed, grown)
		}
		w.mustMeet(threeDials).alive()
	})
}

// D6 of both: every length of what would be padding, and what was protected, cut
// and numbered anew; the process is still there.
func TestD9_D6_NothingEndsTheProcess(t *testing.T) {
	bothWays(t, func(t *testing.T, w *wire, threeDials bool) {
		p := w.mustMeet(threeDials)
		for size := range 260 {
			r := record{content: contentData, version: dtls12, epoch: 1, number: uint64(300 + size), body: bytes.Repeat([]byte{byte(size)}, 1+size)}
			w.forge(p.x, []record{r})
			synctest.Wait()
		}
		p.alive()
	})
}

// D7 of both: the versions export the same.
func TestD9_D7_BothEndsExportTheSame(t *testing.T) {
	bothWays(t, func(t *testing.T, w *wire, threeDials bool) {
		p := w.mustMeet(threeDials)
		st, ok := p.three.ConnectionState()
		if !ok {
			t.Fatal("version 3 has no state")
		}
		var seen [][]byte
		for _, label := range []string{"EXPORTER-a", "EXPORTER-b"} {
			a, err1 := p.two.Export(label, nil, 32)
			b, err2 := st.ExportKeyingMaterial(label, nil, 32)
			if err := errors.Join(err1, err2); err != nil || !bytes.Equal(a, b) || slices.ContainsFunc(seen, func(x []byte) bool { return bytes.Equal(x, a) }) {
				t.Errorf("%s: %x and %x, %v", label, a, b, err)
			}
			seen = append(seen, a)
		}
	})
}

// D8 of both: a peer is who was meant, by its key.
func TestD9_D8_APeerIsWhoWasMeant(t *testing.T) {
	bothWays(t, func(t *testing.T, w *wire, threeDials bool) {
		w.want = crypto.Pin{1} // version 3 means somebody else
		if _, err := w.meet(threeDials, w.config()); err == nil {
			t.Error("version 3 takes another key for the one that it meant")
		}
		time.Sleep(6 * time.Second)
		w.want = w.two.Pin()
		if !threeDials { // version 2 means somebody else
			own := w.own
			w.own = certificate(t)
			c := w.config()
			c.Certificates = append(c.Certificates[:0], own)
			if _, err := w.meet(threeDials, c); !errors.Is(err, crypto.ErrPin) {
				t.Errorf("version 2 meant another key: %v", err)
			}
			time.Sleep(6 * time.Second)
		}
		w.mustMeet(threeDials).alive()
	})
}

// This module is tested against the versions that it says.
func TestD9_TheVersionsAreThose(t *testing.T) {
	text, err := os.ReadFile("go.mod")
	must(t, err)
	for _, want := range []string{"github.com/pion/dtls/v2 v2.2.12", "github.com/pion/dtls/v3 v3.1.15"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("go.mod has no %s", want)
		}
	}
	if fmt.Sprint(RecordPlain) != fmt.Sprint(two.RecordPlain) {
		t.Error("the guard here is not the guard there")
	}
}
