package aesgcm

import (
	"encoding/hex"
	"testing"
)

// FIPS 197, A.3: the expansion of a 256-bit key. Its first words and its last.
func TestKeys_ExpandAsTheStandardSays(t *testing.T) {
	needKernel(t)
	key := unhex(t, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
	v := newVector((*[KeySize]byte)(key)).(*vector)
	got := v.keys.rounds
	for i, want := range map[int]string{
		0: "603deb10", 7: "0914dff4", 8: "9ba35411", 9: "8e6925af", 10: "a51a8b5f", 11: "2067fcde",
		12: "a8b09c1a", 56: "fe4890d1", 57: "e6188d0b", 58: "046df344", 59: "706c631e",
	} {
		b := []byte{byte(got[i]), byte(got[i] >> 8), byte(got[i] >> 16), byte(got[i] >> 24)}
		if hex.EncodeToString(b) != want {
			t.Errorf("word %d is %x, not %s", i, b, want)
		}
	}
}
