// Package aesgcm is AES-256-GCM for packets, three to four times as fast as Go's
// own where the processor has AES and carry-less multiplication on 512-bit
// registers: VAES and VPCLMULQDQ with AVX-512, which Intel's have since Ice Lake
// and AMD's since Zen 4. On a Zen 5 with 42 bytes of additional data:
//
//	bytes   Seal: crypto/cipher   kernel   Open: crypto/cipher   kernel
//	   64             112 ns       21 ns             84 ns        19 ns
//	 1408             284 ns       74 ns            270 ns        67 ns
//	 8896            1600 ns      350 ns           1470 ns       340 ns
//
// [New] returns a [crypto/cipher.AEAD] that is, byte for byte and panic for panic,
// the one of [crypto/cipher.NewGCM], and is that one wherever the kernel may not
// or cannot be used; [Fast] says which. Nonces have 12 bytes and tags 16. Output
// begins where the input does or is apart from it. Nothing is allocated when there
// is room, an AEAD does not change, and goroutines share it freely.
//
// # The kernel
//
// It has four blocks in a register and sixteen in the works: while the second half
// of AES runs on 256 bytes, the first half runs on the counters of the next and
// GHASH takes in the ciphertext of the last. Tails are read and written under a
// mask, so no byte beside a slice is touched. What it does, and which addresses it
// touches, depends on lengths and never on keys or bytes. kernel_amd64.s says how
// GHASH is done and who found that out.
//
// # Trust
//
// Before a process seals its first packet by the kernel, it compares the kernel
// with crypto/cipher, under a random key for each of some forty lengths. One wrong
// byte, or a forgery that opens, and crypto/cipher does all the work. It does so
// also in FIPS 140-3 mode, and with GODEBUG=cpu.avx512f=off in the environment.
//
// Open decrypts and hashes in one pass, as crypto/cipher does: when the tag is
// wrong it clears what it wrote and returns nothing.
//
// # Limitations
//
// Only AES-256, and a kernel only for amd64. It was measured on Zen 5 alone; Intel
// servers before Sapphire Rapids may lower their clock for 512-bit registers, and
// everything that runs beside pays for it.
//
// There is no way to clear a key: another goroutine might be using it. Round keys
// stay in vector registers after a call until something else uses these. Printed
// with package fmt, an AEAD shows its key; that holds for crypto/cipher's too.
//
// Open reads ciphertext twice, once for GHASH and once to decrypt: who can write to
// it meanwhile, through shared memory, decides what comes out. The race detector
// and the sanitizers do not see what the kernel reads and writes.
//
// A call is not preempted. 64 KiB take 3 microseconds; a gigabyte holds up the
// garbage collector for 40 milliseconds.
//
// The comparison finds a kernel that is wrong, not a processor that errs later.
package aesgcm
