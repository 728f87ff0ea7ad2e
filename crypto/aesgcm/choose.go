package aesgcm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"math/rand/v2"
	"sync"
)

// KeySize is the length of a key in bytes. Shorter ones are crypto/cipher's.
const KeySize = 32

const (
	nonceSize = 12
	tagSize   = 16
)

// New returns AES-256-GCM with nonces of 12 bytes and tags of 16: the kernel where
// [Fast] says so, else crypto/cipher. The error is crypto/cipher's, which refuses
// nonces of the caller's choice while FIPS 140-3 is enforced.
func New(key *[KeySize]byte) (cipher.AEAD, error) {
	if Fast() {
		return newVector(key), nil
	}
	return newLibrary(key)
}

func newLibrary(key *[KeySize]byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Fast reports whether this process uses the kernel. It does on a processor that
// can, unless FIPS 140-3 is on, since the kernel is no validated module, or the
// kernel and crypto/cipher once disagreed. The first call compares them, which
// takes less than a millisecond.
func Fast() bool { return trusted() }

var trusted = sync.OnceValue(func() bool { return trust(newVector) })

func trust(build func(key *[KeySize]byte) cipher.AEAD) bool {
	return capable && !fips140.Enabled() && agree(build)
}

// lengths are those at which the kernel takes another way, or one vector more.
var lengths = []int{
	0, 1, 15, 16, 17, 48, 63, 64, 65, 127, 128, 191, 192, 193, 240, 255, 256, 257,
	319, 320, 321, 496, 511, 512, 513, 767, 768, 769, 1024, 1279, 1280, 1400, 1408, 1472, 4096, 4097, 8896,
}

// agree compares a cipher with crypto/cipher: under a random key for each of the
// lengths, with additional data of random length, both ways, and with a bit wrong.
// It needs no good randomness, only to be another one in each process.
func agree(build func(key *[KeySize]byte) cipher.AEAD) bool {
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(rand.Uint32())
	}
	r := rand.NewChaCha8(seed)
	for _, n := range lengths {
		var key [KeySize]byte
		text := make([]byte, nonceSize+n+int(r.Uint64()%150))
		_, _ = r.Read(key[:])
		_, _ = r.Read(text)
		nonce, plain, data := text[:nonceSize], text[nonceSize:][:n], text[nonceSize+n:]
		library, err := newLibrary(&key)
		if err != nil {
			return false
		}
		a := build(&key)
		sealed := a.Seal(nil, nonce, plain, data)
		if !bytes.Equal(sealed, library.Seal(nil, nonce, plain, data)) {
			return false
		}
		opened, err := a.Open(nil, nonce, sealed, data)
		if err != nil || !bytes.Equal(opened, plain) {
			return false
		}
		sealed[r.Uint64()%uint64(len(sealed))] ^= 1 << (r.Uint64() % 8)
		if opened, err = a.Open(nil, nonce, sealed, data); err == nil || opened != nil {
			return false
		}
	}
	return true
}
