package crypto

import (
	"bytes"
	"testing"
	"time"
)

// again writes what a manifest was parsed to.
func (m *manifest) again() []byte {
	runs := 0
	b := []byte{formList, 0}
	for rest := m.runs; len(rest) > 0; runs++ {
		var r run
		r, rest, _ = cutRun(rest, hashSize)
		b = append(appendRun(b, r.stream, r.first, r.count), r.hashes...)
	}
	b[1] = byte(runs)
	if m.signed == nil {
		return b
	}
	b[0] = formSigned
	b = append(append(b, byte(len(m.digests)/digestSize)), m.digests...)
	return append(b, m.signature...)
}

func manifestSeeds(f *testing.F) (seeds [][]byte) {
	s, _ := newManifests(f, 512, 0, 1)
	for seq := range uint64(40) {
		s.Symbol(epochZero, uint16(seq%2), seq, content(0, seq))
	}
	s.Cut()
	return append(poll(s, epochZero), nil, []byte{formList, 1}, appendRun([]byte{formAsk, 1}, 0, 1, 2))
}

func FuzzParseManifest(f *testing.F) {
	for _, b := range manifestSeeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m manifest
		if n := testing.AllocsPerRun(1, func() { m.parse(b) }); n != 0 {
			t.Errorf("parsing allocates %v times", n)
		}
		if m.parse(b) {
			if again := m.again(); !bytes.Equal(again, b) {
				t.Errorf("%x became %x", b, again)
			}
		}
	})
}

func FuzzParseAsk(f *testing.F) {
	f.Add(appendRun([]byte{formAsk, 1}, 3, 77, 5))
	f.Add(appendRun(appendRun([]byte{formAsk, 2}, 3, 77, 5), 1, 1<<47, 1<<16-1))
	f.Add([]byte{formAsk, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := testing.AllocsPerRun(1, func() { parseAsk(b) }); n != 0 {
			t.Errorf("parsing allocates %v times", n)
		}
		ranges, ok := parseAsk(b)
		if !ok {
			return
		}
		again := []byte{formAsk, 0}
		for rest := ranges; len(rest) > 0; again[1]++ {
			var r run
			r, rest, _ = cutRun(rest, 0)
			again = appendRun(again, r.stream, r.first, r.count)
		}
		if !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

// Whatever members send, a verifier stays within its bounds, and covers nothing
// that the sender has not signed.
func FuzzManifestVerifier(f *testing.F) {
	for i, b := range manifestSeeds(f) {
		f.Add(append([]byte{byte(i), 200, 3, 40, 1}, b...))
	}
	_, w := newWitnessed(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := NewManifestVerifier(VerifierConfig{Witness: w, Streams: 2, Span: 128})
		must(t, err)
		v.Start(0, 0)
		v.Start(1, 5)
		now := time.Unix(1, 0)
		var proven [2]uint64
		for left := 40; left > 0 && len(b) > 4; left-- {
			op, st, seq, n := b[0]%8, uint16(b[1]%3), uint64(b[2]), int(b[3])
			b = b[4:]
			n = min(n, len(b))
			now = now.Add(time.Duration(n) * time.Millisecond)
			switch op {
			case 0, 1:
				v.Symbol(now, st, seq, HashSymbol(st, seq, b[:n]))
			case 2:
				v.Manifest(now, b[:n], false, nil)
			case 3: // an honest one, whose signature is good
				v.apply(now, append(appendRun(nil, st, seq, 2), make([]byte, 2*hashSize)...), nil)
				if st < 2 {
					proven[st] = max(proven[st], seq+2)
				}
			case 4:
				v.Release(st, seq)
			case 5:
				v.Skip(now, st, seq, nil)
				if st < 2 {
					proven[st] = max(proven[st], seq)
				}
			default:
				if q, ok := v.Ask(now, nil); ok {
					if _, good := parseAsk(q); !good {
						t.Fatalf("asks %x", q)
					}
				}
			}
			for st := range uint16(2) {
				c := &v.streams[st]
				if len(c.cells) > 128 || c.low > c.next || c.next > c.top || c.top-c.low > uint64(len(c.cells)) && c.top != c.low {
					t.Fatalf("stream %d: %d cells, %d to %d to %d", st, len(c.cells), c.low, c.next, c.top)
				}
				held := 0
				for s := c.low; s < c.top; s++ {
					if c.at(s).state == cellHeld {
						held++
					}
				}
				if held != c.held || (held > 0) == c.askAt.IsZero() {
					t.Fatalf("stream %d: %d held, %d counted, asks at %v", st, held, c.held, c.askAt)
				}
				if v.Covered(st) > max(proven[st], 5) {
					t.Fatalf("stream %d: covered to %d, proven to %d", st, v.Covered(st), proven[st])
				}
			}
		}
	})
}
