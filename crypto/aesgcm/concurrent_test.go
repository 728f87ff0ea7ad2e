package aesgcm

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"sync"
	"testing"
)

func TestOneKey_ServesManyGoroutines(t *testing.T) {
	r := source(t)
	kernel, library := twins(t, r)
	var workers sync.WaitGroup
	text, data := fill(r, make([]byte, 1500)), fill(r, make([]byte, 42))
	for w := range 4 {
		workers.Go(func() {
			nonce, dst := make([]byte, nonceSize), make([]byte, 0, 2000)
			for i := range 500 {
				binary.BigEndian.PutUint32(nonce, uint32(w<<16|i))
				n := (i*31 + w*97) % len(text)
				dst = kernel.Seal(dst[:0], nonce, text[:n], data)
				if !bytes.Equal(dst, library.Seal(nil, nonce, text[:n], data)) {
					t.Errorf("goroutine %d, message %d: is not what crypto/cipher has", w, i)
					return
				}
				if _, err := kernel.Open(dst[:0], nonce, dst, data); err != nil || !bytes.Equal(dst[:n], text[:n]) {
					t.Errorf("goroutine %d, message %d: %v", w, i, err)
					return
				}
			}
		})
	}
	workers.Wait()
}

func TestHotPath_AllocatesNothing(t *testing.T) {
	either(t, func(t *testing.T, build func(*[KeySize]byte) cipher.AEAD) {
		a := build(&[KeySize]byte{3})
		nonce, data, text := make([]byte, nonceSize), make([]byte, 42), make([]byte, 1408)
		dst := make([]byte, 0, 1500)
		sealed := a.Seal(nil, nonce, text, data)
		forged := append([]byte{sealed[0] ^ 1}, sealed[1:]...)
		for what, f := range map[string]func(){
			"Seal":           func() { a.Seal(dst, nonce, text, data) },
			"Open":           func() { _, _ = a.Open(dst, nonce, sealed, data) },
			"Open of forged": func() { _, _ = a.Open(dst, nonce, forged, data) },
		} {
			if n := testing.AllocsPerRun(100, f); n != 0 {
				t.Errorf("%s allocates %v times", what, n)
			}
		}
	})
}
