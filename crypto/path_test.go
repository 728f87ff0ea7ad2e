package crypto

import (
	"bytes"
	"errors"
	"testing"
	"time"
)

// K7: a rekey that is not the root's, or not the next one, changes nothing and
// costs little.
func TestK7_OnlyTheRootsNextRekeyIsTaken(t *testing.T) {
	for _, suite := range suites {
		g := newGrove(t, 1, suite)
		g.join(9)
		g.commit(false)
		leaf := g.grant(2)
		g.leave(5)
		good := g.commit(false).Parts[0]
		body, signature := cutSignature(good)
		member, err := NewAuthor(groveSession, 1) // a leaf with a key of its own that calls itself the root
		must(t, err)
		signed := func(a *Author, change func(b []byte)) []byte {
			b := bytes.Clone(body)
			change(b)
			return a.sign(b, signRekey, 0)
		}
		for name, c := range map[string]struct {
			body []byte
			want Outcome
		}{
			"unsigned":                   {body, Malformed},
			"a signature of zeros":       {append(bytes.Clone(body), make([]byte, 64)...), Forged},
			"signed by a leaf":           {signed(member, func([]byte) {}), Forged},
			"another kind's signature":   {g.author.sign(bytes.Clone(body), signEpoch, 0), Forged},
			"of the epoch that is":       {signed(g.author, func(b []byte) { b[7]-- }), Old},
			"of epoch 0":                 {signed(g.author, func(b []byte) { b[7] = 0 }), Malformed},
			"by a leaf, 1000 epochs on":  {signed(member, func(b []byte) { b[6] += 4 }), Forged},
			"1000 epochs on":             {signed(g.author, func(b []byte) { b[6] += 4 }), Behind},
			"of another roster":          {signed(g.author, func(b []byte) { b[8]++ }), Unfit},
			"that does not confirm":      {signed(g.author, func(b []byte) { b[40]++ }), Unfit},
			"a step with wraps":          {signed(g.author, func(b []byte) { b[56] = howStep }), Malformed},
			"how 3":                      {signed(g.author, func(b []byte) { b[56] = 3 }), Malformed},
			"height 21":                  {signed(g.author, func(b []byte) { b[57] = 21 }), Malformed},
			"part 1 of 1":                {signed(g.author, func(b []byte) { b[59] = 1 }), Malformed},
			"more wraps than there are":  {signed(g.author, func(b []byte) { b[67]++ }), Malformed},
			"with a changed wrap":        {signed(g.author, func(b []byte) { changeWraps(b, suite) }), Unfit},
			"another session's":          {otherSession(t, body), Forged},
			"cut by a byte":              {good[:len(good)-1], Malformed},
			"a byte more":                {append(bytes.Clone(good), 0), Malformed},
			"wraps in falling order":     {signed(g.author, func(b []byte) { swapWraps(b, suite) }), Malformed},
			"one removed beyond a tree":  {signed(g.author, func(b []byte) { b[68] = 1 }), Malformed},
			"nothing":                    {nil, Malformed},
			"a signature and no more":    {signature, Malformed},
			"in a tree that has no room": {signed(g.author, func(b []byte) { b[57] = 0 }), Malformed},
		} {
			before := *leaf.Path.hidden.of
			next, o := leaf.Path.Rekey(g.now, leaf.Epoch, c.body, false)
			if next != nil || o != c.want {
				t.Errorf("%v: a rekey %s: %v, %v; want %v", suite, name, next, o, c.want)
			}
			if &before[0] != &(*leaf.Path.hidden.of)[0] || leaf.Path.Epoch() != leaf.Epoch.number {
				t.Fatalf("%v: a rekey %s moved the path", suite, name)
			}
			leaf.Path.partial = partial{}
		}
		if next, o := leaf.Path.Rekey(g.now, leaf.Epoch, good, false); o != Taken || next.confirm != g.epoch.confirm {
			t.Errorf("%v: the good one after all of them: %v", suite, o)
		}
	}
}

// changeWraps changes the last byte of every wrap.
func changeWraps(b []byte, s Suite) {
	for at := len(b) - 1; at > rekeyHead+4; at -= 4 + s.wrapSize() {
		b[at] ^= 1
	}
}

func swapWraps(b []byte, s Suite) {
	n := 4 + s.wrapSize()
	last, other := b[len(b)-n:], b[len(b)-2*n:len(b)-n]
	for i := range last {
		last[i], other[i] = other[i], last[i]
	}
}

func otherSession(t *testing.T, body []byte) []byte {
	a, err := NewAuthor(SessionID{99}, 1)
	must(t, err)
	return a.sign(bytes.Clone(body), signRekey, 0)
}

func TestK7_AFarRekeyDerivesNothing(t *testing.T) {
	g := newGrove(t, 1, DefaultSuite())
	g.join(9)
	g.commit(false)
	leaf := g.grant(2)
	g.leave(5)
	good := g.commit(false).Parts[0]
	body, _ := cutSignature(good)
	far := bytes.Clone(body)
	far[6] += 4
	near := testing.AllocsPerRun(20, func() {
		_, _ = leaf.Path.Rekey(g.now, leaf.Epoch, append(bytes.Clone(body), make([]byte, 64)...), true)
	})
	far = g.author.sign(far, signRekey, 0)
	if n := testing.AllocsPerRun(20, func() { _, _ = leaf.Path.Rekey(g.now, leaf.Epoch, far, false) }); n > near {
		t.Errorf("a rekey 1,000 epochs on costs %v allocations, a forged one %v", n, near)
	}
	short := good[:60]
	if n := testing.AllocsPerRun(20, func() { _, _ = leaf.Path.Rekey(g.now, leaf.Epoch, short, false) }); n != 0 {
		t.Errorf("refusing what is cut off costs %v allocations", n)
	}
}

