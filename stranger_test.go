package joinleaf

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
)

// A stranger who has docs/wire.md and nothing of ours derives the keys and opens
// the packets of the golden files. Nothing here may call our packages.

const (
	scheduleFile = "crypto/testdata/keyschedule.txt"
	packetFiles  = "crypto/testdata/packet_suite"
)

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func u32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

func hash(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}

// expand is section 5's.
func expand(t *testing.T, secret []byte, label string, ctx []byte, n int) []byte {
	t.Helper()
	info := join([]byte("joinleaf1 "), []byte(label), []byte{0}, binary.BigEndian.AppendUint16(nil, uint16(len(ctx))), ctx)
	b, err := hkdf.Expand(sha256.New, secret, string(info), n)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWire_AStrangerDerivesTheKeys(t *testing.T) {
	g := func(name string) []byte { return golden(t, scheduleFile, name) }
	same := func(name string, got []byte) {
		t.Helper()
		if want := g(name); !bytes.Equal(got, want) {
			t.Errorf("%s\n%x by docs/wire.md,\n%x by %s", name, got, want, scheduleFile)
		}
	}
	gctx := func(epoch uint32, roster []byte) []byte {
		return join(g("session_id"), g("params_hash"), u32(0), u32(epoch), roster)
	}
	rosterOne := hash(join([]byte("joinleaf1 roster\x00"), u32(1)))
	rosterTwo := hash(join([]byte("joinleaf1 roster\x00"), u32(1), u32(7)))
	same("roster_hash_1", rosterOne)
	same("roster_hash_1_7", rosterTwo)

	top, err := hkdf.Extract(sha256.New, g("commit_secret"), g("session_id"))
	if err != nil {
		t.Fatal(err)
	}
	one := expand(t, top, "epoch", gctx(1, rosterOne), 32)
	two := expand(t, one, "epoch join", gctx(2, rosterTwo), 32)
	same("epoch_secret_1", one)
	same("epoch_secret_2", two)
	same("key_id_2", expand(t, two, "key id", nil, 4))
	confirm := expand(t, two, "confirm", gctx(2, rosterTwo), 16)
	same("confirm_2", confirm)
	sender := expand(t, two, "sender", join(u32(7), []byte{0, 0}), 32)
	same("sender_secret_2_7", sender)
	same("data_key_2_7_3", expand(t, sender, "data key", u32(3), 32))
	same("data_iv_2_7_3", expand(t, sender, "data iv", u32(3), 12))
	same("state_2", join(u32(0), u32(2), rosterTwo, two, confirm))
	same("step_2", join(u32(0), u32(2), rosterTwo, confirm))
	same("pair_context_root_seals_for_leaf_7", join(g("session_id"), u32(7), []byte{1}))
	same("pair_context_leaf_7_seals", join(g("session_id"), u32(7), []byte{2}))
	for _, role := range []string{"root", "leaf"} {
		m := hmac.New(sha256.New, g("join_code"))
		m.Write(join([]byte("joinleaf1 proof\x00"+role), g("exporter"), g("spki_root"), g("spki_leaf")))
		same("proof_"+role, m.Sum(nil))
	}
}

func TestWire_AStrangerOpensThePackets(t *testing.T) {
	if fips140.Enforced() {
		t.Skip("the stranger opens packets of all suites, and FIPS 140-3 does not allow two of them; crypto's tests open suite 2")
	}
	g := func(name string) []byte { return golden(t, scheduleFile, name) }
	for suite, build := range map[string]func([]byte) (cipher.AEAD, error){
		"1": gcm, "2": gcm, "3": chacha20poly1305.New,
	} {
		packet := golden(t, packetFiles+suite+".txt", "packet")
		header, sealed := packet[:24], packet[24:]
		if !bytes.Equal(header[4:8], hash(g("session_id"))[:4]) || !bytes.Equal(header[8:12], g("key_id_1")) {
			t.Errorf("suite %s: session tag or key id are not what the page says", suite)
		}
		number := binary.BigEndian.Uint64(header[16:])
		from := expand(t, g("epoch_secret_1"), "sender", join(header[12:16], []byte{0, 0}), 32)
		generation := u32(uint32(number >> 22))
		nonce := expand(t, from, "data iv", generation, 12)
		for i, b := range header[16:24] {
			nonce[4+i] ^= b
		}
		if suite == "2" {
			nonce, sealed = sealed[:12], sealed[12:]
		}
		aead, err := build(expand(t, from, "data key", generation, 32))
		if err != nil {
			t.Fatal(err)
		}
		// 239.255.77.1:7000, as the file's comment says.
		group := join(make([]byte, 10), []byte{0xff, 0xff, 239, 255, 77, 1}, []byte{7000 >> 8, 7000 & 0xff})
		got, err := aead.Open(nil, nonce, sealed, join(header, group))
		if want := golden(t, packetFiles+suite+".txt", "plaintext"); err != nil || !bytes.Equal(got, want) {
			t.Errorf("suite %s opens to %x (%v), want %x", suite, got, err, want)
		}
	}
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
