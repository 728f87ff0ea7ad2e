package crypto

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"
)

// counted returns n bytes that start at first and rise: inputs that a reader of
// the vectors can write down.
func counted(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// reference is the key schedule written a second time, from the formulas, with
// nothing but HMAC: one block of HKDF-Expand is all it ever needs.
func reference(key []byte, label string, ctx []byte, n int) []byte {
	info := append([]byte("joinleaf1 "+label), 0, byte(len(ctx)>>8), byte(len(ctx)))
	m := hmac.New(sha256.New, key)
	m.Write(append(append(info, ctx...), 1))
	return m.Sum(nil)[:n]
}

func vectorInputs() (session SessionID, params, roster [32]byte, commit *secret) {
	commit = new(secret)
	copy(session[:], counted(0x10, 16))
	copy(params[:], counted(0x20, 32))
	copy(commit[:], counted(0x60, 32))
	return session, params, Roster([]uint32{1}), commit
}

func TestKeySchedule_MatchesItsGoldenFileAndTheFormulas(t *testing.T) {
	session, params, roster, commit := vectorInputs()
	var v vector
	v.add("session_id", session[:])
	v.add("params_hash", params[:])
	v.add("roster_hash_1", roster[:])
	v.add("commit_secret", commit[:])

	e := committedEpoch(session, params, roster, 1, commit)
	gctx := slices.Concat(session[:], params[:], binary.BigEndian.AppendUint64(nil, 1), roster[:])
	salted := hmac.New(sha256.New, session[:])
	salted.Write(commit[:])
	want := reference(salted.Sum(nil), "epoch", gctx, 32)
	v.add("gctx_1", groupContext(session, params, 1, roster))
	addEpoch(t, &v, "1", e, gctx, want)

	roster2 := Roster([]uint32{7, 1, 7})
	next := e.Next(roster2)
	gctx2 := slices.Concat(session[:], params[:], binary.BigEndian.AppendUint64(nil, 2), roster2[:])
	v.add("roster_hash_1_7", roster2[:])
	v.add("gctx_2", groupContext(session, params, 2, roster2))
	addEpoch(t, &v, "2", next, gctx2, reference(want, "epoch join", gctx2, 32))
	v.add("state_2", next.AppendState(nil))
	v.add("step_2", next.AppendStep(nil))

	v.add("pair_context_root_seals_for_leaf_7", pairContext(session, 7, RoleRoot))
	v.add("pair_context_leaf_7_seals", pairContext(session, 7, RoleLeaf))
	code, export, root, leaf := counted(0x80, 16), counted(0x90, 32), Pin(counted(0xb0, 32)), Pin(counted(0xd0, 32))
	v.add("join_code", code)
	v.add("exporter", export)
	v.add("spki_root", root[:])
	v.add("spki_leaf", leaf[:])
	for _, role := range []Role{RoleRoot, RoleLeaf} {
		got := proof(code, role, export, root, leaf)
		m := hmac.New(sha256.New, code)
		m.Write(slices.Concat([]byte("joinleaf1 proof"), []byte{0}, []byte(role.String()), export, root[:], leaf[:]))
		if !bytes.Equal(got[:], m.Sum(nil)) {
			t.Errorf("the %v's proof differs from the formula", role)
		}
		v.add("proof_"+role.String(), got[:])
	}
	v.compare(t, "keyschedule.txt", "The key schedule from fixed inputs; sender 7, generations 0 and 3.\n")
}

// addEpoch adds what follows from an epoch secret, each value checked against
// the second implementation.
func addEpoch(t *testing.T, v *vector, number string, e *Epoch, gctx, want []byte) {
	t.Helper()
	add := func(name string, got, want []byte) {
		t.Helper()
		if !bytes.Equal(got, want) {
			t.Errorf("%s is %x, by the formula %x", name, got, want)
		}
		v.add(name, got)
	}
	add("epoch_secret_"+number, e.hidden.secret[:], want)
	add("key_id_"+number, binary.BigEndian.AppendUint32(nil, e.KeyID()), reference(want, "key id", nil, 4))
	confirm := e.Confirm()
	add("confirm_"+number, confirm[:], reference(want, "confirm", gctx, 16))
	s := senderSecret(e.hidden.secret, 7)
	sender := reference(want, "sender", []byte{0, 0, 0, 7, 0, 0}, 32)
	add("sender_secret_"+number+"_7", s[:], sender)
	for _, g := range []byte{0, 3} {
		key, iv := dataKey(s, uint32(g))
		add("data_key_"+number+"_7_"+string('0'+g), key[:], reference(sender, "data key", []byte{0, 0, 0, g}, 32))
		add("data_iv_"+number+"_7_"+string('0'+g), iv[:], reference(sender, "data iv", []byte{0, 0, 0, g}, 12))
	}
}

func TestRoster_IsTheSameForTheSameSet(t *testing.T) {
	ids := []uint32{300, 2, 1, 2}
	a, b := Roster(ids), Roster([]uint32{1, 2, 300})
	if a != b {
		t.Error("order or repeats change the hash")
	}
	if !slices.Equal(ids, []uint32{300, 2, 1, 2}) {
		t.Errorf("the caller's slice was changed: %v", ids)
	}
	seen := map[[32]byte]bool{}
	for _, ids := range [][]uint32{nil, {0}, {1}, {2}, {1, 2}, {0x0102}, {0x01020000}} {
		if h := Roster(ids); seen[h] {
			t.Errorf("%v has another set's hash", ids)
		}
		seen[Roster(ids)] = true
	}
}

// sealedVector is a ring whose next packet is fixed.
func sealedVector(t testing.TB, s Suite, number uint64) *Ring {
	session, params, roster, commit := vectorInputs()
	r, err := NewRing(RingConfig{Suite: s, Session: session, Self: 7, Group: testGroup})
	must(t, err)
	t.Cleanup(r.Close)
	must(t, r.Add(committedEpoch(session, params, roster, 1, commit)))
	must(t, r.Activate(1))
	must(t, r.Admit(7))
	at(r, number)
	return r
}

func TestPacket_MatchesItsGoldenFile(t *testing.T) {
	const number = 3<<22 + 5
	payload := []byte("joinleaf: one root, many leaves")
	for s, file := range map[Suite]string{AES256GCM: "packet_suite1.txt", ChaCha20Poly1305: "packet_suite3.txt"} {
		if s.Check() != nil {
			t.Logf("%v is not allowed here: %v", s, s.Check())
			continue
		}
		r := sealedVector(t, s, number)
		packet, err := r.Seal(nil, 0, KindManifest, 0xa5, payload)
		must(t, err)
		var v vector
		addPacket(&v, r, packet, payload)
		opened, err := newAEAD(s, (*secret)(v.values["key"])).Open(nil, v.values["nonce"], packet[24:], v.values["aad"])
		if err != nil || !bytes.Equal(opened, payload) {
			t.Errorf("%v: by key, nonce and additional data alone: %q, %v", s, opened, err)
		}
		v.compare(t, file, "A sealed packet of suite "+string('0'+byte(s))+" ("+s.String()+"): group "+testGroup.String()+
			", sender 7, epoch 1 of keyschedule.txt,\npacket 3*2^22+5 and so generation 3, kind 1, flags a5.\n")
		if o, drop := sealedVector(t, s, 0).Open(packet); drop != 0 || !bytes.Equal(o.Payload, payload) || o.Number != number {
			t.Errorf("%v: opened as %+v, %v", s, o, Drop(drop))
		}
	}
}

// A random nonce cannot be foretold: the golden packet of suite 2 is opened.
func TestPacket_OfSuite2OpensFromItsGoldenFile(t *testing.T) {
	const file, number = "packet_suite2.txt", 3<<22 + 5
	payload := []byte("joinleaf: one root, many leaves")
	if *update {
		r := sealedVector(t, AES256GCMRandomNonce, number)
		packet, err := r.Seal(nil, 0, KindManifest, 0xa5, payload)
		must(t, err)
		var v vector
		addPacket(&v, r, packet, payload)
		v.compare(t, file, "A sealed packet of suite 2 (AES-256-GCM with random nonce), otherwise as packet_suite1.txt.\n")
	}
	v := readVector(t, file)
	packet := v.values["packet"]
	if nonce := v.values["nonce"]; !bytes.Equal(nonce, packet[24:36]) {
		t.Errorf("nonce %x is not where it must be in %x", nonce, packet)
	}
	o, drop := sealedVector(t, AES256GCMRandomNonce, 0).Open(packet)
	if drop != 0 || !bytes.Equal(o.Payload, payload) || o.Number != number || o.Flags != 0xa5 || o.Kind != KindManifest {
		t.Errorf("opened as %+v, %v", o, Drop(drop))
	}
}

func addPacket(v *vector, r *Ring, packet, payload []byte) {
	out := &r.sealing.active.out
	key, iv := dataKey(out.secret, 3)
	v.add("key", key[:])
	if r.suite == AES256GCMRandomNonce {
		v.add("nonce", packet[24:36])
	} else {
		v.add("iv", iv[:])
		v.add("nonce", r.sealing.scratch.nonce[:])
	}
	v.add("header", packet[:24])
	v.add("aad", r.sealing.scratch.aad[:])
	v.add("plaintext", payload)
	v.add("packet", packet)
}
