package aesgcm

import (
	"bytes"
	"crypto/cipher"
	"testing"
)

// same holds the kernel against crypto/cipher for one message, apart and in place,
// behind a prefix, with room that must stay as it is.
func same(t testing.TB, kernel, library cipher.AEAD, nonce, plain, data []byte) {
	t.Helper()
	n := len(plain)
	want := library.Seal(nil, nonce, plain, data)
	const prefix, after = 24, 70
	room := bytes.Repeat([]byte{0xa5}, prefix+len(want)+after)
	untouched := bytes.Clone(room[:after])
	check := func(how string, got []byte, err error, want []byte) {
		t.Helper()
		end := prefix + len(want)
		switch {
		case err != nil:
			t.Fatalf("%s, %d bytes, %d of data: %v", how, n, len(data), err)
		case len(got) != end || &got[0] != &room[0] || !bytes.Equal(got[prefix:], want):
			t.Fatalf("%s, %d bytes, %d of data: is not what crypto/cipher has", how, n, len(data))
		case !bytes.Equal(room[:prefix], untouched[:prefix]):
			t.Fatalf("%s, %d bytes: the prefix was written to", how, n)
		case !bytes.Equal(room[len(room)-after:], untouched):
			t.Fatalf("%s, %d bytes: bytes behind were written to", how, n)
		}
	}
	got := kernel.Seal(room[:prefix], nonce, plain, data)
	check("sealed apart", got, nil, want)

	clearTo := func(b []byte) { copy(room, untouched[:prefix]); copy(room[prefix:], b) }
	clearTo(plain)
	got = kernel.Seal(room[:prefix], nonce, room[prefix:prefix+n], data)
	check("sealed in place", got, nil, want)

	room = room[:len(room)-tagSize]
	for i := range room {
		room[i] = 0xa5
	}
	got, err := kernel.Open(room[:prefix], nonce, want, data)
	check("opened apart", got, err, plain)

	room = room[:len(room)+tagSize]
	clearTo(want)
	copy(room[prefix+len(want):], untouched)
	got, err = kernel.Open(room[:prefix], nonce, room[prefix:prefix+len(want)], data)
	check("opened in place", got, err, plain)
	if !bytes.Equal(room[prefix+n:prefix+len(want)], want[n:]) {
		t.Fatalf("opened in place, %d bytes: the tag was written to", n)
	}
}

func TestKernel_IsTheLibraryAtEveryLength(t *testing.T) {
	r := source(t)
	kernel, library := twins(t, r)
	text := fill(r, make([]byte, 2100))
	for n := range len(text) + 1 {
		nonce := fill(r, make([]byte, nonceSize))
		for _, data := range []int{0, 42, upTo(r, 300)} {
			same(t, kernel, library, nonce, text[:n], fill(r, make([]byte, data)))
		}
	}
}

func TestKernel_IsTheLibraryForAllAdditionalData(t *testing.T) {
	r := source(t)
	kernel, library := twins(t, r)
	text := fill(r, make([]byte, 1408))
	for data := range 301 {
		nonce, aad := fill(r, make([]byte, nonceSize)), fill(r, make([]byte, data))
		for _, n := range []int{0, 1, 16, 64, 200, 256, 600, 1408} {
			same(t, kernel, library, nonce, text[:n], aad)
		}
	}
	for _, data := range []int{1 << 10, 1<<16 - 1, 1 << 16, 1<<16 + 77} {
		same(t, kernel, library, make([]byte, nonceSize), text, fill(r, make([]byte, data)))
	}
}

func TestKernel_IsTheLibraryForLongMessages(t *testing.T) {
	r := source(t)
	text := fill(r, make([]byte, 70000))
	sizes := []int{65535, 65536, 65537, 69888, 70000}
	for range 300 {
		sizes = append(sizes, upTo(r, 70000))
	}
	for _, n := range sizes {
		kernel, library := twins(t, r) // another key each time
		from := upTo(r, len(text)-n)
		same(t, kernel, library, fill(r, make([]byte, nonceSize)), text[from:from+n], fill(r, make([]byte, upTo(r, 100))))
	}
}

// Carries out of the counter's low bytes: 2^20 bytes are 2^16 blocks.
func TestKernel_IsTheLibraryBeyondTwoToTheSixteenBlocks(t *testing.T) {
	r := source(t)
	kernel, library := twins(t, r)
	same(t, kernel, library, fill(r, make([]byte, nonceSize)), fill(r, make([]byte, 1<<20+300)), nil)
}

func TestKernel_IsTheLibraryAtEveryAlignment(t *testing.T) {
	r := source(t)
	kernel, library := twins(t, r)
	nonces, src, dst, data := make([]byte, 64+nonceSize), make([]byte, 64+1500), make([]byte, 64+1500), make([]byte, 64+42)
	fill(r, nonces)
	fill(r, src)
	fill(r, data)
	for _, n := range []int{37, 256, 1400, 1408} {
		for at := range 64 * 64 {
			from, to := at%64, at/64
			nonce, aad, plain := nonces[to:][:nonceSize], data[from:][:upTo(r, 42)], src[from:from+n]
			got := kernel.Seal(dst[to:to], nonce, plain, aad)
			if at%64 == to || at < 64 { // crypto/cipher need not be asked 16,384 times
				if want := library.Seal(nil, nonce, plain, aad); !bytes.Equal(got, want) {
					t.Fatalf("sealed %d bytes from %d to %d: is not what crypto/cipher has", n, from, to)
				}
			}
			if _, err := kernel.Open(got[:0], nonce, got, aad); err != nil || !bytes.Equal(got[:n], plain) {
				t.Fatalf("opened %d bytes sealed from %d to %d: %v", n, from, to, err)
			}
		}
	}
}

// Keys and texts of one bit, or all but one, find what random ones hide.
func TestKernel_IsTheLibraryForSparseKeysAndTexts(t *testing.T) {
	needKernel(t)
	for bit := range 256 {
		for _, flip := range []byte{0, 0xff} {
			var key [KeySize]byte
			key[bit/8] = 1 << (bit % 8)
			text := make([]byte, 336)
			text[bit] = 1 << (bit % 8)
			for i := range text {
				text[i] ^= flip
				key[i%KeySize] ^= flip
			}
			same(t, newVector(&key), mustLibrary(t, &key), text[:nonceSize], text[:bit+80], text[:bit%50])
		}
	}
}
