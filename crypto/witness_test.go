package crypto

import (
	"bytes"
	"testing"
	"time"
)

func newWitnessed(tb testing.TB) (*Author, *Witness) {
	tb.Helper()
	a, err := NewAuthor(SessionID{3}, 1)
	must(tb, err)
	return a, NewWitness(SessionID{3}, 1, a.Public())
}

func TestWitness_AStatementIsOneKindsSessionsAndAuthorsOnly(t *testing.T) {
	a, w := newWitnessed(t)
	now := time.Unix(5, 0)
	b := a.AppendSigned([]byte("kept"), "evict", []byte("member 7"))
	if !bytes.HasPrefix(b, []byte("keptmember 7")) {
		t.Fatalf("%q", b)
	}
	b = b[4:]
	if body, o := w.Signed(now, "evict", b, false); o != Taken || string(body) != "member 7" {
		t.Errorf("%q, %v", body, o)
	}
	for name, c := range map[string]struct {
		w    *Witness
		kind string
	}{
		"another kind":    {w, "admit"},
		"another session": {NewWitness(SessionID{4}, 1, a.Public()), "evict"},
		"another author":  {NewWitness(SessionID{3}, 2, a.Public()), "evict"},
		"another key":     {NewWitness(SessionID{3}, 1, PublicKey{1}), "evict"},
	} {
		if body, o := c.w.Signed(now, c.kind, b, false); o != Forged || body != nil {
			t.Errorf("%s: %v", name, o)
		}
	}
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 4
		if _, o := w.Signed(now, "evict", bad, true); o != Forged {
			t.Errorf("byte %d changed: %v", i, o)
		}
	}
	if _, o := w.Signed(now, "evict", b[:63], false); o != Malformed {
		t.Errorf("cut off: %v", o)
	}
}

// A member that sends forgeries makes us check 200 a second, then we look away
// for a second; what comes under the author's pairwise key is always heard, and
// manifests have a budget of their own.
func TestWitness_AFloodOfForgeriesIsNotChecked(t *testing.T) {
	a, w := newWitnessed(t)
	now := time.Unix(5, 0)
	good := a.AppendSigned(nil, "evict", []byte("x"))
	bad := bytes.Clone(good)
	bad[0]++
	count := map[Outcome]int{}
	for range 10_000 {
		now = now.Add(10 * time.Microsecond)
		_, o := w.Signed(now, "evict", bad, false)
		count[o]++
	}
	if count[Forged] != failuresAllowed || count[Ignored] != 10_000-failuresAllowed {
		t.Errorf("%v", count)
	}
	if _, o := w.Signed(now, "evict", good, false); o != Ignored {
		t.Errorf("a good one in the flood: %v", o)
	}
	if _, o := w.Signed(now, "evict", good, true); o != Taken {
		t.Errorf("a good one by pairwise packet: %v", o)
	}
	if _, o := w.Signed(now, signManifest, a.AppendSigned(nil, signManifest, nil), false); o != Taken {
		t.Errorf("a manifest meanwhile: %v", o)
	}
	now = now.Add(ignoreFor)
	if _, o := w.Signed(now, "evict", good, false); o != Taken {
		t.Errorf("after a second: %v", o)
	}
	for range 1000 { // what is forged now and then never makes us look away
		now = now.Add(10 * time.Millisecond)
		if _, o := w.Signed(now, "evict", bad, false); o != Forged {
			t.Fatal(o)
		}
	}
}

func TestOutcome_HasANameForEach(t *testing.T) {
	seen := map[string]bool{}
	for o := range Outcome(Outcomes) {
		if s := o.String(); s == "" || s == "unknown" || seen[s] {
			t.Errorf("outcome %d is called %q", o, s)
		}
		seen[o.String()] = true
	}
	if Outcome(99).String() != "unknown" {
		t.Error("there is an outcome 99")
	}
}

func TestLevel_ZeroIsTheSafest(t *testing.T) {
	var l Level
	if !l.Waits() || !l.Manifests() || l != LevelSigned {
		t.Errorf("the zero level: %v", l)
	}
	if LevelSignedEager.Waits() || !LevelSignedEager.Manifests() || LevelGroup.Manifests() || Level(3).Valid() || !LevelGroup.Valid() {
		t.Error("levels")
	}
}
