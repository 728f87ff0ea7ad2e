package aesgcm

import (
	"crypto/cipher"
	"fmt"
	"testing"
)

// both runs f for the kernel, where there is one, and for crypto/cipher.
func both(b *testing.B, f func(b *testing.B, build func(*[KeySize]byte) cipher.AEAD)) {
	mustLibrary(b, new([KeySize]byte))
	if capable {
		b.Run("kernel", func(b *testing.B) { f(b, newVector) })
	}
	b.Run("library", func(b *testing.B) {
		f(b, func(key *[KeySize]byte) cipher.AEAD { return mustLibrary(b, key) })
	})
}

func sizes(b *testing.B, build func(*[KeySize]byte) cipher.AEAD, f func(b *testing.B, a cipher.AEAD, size int)) {
	for _, size := range []int{64, 1408, 8896} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			f(b, build(new([KeySize]byte)), size)
		})
	}
}

// benchData is as much additional data as a packet has.
const benchData = 42

func BenchmarkSeal(b *testing.B) {
	both(b, func(b *testing.B, build func(*[KeySize]byte) cipher.AEAD) {
		sizes(b, build, func(b *testing.B, a cipher.AEAD, size int) {
			nonce, data := make([]byte, nonceSize), make([]byte, benchData)
			payload, dst := make([]byte, size), make([]byte, 24, 24+size+tagSize)
			for b.Loop() {
				a.Seal(dst, nonce, payload, data)
			}
		})
	})
}

func BenchmarkOpen(b *testing.B) {
	both(b, func(b *testing.B, build func(*[KeySize]byte) cipher.AEAD) {
		sizes(b, build, func(b *testing.B, a cipher.AEAD, size int) {
			nonce, data := make([]byte, nonceSize), make([]byte, benchData)
			sealed := a.Seal(nil, nonce, make([]byte, size), data)
			dst := make([]byte, 0, size)
			for b.Loop() {
				if _, err := a.Open(dst, nonce, sealed, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	})
}

// BenchmarkNew is a key's price.
func BenchmarkNew(b *testing.B) {
	both(b, func(b *testing.B, build func(*[KeySize]byte) cipher.AEAD) {
		for b.Loop() {
			build(new([KeySize]byte))
		}
	})
}
