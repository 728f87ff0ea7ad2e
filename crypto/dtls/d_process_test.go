package dtls

import (
	"bytes"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/joinleaf/joinleaf/crypto"
)

// What would end the whole process, if it were reachable, is tried on a child:
// records with every length of padding, and key exchanges that are too short,
// sent to both ends, in every moment of a handshake and after it.
func TestD6_NothingEndsTheProcess(t *testing.T) {
	const flag = "JOINLEAF_DTLS_D6"
	if os.Getenv(flag) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestD6_NothingEndsTheProcess$", "-test.v")
		cmd.Env = append(os.Environ(), flag+"=child", "PION_LOG_TRACE=all", "PIONS_LOG_TRACE=all")
		out, err := cmd.CombinedOutput()
		if err != nil || !bytes.Contains(out, []byte("the child lives")) {
			t.Fatalf("the child died: %v\n%s", err, out)
		}
		if strings.Contains(string(out), "TRACE") {
			t.Errorf("pion printed what the environment asked it to:\n%.500s", out)
		}
		return
	}
	bubble(t, func(t *testing.T, l *lab) {
		pins := func(c *Config) { c.Identity, c.Admit = crypto.Identity{}, AnyMember }
		e, at := l.host("10.0.0.2:4000", pins)
		var tails [][]byte // of protected records
		l.tap = func(p []byte, _, _ netip.AddrPort) {
			v, _ := parseEnvelope(p)
			for rest := v.records; len(rest) > 0; {
				r, more, ok := cutRecord(rest)
				if !ok {
					return
				}
				for _, n := range []int{16, 32, 48} {
					if rest = more; r.epoch == 1 && len(r.body) >= n {
						tails = append(tails[max(0, len(tails)-150):], r.body[len(r.body)-n:])
					}
				}
			}
		}
		for _, acceptor := range []bool{false, true} {
			for _, act := range []func(r *rogue, s *suite){
				padding(0), padding(2 * time.Millisecond), padding(6 * time.Millisecond),
				short(0), short(2500 * time.Microsecond), short(3500 * time.Microsecond), short(6 * time.Millisecond),
			} {
				var r *rogue
				if acceptor {
					r = l.rogueAcceptor("10.0.0.6:6000")
					go func() { _, _ = e.Dial(t.Context(), r.at, Who{Pin: crypto.Pin{1}}) }()
				} else {
					r = l.rogueDialler(t, "10.0.0.6:6000", at)
				}
				s := newSuite()
				go act(r, s)
				conn, err := r.shake(t, r.config(t, s))
				if err == nil {
					for n := range 40 { // every length of padding, if there were any
						_, _ = conn.Write(make([]byte, 1+n))
					}
					time.Sleep(10 * time.Millisecond)
					l.mu.Lock()
					cut := slices.Clone(tails)
					l.mu.Unlock()
					for i, b := range cut { // what was protected, cut and numbered anew
						r.raw(record{content: contentData, version: dtls12, epoch: 1, number: uint64(600 + i), body: b})
						time.Sleep(100 * time.Microsecond)
					}
				}
				time.Sleep(6 * time.Second)
				if err == nil {
					_ = conn.Close()
				}
				_ = r.Close()
			}
		}
		synctest.Wait()
		h, _ := l.host("10.0.0.1:4000", pins)
		d, acc := l.meet(h, e, at, Who{Pin: e.Pin()})
		alive(t, d, acc)
		t.Log("the child lives")
	})
}

// padding sends protected records that end in every length of padding.
func padding(after time.Duration) func(*rogue, *suite) {
	return func(r *rogue, _ *suite) {
		time.Sleep(after)
		for size := 1; size < 260; size++ {
			r.raw(record{content: contentData, version: dtls12, epoch: 1, number: uint64(300 + size), body: bytes.Repeat([]byte{byte(size)}, size)})
			time.Sleep(100 * time.Microsecond)
		}
	}
}

// short sends every message of a handshake cut to a few bytes, key exchanges
// first: in the clear, and protected where there are keys.
func short(after time.Duration) func(*rogue, *suite) {
	return func(r *rogue, s *suite) {
		time.Sleep(after)
		number := uint64(100)
		messages := []uint8{messageClientKey, messageServerKey}
		for m := range uint8(24) {
			messages = append(messages, m)
		}
		for _, m := range messages {
			for size := range 6 {
				for seq := range uint16(6) {
					number++
					f := fragment{message: m, length: uint32(2 + size), number: seq, body: make([]byte, 2+size)}
					rec := plain(number%maxPlainNumber, f)
					r.raw(rec)
					time.Sleep(100 * time.Microsecond) // or the network would mix them
					if rec.epoch, rec.number = 1, 1000+number; s.IsInitialized() {
						if sealed, err := s.Encrypt(nil, rec.append(nil)); err == nil {
							_, _ = r.Write(sealed)
						}
					}
				}
			}
		}
	}
}
