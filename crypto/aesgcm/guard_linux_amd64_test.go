package aesgcm

import (
	"bytes"
	"crypto/cipher"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fenced is memory with a page before and one behind that nobody may touch.
type fenced []byte

func newFenced(t *testing.T, atLeast int) fenced {
	t.Helper()
	page := unix.Getpagesize()
	size := (atLeast + page - 1) / page * page
	all, err := unix.Mmap(-1, 0, size+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(all) })
	for _, fence := range [][]byte{all[:page], all[page+size:]} {
		if err := unix.Mprotect(fence, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return fenced(all[page : page+size : page+size])
}

// at returns n bytes right behind the first fence or right before the second.
func (f fenced) at(end bool, n int) []byte {
	if end {
		return f[len(f)-n:]
	}
	return f[:n:n]
}

// A byte too many, read or written, ends the process with a fault.
func TestKernel_TouchesNoByteBesideItsOwn(t *testing.T) {
	needKernel(t)
	r := source(t)
	key := (*[KeySize]byte)(fill(r, make([]byte, KeySize)))
	library := mustLibrary(t, key)
	var in, out, aad, number, own fenced
	for _, f := range []*fenced{&in, &out, &aad, &number, &own} {
		*f = newFenced(t, 4096)
	}
	for where := range 32 {
		end := func(i int) bool { return where>>i&1 == 1 }
		v := (*vector)(unsafe.Pointer(&own.at(end(4), int(unsafe.Sizeof(vector{})))[0]))
		v.keys.set(key)
		nonce := fill(r, number.at(end(3), nonceSize))
		for n := range 530 {
			data := fill(r, aad.at(end(2), (n*37+where*11)%140))
			fencedRound(t, v, library, in.at(end(0), n), out.at(end(1), n+tagSize), nonce, data)
		}
		fencedRound(t, v, library, in.at(end(0), 1408), out.at(end(1), 1408+tagSize), nonce, aad.at(end(2), 42))
	}
}

// fencedRound seals from plain to sealed and back, and then in place.
func fencedRound(t *testing.T, v *vector, library cipher.AEAD, plain, sealed, nonce, data []byte) {
	t.Helper()
	n := len(plain)
	for i := range plain {
		plain[i] = byte(i * 7)
	}
	was := bytes.Clone(plain)
	want := library.Seal(nil, nonce, plain, data)
	v.Seal(sealed[:0], nonce, plain, data)
	if !bytes.Equal(sealed, want) {
		t.Fatalf("%d bytes, %d of data: is not what crypto/cipher has", n, len(data))
	}
	clear(plain)
	if _, err := v.Open(plain[:0], nonce, sealed, data); err != nil || !bytes.Equal(plain, was) {
		t.Fatalf("%d bytes, %d of data do not open: %v", n, len(data), err)
	}
	if _, err := v.Open(sealed[:0], nonce, sealed, data); err != nil || !bytes.Equal(sealed[:n], was) {
		t.Fatalf("%d bytes, %d of data do not open in place: %v", n, len(data), err)
	}
	v.Seal(sealed[:0], nonce, sealed[:n], data)
	if !bytes.Equal(sealed, want) {
		t.Fatalf("%d bytes, %d of data: sealed in place, is not what crypto/cipher has", n, len(data))
	}
}

// The length of the data in bits needs more than 32 of them. The pages are all one
// and the same, of zeros.
func TestKernel_CountsBeyondFourBillionBits(t *testing.T) {
	r := source(t)
	kernel, library := twins(t, r)
	data, err := unix.Mmap(-1, 0, 1<<29+64, unix.PROT_READ, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Munmap(data) })
	nonce := make([]byte, nonceSize)
	for _, n := range []int{1<<29 - 1, 1 << 29, 1<<29 + 33} {
		if !bytes.Equal(kernel.Seal(nil, nonce, nil, data[:n]), library.Seal(nil, nonce, nil, data[:n])) {
			t.Errorf("%d bytes of data: the tag is not crypto/cipher's", n)
		}
	}
}
