package crypto

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"testing"
)

// A member has the group's key, and so can give another packet the tag of a true
// one: GCM does not commit. What is signed is the hash, and that differs.
func TestP5_AnotherPacketWithTheSameTagIsRefused(t *testing.T) {
	block, err := aes.NewCipher(make([]byte, 32))
	must(t, err)
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Skipf("suite 2 is the only one here: %v", err)
	}
	nonce, plain := make([]byte, 12), bytes.Repeat([]byte("true data "), 8)
	var h, d [16]byte
	block.Encrypt(h[:], h[:])
	forged := bytes.Clone(plain)
	d[3] = 0x40
	dh := times(d, h)
	for i := range d { // two blocks change; GHASH does not
		forged[i] ^= d[i]
		forged[16+i] ^= dh[i]
	}
	a, b := gcm.Seal(nil, nonce, plain, nil), gcm.Seal(nil, nonce, forged, nil)
	if bytes.Equal(a, b) || !bytes.Equal(a[len(a)-16:], b[len(b)-16:]) {
		t.Fatal("the forgery has another tag: the test shows nothing")
	}
	s, v := newManifests(t, 0, 0, 1)
	s.Symbol(epochZero, 0, 0, plain)
	v.Manifest(epochZero, poll(s, epochZero)[0], false, nil)
	if o := v.Symbol(epochZero, 0, 0, HashSymbol(0, 0, forged)); o != Forged {
		t.Errorf("the forgery: %v", o)
	}
	if o := v.Symbol(epochZero, 0, 0, HashSymbol(0, 0, plain)); o != Taken {
		t.Errorf("the original: %v", o)
	}
}

// times multiplies in GCM's field.
func times(x, y [16]byte) (z [16]byte) {
	for i := range 128 {
		if x[i/8]>>(7-i%8)&1 == 1 {
			for j := range z {
				z[j] ^= y[j]
			}
		}
		carry := y[15] & 1
		for j := 15; j > 0; j-- {
			y[j] = y[j]>>1 | y[j-1]<<7
		}
		y[0] = y[0]>>1 ^ carry*0xe1
	}
	return z
}
