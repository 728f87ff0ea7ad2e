package crypto

import (
	"bytes"
	"testing"
)

func FuzzParseRekey(f *testing.F) {
	for i, suite := range suites {
		g := newGrove(f, uint64(i), suite)
		g.join(20)
		f.Add(uint8(suite), g.commit(false).Parts[0])
		g.leave(3, 9)
		g.join(1)
		f.Add(uint8(suite), g.commit(false).Parts[0])
		f.Add(uint8(suite), g.commit(true).Parts[0])
	}
	f.Fuzz(func(t *testing.T, suite uint8, b []byte) {
		s := Suite(suite%3 + 1)
		var r rekey
		if n := testing.AllocsPerRun(1, func() { r.parse(b, s) }); n != 0 {
			t.Errorf("parsing allocates %v times", n)
		}
		if !r.parse(b, s) {
			return
		}
		if again := r.append(nil, s); !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

// A rekey that the root signed, whatever it says, does no harm: a member follows
// it or stays as it was. (The signature is left out: it would be all that this
// does.)
func FuzzPathRekey(f *testing.F) {
	g := newGrove(f, 1, AES256GCMRandomNonce)
	g.join(20)
	g.commit(false)
	grant, err := g.tree.AppendGrant(nil, 7, g.epoch)
	must(f, err)
	g.leave(3, 9)
	g.join(1)
	for _, c := range []*Commit{g.commit(false), g.commit(true)} {
		body, _ := cutSignature(c.Parts[0])
		f.Add(body, body)
	}
	kek := leafKey(7)
	f.Fuzz(func(t *testing.T, a, b []byte) {
		gr, err := ParseGrant(groveSession, groveParams, g.suite, 1, kek, grant)
		must(t, err)
		for _, body := range [][]byte{a, b} {
			var r rekey
			if !r.parse(body, g.suite) || r.number <= gr.Path.Epoch() || gr.Path.partial.has(&r) {
				continue
			}
			before := gr.Path.Epoch()
			next, o := gr.Path.follow(gr.Epoch, &r)
			if (next != nil) != (o == Taken) || o == Taken && gr.Path.Epoch() != next.Number() || o != Taken && gr.Path.Epoch() != before {
				t.Fatalf("%v, %v; the path stands at %d", next, o, gr.Path.Epoch())
			}
			if next != nil {
				gr.Epoch = next
			}
		}
	})
}

func FuzzParseGrant(f *testing.F) {
	g := newGrove(f, 2, AES256GCMRandomNonce)
	g.join(9)
	g.commit(false)
	for _, id := range []uint32{2, 9} {
		b, err := g.tree.AppendGrant(nil, id, g.epoch)
		must(f, err)
		f.Add(b)
	}
	kek := leafKey(2)
	f.Fuzz(func(t *testing.T, b []byte) {
		parse := func() (*Grant, error) { return ParseGrant(groveSession, groveParams, g.suite, 1, kek, b) }
		gr, err := parse()
		if err != nil {
			if len(b) < grantHead && testing.AllocsPerRun(1, func() { _, _ = parse() }) != 0 {
				t.Error("refusing the size allocates")
			}
			return
		}
		again := gr.Epoch.AppendState(bytes.Clone(b[:32]))
		again = append(appendLeaves(again, []uint32{gr.Path.leaf}), byte(gr.Path.Height()))
		for _, key := range (*gr.Path.hidden.of)[1:] {
			again = append(again, key[:]...)
		}
		if gr.Root.Public() != PublicKey(b[:32]) || !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
	})
}

// ParseEpochNotice is checkNotice, a signature, and decode.
func FuzzParseEpochNotice(f *testing.F) {
	for _, n := range []EpochNotice{{Epoch: 3, KeyID: 4}, {Epoch: 9, KeyID: 1 << 31, Closed: 7, Finals: []Final{{1, 500}, {7, 1 << 48}}}} {
		f.Add(n.append(nil))
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if n := testing.AllocsPerRun(1, func() { checkNotice(b) }); n != 0 {
			t.Errorf("checking allocates %v times", n)
		}
		if !checkNotice(b) {
			return
		}
		var n EpochNotice
		n.decode(b)
		if again := n.append(nil); !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
		_, w := newWitnessed(t)
		if _, o := w.ParseEpochNotice(epochZero, append(bytes.Clone(b), make([]byte, 64)...), false); o != Forged {
			t.Errorf("unsigned: %v", o)
		}
	})
}
