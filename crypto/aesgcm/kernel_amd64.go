package aesgcm

import (
	"encoding/binary"
	"math/bits"

	"golang.org/x/sys/cpu"
)

// capable says whether the processor has what the kernel is written in, and the
// operating system keeps 512-bit registers over a switch: x/sys/cpu asks both.
var capable = cpu.X86.HasAES && cpu.X86.HasBMI2 && cpu.X86.HasAVX2 &&
	cpu.X86.HasAVX512F && cpu.X86.HasAVX512BW && cpu.X86.HasAVX512VL &&
	cpu.X86.HasAVX512VAES && cpu.X86.HasAVX512VPCLMULQDQ

// seal writes src encrypted to dst, which is as long and either src itself or
// apart from it, and the tag of that and data.
//
//go:noescape
func seal(k *keys, nonce *[nonceSize]byte, dst, src, data []byte, tag *[tagSize]byte)

// open writes src decrypted to dst, and the tag that belongs to src and data. It
// does not judge.
//
//go:noescape
func open(k *keys, nonce *[nonceSize]byte, dst, src, data []byte, tag *[tagSize]byte)

// zeroBlock encrypts a block of zeros.
//
//go:noescape
func zeroBlock(k *keys) (hi, lo uint64)

// multiply is GHASH's multiplication.
//
//go:noescape
func multiply(product, a, b *[2]uint64)

// substitute is SubWord of FIPS 197, in one instruction and without a table.
func substitute(w uint32) uint32

// keys is what the kernel knows of a key: the key schedule, its first round key in
// every lane, powers of the hash key H in every lane with the sums of their halves,
// and H²¹ down to H¹. The kernel loads four of these at a time, so three of zero
// follow.
type keys struct {
	rounds [60]uint32
	_      [4]uint32
	start  [4][4]uint32
	wide   [4][4][2]uint64 // H⁴, H⁸, H¹², H¹⁶
	sums   [3][4][2]uint64 // of H⁴, H⁸, H¹²
	powers [highestPower + 3][2]uint64
}

// highestPower: the tail has up to 16 blocks, the vector before it four, and the
// block of lengths comes after.
const highestPower = 21

// set is FIPS 197's key expansion (5.2), with words in the order of the
// instructions, and then the powers.
func (k *keys) set(key *[KeySize]byte) {
	w := &k.rounds
	for i := range 8 {
		w[i] = binary.LittleEndian.Uint32(key[4*i:])
	}
	for i := 8; i < len(w); i++ {
		t := w[i-1]
		switch i % 8 {
		case 0:
			t = substitute(bits.RotateLeft32(t, -8)) ^ 1<<(i/8-1)
		case 4:
			t = substitute(t)
		}
		w[i] = w[i-8] ^ t
	}
	// The hash key, shifted by one bit against the products' shift. What falls
	// out at the top is the polynomial.
	hi, lo := zeroBlock(k)
	out := -(hi >> 63)
	first := [2]uint64{lo<<1 ^ out&1, (hi<<1 | lo>>63) ^ out&(0xc2<<56)}
	k.powers[highestPower-1] = first
	for i := highestPower - 2; i >= 0; i-- {
		multiply(&k.powers[i], &k.powers[i+1], &first)
	}
	for lane := range 4 {
		k.start[lane] = [4]uint32(w[:4])
		for i := range k.wide {
			k.wide[i][lane] = k.powers[highestPower-4*(i+1)]
		}
		for i := range k.sums {
			h := k.wide[i][lane]
			k.sums[i][lane] = [2]uint64{h[0] ^ h[1], h[0] ^ h[1]}
		}
	}
}
