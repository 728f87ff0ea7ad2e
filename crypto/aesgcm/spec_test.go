package aesgcm

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"strings"
	"testing"
)

// The AES-256 cases with nonces of 96 bits from McGrew and Viega, "The
// Galois/Counter Mode of Operation (GCM)", 2005, appendix B, which is the proposal
// that became SP 800-38D.
var cases = []struct{ name, key, nonce, plain, data, sealed, tag string }{
	{"13", zeros(64), zeros(24), "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
	{"14", zeros(64), zeros(24), zeros(32), "", "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
	{"15", specKey, specNonce, specPlain, "", specSealed, "b094dac5d93471bdec1a502270e3cc6c"},
	{"16", specKey, specNonce, specPlain[:120], specData, specSealed[:120], "76fc6ece0f4e1768cddf8853bb2d551b"},
}

const (
	specKey   = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308"
	specNonce = "cafebabefacedbaddecaf888"
	specData  = "feedfacedeadbeeffeedfacedeadbeefabaddad2"
	specPlain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
		"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255"
	specSealed = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
		"8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
)

func zeros(n int) string { return strings.Repeat("0", n) }

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSeal_GivesWhatTheSpecificationGives(t *testing.T) {
	either(t, func(t *testing.T, build func(*[KeySize]byte) cipher.AEAD) {
		for _, c := range cases {
			a := build((*[KeySize]byte)(unhex(t, c.key)))
			nonce, plain, data := unhex(t, c.nonce), unhex(t, c.plain), unhex(t, c.data)
			want := unhex(t, c.sealed+c.tag)
			if got := a.Seal(nil, nonce, plain, data); !bytes.Equal(got, want) {
				t.Errorf("case %s:\n is %x\nnot %x", c.name, got, want)
			}
			if got, err := a.Open(nil, nonce, want, data); err != nil || !bytes.Equal(got, plain) {
				t.Errorf("case %s: opened %x, %v", c.name, got, err)
			}
		}
	})
}
