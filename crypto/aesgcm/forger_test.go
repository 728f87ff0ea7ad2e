package aesgcm

import (
	"bytes"
	"crypto/cipher"
	"slices"
	"testing"
)

// refused wants nothing of the plaintext in what a failed Open leaves.
func refused(t *testing.T, a cipher.AEAD, nonce, sealed, data []byte, what string, bit int) {
	t.Helper()
	n := len(sealed) - tagSize
	dst := bytes.Repeat([]byte{0xa5}, 8+n+8)
	got, err := a.Open(dst[:8], nonce, sealed, data)
	if err == nil || got != nil {
		t.Fatalf("%s: bit %d is wrong, and it opens (%v)", what, bit, err)
	}
	if slices.ContainsFunc(dst[8:8+n], func(b byte) bool { return b != 0 }) {
		t.Fatalf("%s: bit %d is wrong, and the output is not cleared", what, bit)
	}
	if !bytes.Equal(dst[:8], dst[8+n:]) || dst[0] != 0xa5 {
		t.Fatalf("%s: bit %d is wrong, and other bytes are cleared", what, bit)
	}
	inPlace := bytes.Clone(sealed)
	if got, err := a.Open(inPlace[:0], nonce, inPlace, data); err == nil || got != nil {
		t.Fatalf("%s: bit %d is wrong, and it opens in place", what, bit)
	}
	if slices.ContainsFunc(inPlace[:n], func(b byte) bool { return b != 0 }) {
		t.Fatalf("%s: bit %d is wrong, and the packet is not cleared", what, bit)
	}
	if !bytes.Equal(inPlace[n:], sealed[n:]) {
		t.Fatalf("%s: bit %d is wrong, and the tag is written to", what, bit)
	}
}

func TestOpen_RefusesEveryBitThatIsWrong(t *testing.T) {
	r := source(t)
	either(t, func(t *testing.T, build func(*[KeySize]byte) cipher.AEAD) {
		a := build((*[KeySize]byte)(fill(r, make([]byte, KeySize))))
		for _, n := range []int{0, 1, 16, 63, 64, 255, 256, 300, 777, 1408} {
			nonce, data := fill(r, make([]byte, nonceSize)), fill(r, make([]byte, 42))
			sealed := a.Seal(nil, nonce, fill(r, make([]byte, n)), data)
			for what, b := range map[string][]byte{"sealed": sealed, "nonce": nonce, "additional data": data} {
				for bit := range 8 * len(b) {
					b[bit/8] ^= 1 << (bit % 8)
					refused(t, a, nonce, sealed, data, what, bit)
					b[bit/8] ^= 1 << (bit % 8)
				}
			}
			if _, err := a.Open(nil, nonce, sealed, data); err != nil {
				t.Fatalf("what is right does not open: %v", err)
			}
		}
	})
}

// Lengths are hashed too, so bytes cannot change sides, come or go.
func TestOpen_RefusesOtherLengths(t *testing.T) {
	r := source(t)
	either(t, func(t *testing.T, build func(*[KeySize]byte) cipher.AEAD) {
		a := build((*[KeySize]byte)(fill(r, make([]byte, KeySize))))
		nonce := make([]byte, nonceSize)
		for n := range 400 {
			data := make([]byte, 48)
			sealed := a.Seal(nil, nonce, make([]byte, n), data)
			for short := range sealed[:min(len(sealed), 40)] {
				if got, err := a.Open(nil, nonce, sealed[:short], data); err == nil || got != nil {
					t.Fatalf("%d of %d bytes open", short, len(sealed))
				}
			}
			if _, err := a.Open(nil, nonce, sealed[1:], data); err == nil {
				t.Fatalf("%d bytes open without the first", n)
			}
			for _, other := range [][]byte{nil, data[:47], data[:32], make([]byte, 49), make([]byte, 64)} {
				if _, err := a.Open(nil, nonce, sealed, other); err == nil {
					t.Fatalf("%d bytes open with %d bytes of data instead of %d", n, len(other), len(data))
				}
			}
		}
	})
}

// Every forgery costs the library and the kernel an error, whatever the bytes.
func FuzzOpen(f *testing.F) {
	f.Add([]byte("key"), []byte("nonce"), []byte("a tag needs sixteen bytes"), []byte("data"))
	f.Add([]byte{}, []byte{}, make([]byte, 300), []byte{})
	f.Fuzz(func(t *testing.T, k, n, sealed, data []byte) {
		needKernel(t)
		var key [KeySize]byte
		var nonce [nonceSize]byte
		copy(key[:], k)
		copy(nonce[:], n)
		kernel, library := newVector(&key), mustLibrary(t, &key)
		got, err := kernel.Open(nil, nonce[:], sealed, data)
		want, wantErr := library.Open(nil, nonce[:], sealed, data)
		if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
			t.Fatalf("the kernel says %x, %v; crypto/cipher %x, %v", got, err, want, wantErr)
		}
	})
}

func FuzzSeal(f *testing.F) {
	f.Add([]byte("key"), []byte("nonce"), []byte("plaintext"), []byte("data"))
	f.Add([]byte{}, []byte{}, make([]byte, 1408), make([]byte, 42))
	f.Add([]byte{1}, []byte{2}, make([]byte, 256), make([]byte, 130))
	f.Fuzz(func(t *testing.T, k, n, plain, data []byte) {
		needKernel(t)
		var key [KeySize]byte
		var nonce [nonceSize]byte
		copy(key[:], k)
		copy(nonce[:], n)
		same(t, newVector(&key), mustLibrary(t, &key), nonce[:], plain, data)
	})
}