// A root that tells one half this and the other half that is not followed.
func TestPath_PartsOfTwoRekeysAreNotMixed(t *testing.T) {
	g := newGrove(t, 5, DefaultSuite())
	g.join(120)
	g.commit(false)
	leaf := g.grant(2)
	g.leave(3, 9, 17, 23, 30, 38, 44, 52, 60, 77, 83, 90, 100, 110)
	c := g.commit(false)
	if len(c.Parts) < 3 {
		t.Fatalf("only %d parts", len(c.Parts))
	}
	body, _ := cutSignature(bytes.Clone(c.Parts[1]))
	body[9]++ // another roster
	if _, o := leaf.Path.Rekey(g.now, leaf.Epoch, c.Parts[0], false); o != Held {
		t.Fatal(o)
	}
	if _, o := leaf.Path.Rekey(g.now, leaf.Epoch, g.author.sign(body, signRekey, 0), false); o != Unfit {
		t.Errorf("a part of another rekey: %v", o)
	}
	for _, p := range c.Parts[1 : len(c.Parts)-1] {
		if _, o := leaf.Path.Rekey(g.now, leaf.Epoch, p, false); o != Held {
			t.Fatal(o)
		}
	}
	if _, o := leaf.Path.Rekey(g.now, leaf.Epoch, c.Parts[len(c.Parts)-1], false); o != Taken {
		t.Errorf("with the last good part: %v", o)
	}
}

// A member that missed a rekey, or half of one, is granted its place again.
func TestPath_WhoMissedARekeyGoesOnFromAGrant(t *testing.T) {
	g := newGrove(t, 6, DefaultSuite())
	g.join(40)
	g.commit(false)
	late := g.members[7]
	delete(g.members, 7)
	g.leave(3)
	g.commit(false)
	g.leave(4)
	c := g.commit(false)
	if next, o := late.Path.Rekey(g.now, late.Epoch, c.Parts[0], false); next != nil || o != Behind {
		t.Fatalf("two epochs on: %v, %v", next, o)
	}
	g.members[7] = g.grant(7)
	g.leave(5)
	g.commit(false)
	g.check()
}

func TestGrant_ChangedOrCutIsRefused(t *testing.T) {
	g := newGrove(t, 1, DefaultSuite())
	g.join(9)
	g.commit(false)
	good, err := g.tree.AppendGrant(nil, 4, g.epoch)
	must(t, err)
	if len(good) > MaxGrant {
		t.Errorf("%d bytes", len(good))
	}
	parse := func(b []byte) (*Grant, error) {
		return ParseGrant(groveSession, groveParams, g.suite, 1, leafKey(4), b)
	}
	if gr, err := parse(good); err != nil || gr.Epoch.confirm != g.epoch.confirm || gr.Root.Public() != g.author.Public() || gr.Path.Height() != 4 {
		t.Fatal(gr, err)
	}
	for n := range good {
		if _, err := parse(good[:n]); !errors.Is(err, ErrGrant) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	for i := range 120 { // key and epoch: the confirmation binds them together
		bad := bytes.Clone(good)
		bad[i] ^= 1
		if _, err := parse(bad); !errors.Is(err, ErrEpoch) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	for name, change := range map[string]func(b []byte){
		"no key of the root":       func(b []byte) { clear(b[:32]) },
		"a leaf outside its tree":  func(b []byte) { b[122] = 1 },
		"a height beyond all":      func(b []byte) { b[124] = 200 },
		"a height that has no key": func(b []byte) { b[124]-- },
	} {
		bad := bytes.Clone(good)
		change(bad)
		if _, err := parse(bad); !errors.Is(err, ErrGrant) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ParseGrant(groveSession, [32]byte{1}, g.suite, 1, leafKey(4), good); !errors.Is(err, ErrEpoch) {
		t.Errorf("other parameters: %v", err)
	}
}

func TestZ1_KeysOfTheTreeAreCleared(t *testing.T) {
	g := newGrove(t, 1, DefaultSuite())
	g.join(9)
	g.commit(false)
	nodes := g.tree.hidden.of.nodes
	path := g.members[2].Path
	old := *path.hidden.of
	g.leave(10)
	g.commit(false)
	for l, key := range old {
		if key != (secret{}) {
			t.Errorf("level %d: the key of an epoch that is over is still in memory", l)
		}
	}
	keys := *path.hidden.of
	g.tree.Wipe()
	path.Wipe()
	for _, n := range nodes {
		if n.key != (secret{}) {
			t.Fatal("a key survives the tree's Wipe")
		}
	}
	for _, k := range keys {
		if k != (secret{}) {
			t.Fatal("a key survives the path's Wipe")
		}
	}
	if _, o := path.Rekey(time.Time{}, g.epoch, make([]byte, 200), false); o != Malformed {
		t.Errorf("after Wipe: %v", o)
	}
	private := *g.author.hidden.of
	g.author.Wipe()
	if !bytes.Equal(private, make([]byte, len(private))) {
		t.Error("a signing key survives Wipe")
	}
	defer func() {
		if recover() == nil {
			t.Error("an author signs after Wipe")
		}
	}()
	g.author.AppendSigned(nil, "x", nil)
}
