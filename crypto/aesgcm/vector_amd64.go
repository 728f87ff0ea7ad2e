package aesgcm

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
)

// longest is what one nonce can seal, in bytes (SP 800-38D, 5.2.1.1).
const longest = (1<<32 - 2) * 16

var errOpen = errors.New("aesgcm: message authentication failed")

// vector is the AEAD. It does not change once made.
type vector struct{ keys keys }

func newVector(key *[KeySize]byte) cipher.AEAD {
	v := new(vector)
	v.keys.set(key)
	return v
}

func (*vector) NonceSize() int { return nonceSize }
func (*vector) Overhead() int  { return tagSize }

// Seal panics for what crypto/cipher panics for.
func (v *vector) Seal(dst, nonce, plaintext, data []byte) []byte {
	if len(nonce) != nonceSize {
		panic("aesgcm: the nonce is not 12 bytes long")
	}
	if uint64(len(plaintext)) > longest {
		panic("aesgcm: the message is too long")
	}
	all, out := grow(dst, len(plaintext)+tagSize)
	mustFit(out, plaintext, data)
	n := len(plaintext)
	seal(&v.keys, (*[nonceSize]byte)(nonce), out[:n], plaintext, data, (*[tagSize]byte)(out[n:]))
	return all
}

// Open decrypts and hashes in one pass, so it clears what it wrote when the tag
// is wrong.
func (v *vector) Open(dst, nonce, ciphertext, data []byte) ([]byte, error) {
	if len(nonce) != nonceSize {
		panic("aesgcm: the nonce is not 12 bytes long")
	}
	n := len(ciphertext) - tagSize
	if uint64(n) > longest { // below zero, too
		return nil, errOpen
	}
	all, out := grow(dst, n)
	mustFit(out, ciphertext, data)
	var tag [tagSize]byte
	open(&v.keys, (*[nonceSize]byte)(nonce), out, ciphertext[:n], data, &tag)
	if differ(&tag, (*[tagSize]byte)(ciphertext[n:])) {
		clear(out)
		return nil, errOpen
	}
	return all, nil
}

// differ compares without a branch or an address that depends on a tag. It is
// crypto/subtle's ConstantTimeCompare without its loop over bytes, which takes half
// as long as decrypting a packet: the processor guesses its end wrong.
func differ(a, b *[tagSize]byte) bool {
	first := binary.LittleEndian.Uint64(a[:8]) ^ binary.LittleEndian.Uint64(b[:8])
	second := binary.LittleEndian.Uint64(a[8:]) ^ binary.LittleEndian.Uint64(b[8:])
	return first|second != 0
}

// grow returns dst with n bytes more, and these.
func grow(dst []byte, n int) (all, out []byte) {
	total := len(dst) + n
	if cap(dst) >= total {
		all = dst[:total]
	} else {
		all = make([]byte, total)
		copy(all, dst)
	}
	return all, all[len(dst):]
}
