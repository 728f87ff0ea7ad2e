package crypto

import (
	"bytes"
	"testing"
)

// decoder is one of this package's, with a body that it takes; read tells what
// that is written as again.
type decoder struct {
	name   string
	sample []byte
	read   func(b []byte) (again []byte, ok bool)
}

func decoders(t *testing.T) []decoder {
	session, params, roster, commit := vectorInputs()
	e := committedEpoch(session, params, roster, 1, commit)
	g := newGrove(t, 6, AES256GCMRandomNonce)
	g.join(20)
	g.commit(false)
	g.leave(3, 9)
	body, _ := cutSignature(g.commit(false).Parts[0])
	kek := leafKey(7)
	grant, err := g.tree.AppendGrant(nil, 7, g.epoch)
	must(t, err)
	s, _ := newManifests(t, 512, 0, 1)
	for seq := range uint64(40) {
		s.Symbol(epochZero, uint16(seq%2), seq, content(0, seq))
	}
	s.Cut()
	proof := record{kind: recordProof, role: RoleLeaf, way: wayPin, proof: [32]byte{1}}
	notice := EpochNotice{Epoch: 9, KeyID: 1 << 31, Closed: 7, Finals: []Final{{1, 500}, {7, 1 << 48}}}
	return []decoder{
		{"epoch state", e.AppendState(nil), func(b []byte) ([]byte, bool) {
			e, err := ParseEpochState(session, params, b)
			if err != nil {
				return nil, false
			}
			return e.AppendState(nil), true
		}},
		{"step", e.Next(roster).AppendStep(nil), func(b []byte) ([]byte, bool) {
			next, err := e.ParseStep(b)
			if err != nil {
				return nil, false
			}
			return next.AppendStep(nil), true
		}},
		{"record", proof.append(nil), func(b []byte) ([]byte, bool) {
			r, err := parseRecord(b)
			if err != nil {
				return nil, false
			}
			return r.append(nil), true
		}},
		{"rekey", body, func(b []byte) ([]byte, bool) {
			var r rekey
			if !r.parse(b, g.suite) {
				return nil, false
			}
			return r.append(nil, g.suite), true
		}},
		{"grant", grant, func(b []byte) ([]byte, bool) {
			gr, err := ParseGrant(groveSession, groveParams, g.suite, 1, kek, b)
			if err != nil {
				return nil, false
			}
			again := gr.Epoch.AppendState(bytes.Clone(b[:32]))
			again = append(appendLeaves(again, []uint32{gr.Path.leaf}), byte(gr.Path.Height()))
			for _, key := range (*gr.Path.hidden.of)[1:] {
				again = append(again, key[:]...)
			}
			return again, true
		}},
		{"notice", notice.append(nil), func(b []byte) ([]byte, bool) {
			if !checkNotice(b) {
				return nil, false
			}
			var n EpochNotice
			n.decode(b)
			return n.append(nil), true
		}},
		{"manifest", poll(s, epochZero)[0], func(b []byte) ([]byte, bool) {
			var m manifest
			if !m.parse(b) {
				return nil, false
			}
			return m.again(), true
		}},
		{"ask", appendRun(appendRun([]byte{formAsk, 2}, 3, 77, 5), 1, 1<<40, 9), func(b []byte) ([]byte, bool) {
			ranges, ok := parseAsk(b)
			if !ok {
				return nil, false
			}
			again := []byte{formAsk, 0}
			for rest := ranges; len(rest) > 0; again[1]++ {
				var r run
				r, rest, _ = cutRun(rest, 0)
				again = appendRun(again, r.stream, r.first, r.count)
			}
			return again, true
		}},
	}
}

func TestC6_WhatIsCutOrLongerIsRefusedWithoutAllocation(t *testing.T) {
	for _, d := range decoders(t) {
		if again, ok := d.read(d.sample); !ok || !bytes.Equal(again, d.sample) {
			t.Fatalf("%s: the sample reads as %x, %v", d.name, again, ok)
		}
		for n := range len(d.sample) + 2 {
			if n == len(d.sample) {
				continue
			}
			b := append(bytes.Clone(d.sample), 0)[:n]
			var ok bool
			if allocs := testing.AllocsPerRun(5, func() { _, ok = d.read(b) }); ok || allocs != 0 {
				t.Errorf("%s, %d of %d bytes: taken %v, %v allocations", d.name, n, len(d.sample), ok, allocs)
			}
		}
	}
}

func TestC6_EveryBitFlipIsRefusedOrEncodesTheSame(t *testing.T) {
	taken := 0
	for _, d := range decoders(t) {
		for i := range len(d.sample) * 8 {
			b := bytes.Clone(d.sample)
			b[i/8] ^= 1 << (i % 8)
			again, ok := d.read(b)
			if !ok {
				continue
			}
			if taken++; !bytes.Equal(again, b) {
				t.Fatalf("%s, bit %d: %x is written again as %x", d.name, i, b, again)
			}
		}
	}
	if taken == 0 {
		t.Error("no flip was taken: the test shows nothing")
	}
}
