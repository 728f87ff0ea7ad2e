package aesgcm

import (
	"bytes"
	"crypto/cipher"
	"testing"
)

// panics reports whether f does.
func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// Every way in which 300 bytes and their output may lie in one piece of memory:
// the kernel and crypto/cipher refuse the same ones.
func TestOverlap_IsRefusedAsInTheLibrary(t *testing.T) {
	r := source(t)
	kernel, library := twins(t, r)
	const n = 300
	nonce, memory := make([]byte, nonceSize), make([]byte, 3*n+tagSize)
	sealed := library.Seal(nil, nonce, make([]byte, n), nil)
	fine, bad := 0, 0
	for _, size := range []int{0, 1, 2, n} {
		for to := range 2*n + 1 {
			in := memory[n : n+size]
			seal := func(a cipher.AEAD) func() { return func() { a.Seal(memory[to:to], nonce, in, nil) } }
			if got, want := panics(seal(kernel)), panics(seal(library)); got != want {
				t.Fatalf("sealing %d bytes to %d: panics %v, crypto/cipher %v", size, to-n, got, want)
			} else if want {
				bad++
			} else {
				fine++
			}
			cipherText := memory[n : n+size+tagSize]
			open := func(a cipher.AEAD) func() { return func() { _, _ = a.Open(memory[to:to], nonce, cipherText, nil) } }
			if got, want := panics(open(kernel)), panics(open(library)); got != want {
				t.Fatalf("opening %d bytes to %d: panics %v, crypto/cipher %v", size, to-n, got, want)
			}
			data := memory[n : n+size]
			over := func(a cipher.AEAD) func() { return func() { a.Seal(memory[to:to], nonce, sealed[:n], data) } }
			if got, want := panics(over(kernel)), panics(over(library)); got != want {
				t.Fatalf("sealing to %d over %d bytes of data: panics %v, crypto/cipher %v", to-n, size, got, want)
			}
		}
	}
	if fine == 0 || bad == 0 {
		t.Errorf("%d were fine and %d refused: the test tests nothing", fine, bad)
	}
}

func TestSealAndOpen_RefuseWhatTheLibraryRefuses(t *testing.T) {
	either(t, func(t *testing.T, build func(*[KeySize]byte) cipher.AEAD) {
		a := build(&[KeySize]byte{1})
		if a.NonceSize() != nonceSize || a.Overhead() != tagSize {
			t.Errorf("nonces of %d, %d bytes more", a.NonceSize(), a.Overhead())
		}
		for _, size := range []int{0, 11, 13, 16} {
			nonce := make([]byte, size)
			if !panics(func() { a.Seal(nil, nonce, nil, nil) }) {
				t.Errorf("seals with a nonce of %d bytes", size)
			}
			if !panics(func() { _, _ = a.Open(nil, nonce, make([]byte, 40), nil) }) {
				t.Errorf("opens with a nonce of %d bytes", size)
			}
		}
		for size := range tagSize {
			if got, err := a.Open(nil, make([]byte, nonceSize), make([]byte, size), nil); err == nil || got != nil {
				t.Errorf("%d bytes open", size)
			}
		}
	})
}

// A destination without room is another one: the caller's stays as it is.
func TestSeal_GrowsWhatIsTooSmall(t *testing.T) {
	either(t, func(t *testing.T, build func(*[KeySize]byte) cipher.AEAD) {
		a, nonce := build(&[KeySize]byte{2}), make([]byte, nonceSize)
		small := append(make([]byte, 0, 20), "head"...)
		sealed := a.Seal(small, nonce, []byte("text"), nil)
		if &sealed[0] == &small[0] || string(sealed[:4]) != "head" || len(sealed) != 24 {
			t.Errorf("sealed to %q", sealed)
		}
		if string(small[:20]) != "head"+string(make([]byte, 16)) {
			t.Errorf("what was too small is now %q", small[:20])
		}
		opened, err := a.Open([]byte("head"), nonce, sealed[4:], nil)
		if err != nil || !bytes.Equal(opened, []byte("headtext")) {
			t.Errorf("opened %q, %v", opened, err)
		}
	})
}

// A nonce is read before anything is written, so it may lie where the output goes.
func TestNonce_MayLieUnderTheOutput(t *testing.T) {
	r := source(t)
	kernel, library := twins(t, r)
	for _, n := range []int{0, 5, 64, 300, 1408} {
		plain := fill(r, make([]byte, n))
		for at := range n + tagSize - nonceSize + 1 {
			a, b := fill(r, make([]byte, n+tagSize)), make([]byte, n+tagSize)
			copy(b, a)
			sealed := kernel.Seal(a[:0], a[at:at+nonceSize], plain, nil)
			if !bytes.Equal(sealed, library.Seal(b[:0], b[at:at+nonceSize], plain, nil)) {
				t.Fatalf("%d bytes over a nonce at %d: are not what crypto/cipher has", n, at)
			}
		}
	}
}
