package crypto

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/fips140"
	"encoding/binary"
	"slices"
	"testing"
)

// vectorAuthor signs with a key that a reader of the vectors can make.
func vectorAuthor() *Author {
	session, _, _, _ := vectorInputs()
	private := ed25519.NewKeyFromSeed(counted(0x40, 32))
	return &Author{session, 1, PublicKey(private.Public().(ed25519.PublicKey)), &veil[ed25519.PrivateKey]{&private}}
}

func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// The key tree's derivations, each held to its formula in a second
// implementation, for a tree of two levels: leaf 1 is removed, leaf 0 gets the
// path secret of node 1, leaves 2 and 3 that of node 3.
func TestTree_MatchesItsGoldenFileAndTheFormulas(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("the wraps of the golden file are of suite 1")
	}
	session, params, roster, _ := vectorInputs()
	a := vectorAuthor()
	const epoch = 2
	var v vector
	add := func(name string, got, want []byte) {
		t.Helper()
		if !bytes.Equal(got, want) {
			t.Errorf("%s is %x, by the formula %x", name, got, want)
		}
		v.add(name, got)
	}
	bound := BindParams(params, a.public)
	sum := sum256(slices.Concat([]byte("joinleaf1 signer\x00"), params[:], a.public[:]))
	v.add("signing_seed", counted(0x40, 32))
	v.add("public_key", a.public[:])
	add("bound_params", bound[:], sum[:])
	add("leaf_context_7", leafContext(session, 7), append(session[:], 0, 0, 0, 7))

	leaf0, right := secret(counted(0x11, 32)), secret(counted(0x33, 32)) // keys of node 0 and of node 5
	path1 := secret(counted(0x55, 32))                                   // drawn by the root
	v.add("node_key_0", leaf0[:])
	v.add("node_key_5", right[:])
	v.add("path_secret_1", path1[:])
	path3 := upward(&path1, 3)
	add("path_secret_3", path3[:], reference(path1[:], "path", u32(3), 32))
	commit := upward(path3, commitNode)
	add("commit_secret", commit[:], reference(path3[:], "path", []byte{255, 255, 255, 255}, 32))
	for n, path := range map[node]*secret{1: &path1, 3: path3} {
		var key secret
		setNodeKey(&key, path, n)
		add("node_key_"+string('0'+rune(n)), key[:], reference(path[:], "node", u32(uint32(n)), 32))
	}
	var grown secret
	setGrownKey(&grown, &right, epoch)
	add("node_key_5_grown", grown[:], reference(right[:], "node grow", be64(epoch), 32))
	stepped := right
	stepNodeKey(&stepped, epoch)
	add("node_key_5_stepped", stepped[:], reference(right[:], "node join", be64(epoch), 32))

	r := rekey{number: epoch, roster: roster, fresh: true, height: 2, count: 1, removed: u32(1), added: u32(1)}
	for _, w := range []struct {
		under   node
		key     *secret
		content *secret
	}{{0, &leaf0, &path1}, {5, &right, path3}} {
		key := reference(w.key[:], "wrap", append(be64(epoch), u32(uint32(w.under))...), 32)
		block, err := aes.NewCipher(key)
		must(t, err)
		gcm, err := cipher.NewGCM(block)
		must(t, err)
		name := "_" + string('0'+rune(w.under))
		k := wrapKey(w.key, epoch, w.under)
		add("wrap_key"+name, k[:], key)
		wrap := appendWrap(nil, AES256GCM, w.key, epoch, w.under, w.content)
		add("wrap"+name, wrap, gcm.Seal(nil, make([]byte, 12), w.content[:], nil))
		r.wraps = append(append(r.wraps, u32(uint32(w.under))...), wrap...)
	}
	e := committedEpoch(session, bound, roster, epoch, commit)
	r.confirm = e.confirm
	v.add("confirm", e.confirm[:])
	body := a.sign(r.append(nil, AES256GCM), signRekey, 0)
	statement := slices.Concat([]byte("joinleaf1 rekey\x00"), session[:], u32(1), body[:len(body)-64])
	if !ed25519.Verify(a.public[:], statement, body[len(body)-64:]) {
		t.Error("the signature is not over what the formula says")
	}
	v.add("rekey", body)
	state := e.AppendState(slices.Clone(a.public[:]))
	grant := append(append(append(append(state, u32(1)...), 2), grown[:]...), stepped[:]...)
	v.add("grant", grant)
	if _, err := ParseGrant(session, params, AES256GCM, 1, leaf0, grant); err != nil {
		t.Error(err)
	}
	v.add("epoch_notice", a.AppendEpochNotice(nil, EpochNotice{Epoch: 2, KeyID: e.keyID, Closed: 1, Finals: []Final{{1, 0x1234}}}))
	v.compare(t, "tree.txt", "A key tree of four leaves: leaf 1 is removed and taken by another member, to epoch 2 of the session in\n"+
		"keyschedule.txt. The signing key is made of its seed; node keys 0 and 5 and path secret 1 are given.\n")
	gr := &Path{suite: AES256GCM, epoch: 1, witness: NewWitness(session, 1, a.public),
		hidden: &veil[pathKeys]{&pathKeys{leaf0, {9}, {9}}}}
	if next, o := gr.Rekey(epochZero, newEpoch(session, bound, roster, 1, &secret{7}), body, false); o != Taken || next.confirm != e.confirm {
		t.Errorf("leaf 0 follows the golden rekey: %v", o)
	}
}

func TestManifest_MatchesItsGoldenFile(t *testing.T) {
	a := vectorAuthor()
	s, err := NewManifestSigner(a, 512, 0)
	must(t, err)
	var v vector
	for seq := range uint64(28) {
		h := HashSymbol(2, 1<<32+seq, []byte("joinleaf"))
		if seq == 0 {
			v.add("hash_2_4294967296", h[:])
		}
		s.Add(epochZero, 2, 1<<32+seq, h)
	}
	s.Cut()
	bodies := poll(s, epochZero)
	if len(bodies) != 2 {
		t.Fatalf("%d manifests", len(bodies))
	}
	v.add("list", bodies[0])
	v.add("signed", bodies[1])
	v.add("question", appendRun(appendRun([]byte{formAsk, 2}, 0, 5, 1), 2, 1<<32, 28))
	v.compare(t, "manifest.txt", "Manifests of member 1 with the key and session of tree.txt: 28 symbols \"joinleaf\" of stream 2 from 2^32 on.\n")
}
