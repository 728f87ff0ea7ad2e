package aesgcm

import (
	"crypto/cipher"
	"math/rand/v2"
	"testing"
)

// either runs f with the kernel and with crypto/cipher: what holds for the one
// must hold for the other.
func either(t *testing.T, f func(t *testing.T, build func(key *[KeySize]byte) cipher.AEAD)) {
	t.Run("kernel", func(t *testing.T) {
		needKernel(t)
		f(t, newVector)
	})
	t.Run("library", func(t *testing.T) {
		mustLibrary(t, new([KeySize]byte))
		f(t, func(key *[KeySize]byte) cipher.AEAD { return mustLibrary(t, key) })
	})
}

// needKernel skips where the processor lacks the instructions: no test can ask
// for those.
func needKernel(t testing.TB) {
	t.Helper()
	if !capable {
		t.Skip("the kernel is not tested: this processor has no VAES and VPCLMULQDQ on 512 bits")
	}
}

func mustLibrary(t testing.TB, key *[KeySize]byte) cipher.AEAD {
	t.Helper()
	a, err := newLibrary(key)
	if err != nil {
		t.Skipf("crypto/cipher is not there to compare with: %v", err)
	}
	return a
}

// source is randomness whose seed is printed.
func source(t testing.TB) *rand.ChaCha8 {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rand.Uint32())
	}
	t.Logf("seed %x", seed)
	return rand.NewChaCha8(seed)
}

func fill(r *rand.ChaCha8, b []byte) []byte {
	_, _ = r.Read(b)
	return b
}

func upTo(r *rand.ChaCha8, n int) int { return int(r.Uint64() % uint64(n+1)) }

// twins are the kernel and crypto/cipher under one random key.
func twins(t testing.TB, r *rand.ChaCha8) (kernel, library cipher.AEAD) {
	needKernel(t)
	var key [KeySize]byte
	fill(r, key[:])
	return newVector(&key), mustLibrary(t, &key)
}
