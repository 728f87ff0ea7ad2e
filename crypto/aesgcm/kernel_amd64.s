#include "go_asm.h"
#include "textflag.h"

// AES-256-GCM (NIST SP 800-38D) on 512-bit registers: four blocks in one, as in
// Drucker, Gueron and Krasnov, "Making AES great again: the forthcoming
// vectorized AES instruction", 2018.
//
// GHASH works on blocks whose bytes are in reverse order. A product of two such
// blocks comes out shifted by one bit; the powers of the hash key are kept shifted
// the other way, and a product is reduced in two steps of 64 bits, as in Gueron
// and Kounavis, "Intel Carry-Less Multiplication Instruction and its Usage for
// Computing the GCM Mode", 2010.
//
// A message is a row of vectors of four blocks. Each lane sums up for itself, by
// Horner's rule in H⁴: a vector's blocks stand in their lanes for as long as the
// message lasts, and only the end brings the lanes together, with different powers
// of H for each. Zeros before a message do not change its hash, so additional data
// is put at the end of its vectors, and zeros before it.

DATA reverse<>+0x00(SB)/8, $0x08090a0b0c0d0e0f
DATA reverse<>+0x08(SB)/8, $0x0001020304050607
DATA reverse<>+0x10(SB)/8, $0x08090a0b0c0d0e0f
DATA reverse<>+0x18(SB)/8, $0x0001020304050607
DATA reverse<>+0x20(SB)/8, $0x08090a0b0c0d0e0f
DATA reverse<>+0x28(SB)/8, $0x0001020304050607
DATA reverse<>+0x30(SB)/8, $0x08090a0b0c0d0e0f
DATA reverse<>+0x38(SB)/8, $0x0001020304050607
GLOBL reverse<>(SB), RODATA|NOPTR, $64

// The polynomial: x¹²⁷ + x¹²⁶ + x¹²¹ in the upper half.
DATA polynomial<>+0x00(SB)/8, $0x0000000000000001
DATA polynomial<>+0x08(SB)/8, $0xc200000000000000
DATA polynomial<>+0x10(SB)/8, $0x0000000000000001
DATA polynomial<>+0x18(SB)/8, $0xc200000000000000
DATA polynomial<>+0x20(SB)/8, $0x0000000000000001
DATA polynomial<>+0x28(SB)/8, $0xc200000000000000
DATA polynomial<>+0x30(SB)/8, $0x0000000000000001
DATA polynomial<>+0x38(SB)/8, $0xc200000000000000
GLOBL polynomial<>(SB), RODATA|NOPTR, $64

// What the first vector of counters is ahead of the nonce's own, in reverse order.
DATA ahead<>+0x00(SB)/8, $1
DATA ahead<>+0x08(SB)/8, $0
DATA ahead<>+0x10(SB)/8, $2
DATA ahead<>+0x18(SB)/8, $0
DATA ahead<>+0x20(SB)/8, $3
DATA ahead<>+0x28(SB)/8, $0
DATA ahead<>+0x30(SB)/8, $4
DATA ahead<>+0x38(SB)/8, $0
GLOBL ahead<>(SB), RODATA|NOPTR, $64

// What a vector of counters is ahead of the one before.
DATA four<>+0x00(SB)/8, $4
DATA four<>+0x08(SB)/8, $0
DATA four<>+0x10(SB)/8, $4
DATA four<>+0x18(SB)/8, $0
DATA four<>+0x20(SB)/8, $4
DATA four<>+0x28(SB)/8, $0
DATA four<>+0x30(SB)/8, $4
DATA four<>+0x38(SB)/8, $0
GLOBL four<>(SB), RODATA|NOPTR, $64

// Registers throughout:
//
//	DI      keys                         Z0-Z3    AES, first half
//	SI, DX  what is left of src, dst     Z4-Z7    AES, second half
//	CX      bytes left                   Z8-Z11   blocks for GHASH
//	R8      powers of the tail           Z12-Z14  a product: low, middle, high
//	R9      nonce, then in R12, R13      Z18-Z31  round keys but the first, in
//	R10     additional data                       every lane
//	R11     its bytes left
#define LOW Z12
#define MIDDLE Z13
#define HIGH Z14
#define SCRATCH Z15
#define SUM Z16
#define COUNTER Z17

// Hⁿ and the powers below are at POWERS(n), and after H¹ there are three zeros. At
// WIDE(n) is one power in every lane, of H⁴, H⁸, H¹² and H¹⁶, and at SUMS(n) the sum
// of its halves, of the first three.
#define POWERS(n) (keys_powers + 16*(21-n))(DI)
#define WIDE(n) (keys_wide + 16*(n-4))(DI)
#define SUMS(n) (keys_sums + 16*(n-4))(DI)

// FIRST begins a product with v times the power p. v is lost.
#define FIRST(p, v) \
	VPCLMULQDQ $0x00, p, v, LOW;    \
	VPCLMULQDQ $0x11, p, v, HIGH;   \
	VPCLMULQDQ $0x01, p, v, MIDDLE; \
	VPCLMULQDQ $0x10, p, v, v;      \
	VPXORQ     v, MIDDLE, MIDDLE

// MORE adds v times p to the product. v is lost.
#define MORE(p, v) \
	ADDLOW(p, v);  \
	ADDHIGH(p, v); \
	ADDMIDDLE(p, v)

#define ADDLOW(p, v) \
	VPCLMULQDQ $0x00, p, v, SCRATCH; \
	VPXORQ     SCRATCH, LOW, LOW

#define ADDHIGH(p, v) \
	VPCLMULQDQ $0x11, p, v, SCRATCH; \
	VPXORQ     SCRATCH, HIGH, HIGH

#define ADDMIDDLE(p, v) \
	VPCLMULQDQ $0x01, p, v, SCRATCH; \
	VPCLMULQDQ $0x10, p, v, v;       \
	VPTERNLOGD $0x96, SCRATCH, v, MIDDLE

// KARATSUBA is ADDMIDDLE with one multiplication: MIDDLE then lacks the sum of LOW
// and HIGH. s is where the sum of p's halves is. v is lost.
#define KARATSUBA(s, v) \
	VPSHUFD    $0x4e, v, SCRATCH; \
	VPXORQ     SCRATCH, v, v;     \
	VPCLMULQDQ $0x00, s, v, v;    \
	VPXORQ     v, MIDDLE, MIDDLE

// REDUCE1 and REDUCE2 leave the product's remainder in h, which is HIGH and what
// else is to be added. One lane at the end, four before.
#define REDUCE1(l, m, s) \
	VPCLMULQDQ $0x10, polynomial<>(SB), l, s; \
	VPSHUFD    $0x4e, l, l;                   \
	VPTERNLOGD $0x96, s, l, m

#define REDUCE2(m, h, s) \
	VPCLMULQDQ $0x10, polynomial<>(SB), m, s; \
	VPSHUFD    $0x4e, m, m;                   \
	VPTERNLOGD $0x96, s, m, h

// FOLD adds up four lanes.
#define FOLD(z, y, x, sy, sx) \
	VEXTRACTI64X4 $1, z, sy; \
	VPXORQ        sy, y, y;  \
	VEXTRACTI32X4 $1, y, sx; \
	VPXORQ        sx, x, x

#define ROUNDKEY(n) (keys_rounds + 16*n)(DI)

#define KEYS \
	VBROADCASTI32X4 ROUNDKEY(1), Z18;  \
	VBROADCASTI32X4 ROUNDKEY(2), Z19;  \
	VBROADCASTI32X4 ROUNDKEY(3), Z20;  \
	VBROADCASTI32X4 ROUNDKEY(4), Z21;  \
	VBROADCASTI32X4 ROUNDKEY(5), Z22;  \
	VBROADCASTI32X4 ROUNDKEY(6), Z23;  \
	VBROADCASTI32X4 ROUNDKEY(7), Z24;  \
	VBROADCASTI32X4 ROUNDKEY(8), Z25;  \
	VBROADCASTI32X4 ROUNDKEY(9), Z26;  \
	VBROADCASTI32X4 ROUNDKEY(10), Z27; \
	VBROADCASTI32X4 ROUNDKEY(11), Z28; \
	VBROADCASTI32X4 ROUNDKEY(12), Z29; \
	VBROADCASTI32X4 ROUNDKEY(13), Z30; \
	VBROADCASTI32X4 ROUNDKEY(14), Z31

// NONCE makes the first counter block, in reverse order, in R13 and R12: what is
// written may lie over the nonce. It reads in the pieces in which package crypto
// writes: others would wait for the write to reach the cache.
#define NONCE \
	MOVL   0(R9), R13; \
	MOVQ   4(R9), R12; \
	BSWAPL R13;        \
	BSWAPQ R12;        \
	SHLQ   $32, R13;   \
	MOVQ   R12, AX;    \
	SHRQ   $32, AX;    \
	ORQ    AX, R13;    \
	SHLQ   $32, R12;   \
	ORQ    $1, R12

#define FIRSTBLOCK(x) \
	VMOVQ   R12, x; \
	VPINSRQ $1, R13, x, x

// START begins with AES: the first half of 256 bytes.
#define START \
	KEYS;                                     \
	NONCE;                                    \
	FIRSTBLOCK(X0);                           \
	VSHUFI64X2 $0, Z0, Z0, COUNTER;           \
	VPADDD     ahead<>(SB), COUNTER, COUNTER; \
	COUNT4;                                   \
	ROUND(Z18);                               \
	ROUND(Z19);                               \
	ROUND(Z20);                               \
	ROUND(Z21);                               \
	ROUND(Z22);                               \
	ROUND(Z23);                               \
	PASSON

// DATASUM hashes the additional data into SUM. The zeros that go before it are BX
// bytes and are not read.
#define DATASUM \
	VPXORQ     SUM, SUM, SUM;         \
	TESTQ      R11, R11;              \
	JZ         hashed;                \
	MOVQ       R11, BX;               \
	ADDQ       $15, BX;               \
	ANDQ       $-16, BX;              \
	NEGQ       BX;                    \
	ANDQ       $63, BX;               \
	SUBQ       BX, R10;               \
	ADDQ       BX, R11;               \
	MOVQ       $-1, AX;               \
	SHLXQ      BX, AX, BX;            \
more:                                 \
	MOVQ       $-1, AX;               \
	CMPQ       R11, $64;              \
	JAE        whole;                 \
	BZHIQ      R11, AX, AX;           \
whole:                                \
	ANDQ       BX, AX;                \
	KMOVQ      AX, K1;                \
	VMOVDQU8.Z (R10), K1, Z8;         \
	VPSHUFB    reverse<>(SB), Z8, Z8; \
	VPXORQ     Z8, SUM, SUM;          \
	ADDQ       $64, R10;              \
	SUBQ       $64, R11;              \
	JBE        hashed;                \
	MOVQ       $-1, BX;               \
	FIRST(WIDE(4), SUM);              \
	REDUCE1(LOW, MIDDLE, SCRATCH);    \
	REDUCE2(MIDDLE, HIGH, SCRATCH);   \
	VMOVDQA64  HIGH, SUM;             \
	JMP        more;                  \
hashed:

#define COUNT(z) \
	VPSHUFB reverse<>(SB), COUNTER, z;    \
	VPADDD  four<>(SB), COUNTER, COUNTER; \
	VPXORQ  keys_start(DI), z, z

#define COUNT4 \
	COUNT(Z0); \
	COUNT(Z1); \
	COUNT(Z2); \
	COUNT(Z3)

// ROUND is one in the first half, SECOND one in the second; PASSON is the last
// of the first half.
#define ROUND(key) \
	VAESENC key, Z0, Z0; \
	VAESENC key, Z1, Z1; \
	VAESENC key, Z2, Z2; \
	VAESENC key, Z3, Z3

#define SECOND(key) \
	VAESENC key, Z4, Z4; \
	VAESENC key, Z5, Z5; \
	VAESENC key, Z6, Z6; \
	VAESENC key, Z7, Z7

#define PASSON \
	VAESENC Z24, Z0, Z4; \
	VAESENC Z24, Z1, Z5; \
	VAESENC Z24, Z2, Z6; \
	VAESENC Z24, Z3, Z7

// LAST is the last round, on 64 bytes of data.
#define LAST(at, z) \
	VPXORQ      at(SI), Z31, SCRATCH; \
	VAESENCLAST SCRATCH, z, z;        \
	VMOVDQU64   z, at(DX)

#define LAST4 \
	LAST(0, Z4);   \
	LAST(64, Z5);  \
	LAST(128, Z6); \
	LAST(192, Z7); \
	ADDQ $256, SI; \
	ADDQ $256, DX; \
	SUBQ $256, CX

// AES4 en- or decrypts 256 bytes, whose first half is done, and does the first
// half of the next. What was written is in Z8 to Z11, reversed.
#define AES4 \
	SECOND(Z25);              \
	COUNT4;                   \
	SECOND(Z26);              \
	ROUND(Z18);               \
	SECOND(Z27);              \
	ROUND(Z19);               \
	SECOND(Z28);              \
	ROUND(Z20);               \
	SECOND(Z29);              \
	ROUND(Z21);               \
	SECOND(Z30);              \
	ROUND(Z22);               \
	LAST4;                    \
	ROUND(Z23);               \
	REVERSE4(Z4, Z5, Z6, Z7); \
	PASSON

#define REVERSE4(a, b, c, d) \
	VPSHUFB reverse<>(SB), a, Z8;  \
	VPSHUFB reverse<>(SB), b, Z9;  \
	VPSHUFB reverse<>(SB), c, Z10; \
	VPSHUFB reverse<>(SB), d, Z11

// BOTH is AES4 while GHASH takes Z8 to Z11 in:
// SUM = SUM·H¹⁶ + Z8·H¹² + Z9·H⁸ + Z10·H⁴ + Z11. The next one waits for SUM, so
// SUM comes last here, and in MORE's way, which is shorter. after is what comes
// before PASSON.
#define BOTH(after) \
	SECOND(Z25);                            \
	VPCLMULQDQ $0x00, WIDE(12), Z8, LOW;    \
	VPCLMULQDQ $0x11, WIDE(12), Z8, HIGH;   \
	COUNT(Z0);                              \
	COUNT(Z1);                              \
	VPSHUFD    $0x4e, Z8, SCRATCH;          \
	VPXORQ     SCRATCH, Z8, Z8;             \
	VPCLMULQDQ $0x00, SUMS(12), Z8, MIDDLE; \
	COUNT(Z2);                              \
	COUNT(Z3);                              \
	SECOND(Z26);                            \
	ADDLOW(WIDE(8), Z9);                    \
	ROUND(Z18);                             \
	ADDHIGH(WIDE(8), Z9);                   \
	SECOND(Z27);                            \
	KARATSUBA(SUMS(8), Z9);                 \
	ROUND(Z19);                             \
	ADDLOW(WIDE(4), Z10);                   \
	SECOND(Z28);                            \
	ADDHIGH(WIDE(4), Z10);                  \
	ROUND(Z20);                             \
	KARATSUBA(SUMS(4), Z10);                \
	VPTERNLOGD $0x96, LOW, HIGH, MIDDLE;    \
	SECOND(Z29);                            \
	ADDLOW(WIDE(16), SUM);                  \
	ROUND(Z21);                             \
	ADDHIGH(WIDE(16), SUM);                 \
	SECOND(Z30);                            \
	ADDMIDDLE(WIDE(16), SUM);               \
	VPXORQ     Z11, HIGH, SUM;              \
	ROUND(Z22);                             \
	REDUCE1(LOW, MIDDLE, SCRATCH);          \
	LAST4;                                  \
	ROUND(Z23);                             \
	REDUCE2(MIDDLE, SUM, SCRATCH);          \
	after;                                  \
	PASSON

#define AES1(x) \
	VPXORQ      ROUNDKEY(0), x, x; \
	VAESENC     X18, x, x;         \
	VAESENC     X19, x, x;         \
	VAESENC     X20, x, x;         \
	VAESENC     X21, x, x;         \
	VAESENC     X22, x, x;         \
	VAESENC     X23, x, x;         \
	VAESENC     X24, x, x;         \
	VAESENC     X25, x, x;         \
	VAESENC     X26, x, x;         \
	VAESENC     X27, x, x;         \
	VAESENC     X28, x, x;         \
	VAESENC     X29, x, x;         \
	VAESENC     X30, x, x;         \
	VAESENCLAST X31, x, x

// ENDS begins the last product with the block of lengths and with the sum so far,
// whose place is before what is left, and makes X3 the first block's key stream.
#define ENDS(size, datasize) \
	MOVQ    size, AX;              \
	SHLQ    $3, AX;                \
	VMOVQ   AX, X8;                \
	MOVQ    datasize, AX;          \
	SHLQ    $3, AX;                \
	VPINSRQ $1, AX, X8, X8;        \
	FIRST(POWERS(1), Z8);          \
	FIRSTBLOCK(X3);                \
	LEAQ    15(CX), AX;            \
	ANDQ    $-16, AX;              \
	LEAQ    POWERS(5), R8;         \
	SUBQ    AX, R8;                \
	MORE((R8), SUM);               \
	VPSHUFB reverse<>(SB), X3, X3; \
	AES1(X3)

// PIECE en- or decrypts up to 64 bytes with what z has of their key stream: in
// from Z8, out in z. CX is below 256, and BZHIQ looks at no more bits of it.
#define PIECE(z) \
	MOVQ        $-1, AX;      \
	BZHIQ       CX, AX, AX;   \
	KMOVQ       AX, K1;       \
	VMOVDQU8.Z  (SI), K1, Z8; \
	VAESENC     Z25, z, z;    \
	VAESENC     Z26, z, z;    \
	VAESENC     Z27, z, z;    \
	VAESENC     Z28, z, z;    \
	VAESENC     Z29, z, z;    \
	VAESENC     Z30, z, z;    \
	VPXORQ      Z31, Z8, Z9;  \
	VAESENCLAST Z9, z, z;     \
	VMOVDQU8    z, K1, (DX)

// HASHPIECE adds Z8, a piece's ciphertext with zeros behind, to the product.
#define HASHPIECE \
	VPSHUFB reverse<>(SB), Z8, Z8; \
	ADDQ    $64, R8;               \
	MORE((R8), Z8);                \
	ADDQ    $64, SI;               \
	ADDQ    $64, DX;               \
	SUBQ    $64, CX

#define SEALPIECE(z) \
	PIECE(z);             \
	VMOVDQU8.Z z, K1, Z8; \
	HASHPIECE;            \
	JBE        done

#define OPENPIECE(z) \
	PIECE(z);  \
	HASHPIECE; \
	JBE done

// TAG writes the tag.
#define TAG(to) \
	FOLD(Z12, Y12, X12, Y4, X4);     \
	FOLD(Z13, Y13, X13, Y5, X5);     \
	FOLD(Z14, Y14, X14, Y6, X6);     \
	REDUCE1(X12, X13, X15);          \
	REDUCE2(X13, X14, X15);          \
	VPSHUFB reverse<>(SB), X14, X14; \
	VPXOR   X3, X14, X14;            \
	MOVQ    to, AX;                  \
	VMOVDQU X14, (AX)

#define ARGUMENTS \
	MOVQ k+0(FP), DI;           \
	MOVQ nonce+8(FP), R9;       \
	MOVQ dst_base+16(FP), DX;   \
	MOVQ src_base+40(FP), SI;   \
	MOVQ src_len+48(FP), CX;    \
	MOVQ data_base+64(FP), R10; \
	MOVQ data_len+72(FP), R11

// func seal(k *keys, nonce *[12]byte, dst, src, data []byte, tag *[16]byte)
TEXT ·seal(SB), NOSPLIT, $0-96
	ARGUMENTS
	START
	DATASUM
	CMPQ CX, $256
	JB   tail
	AES4
	CMPQ CX, $256
	JB   last

	// GHASH is 256 bytes behind AES.
loop:
	BOTH(REVERSE4(Z4, Z5, Z6, Z7))
	CMPQ CX, $256
	JAE  loop

last:
	FIRST(WIDE(12), Z8)
	MORE(WIDE(8), Z9)
	MORE(WIDE(4), Z10)
	MORE(WIDE(16), SUM)
	VPXORQ Z11, HIGH, SUM
	REDUCE1(LOW, MIDDLE, SCRATCH)
	REDUCE2(MIDDLE, SUM, SCRATCH)

tail:
	ENDS(src_len+48(FP), data_len+72(FP))
	TESTQ CX, CX
	JZ    done
	SEALPIECE(Z4)
	SEALPIECE(Z5)
	SEALPIECE(Z6)
	SEALPIECE(Z7)

done:
	TAG(tag+88(FP))
	VZEROUPPER
	RET

// func open(k *keys, nonce *[12]byte, dst, src, data []byte, tag *[16]byte)
TEXT ·open(SB), NOSPLIT, $0-96
	ARGUMENTS
	START
	DATASUM
	CMPQ CX, $256
	JB   tail

loop:
	VMOVDQU64 0(SI), Z8
	VMOVDQU64 64(SI), Z9
	VMOVDQU64 128(SI), Z10
	VMOVDQU64 192(SI), Z11
	REVERSE4(Z8, Z9, Z10, Z11)
	BOTH(NOP)
	CMPQ CX, $256
	JAE  loop

tail:
	ENDS(src_len+48(FP), data_len+72(FP))
	TESTQ CX, CX
	JZ    done
	OPENPIECE(Z4)
	OPENPIECE(Z5)
	OPENPIECE(Z6)
	OPENPIECE(Z7)

done:
	TAG(tag+88(FP))
	VZEROUPPER
	RET

// func zeroBlock(k *keys) (hi, lo uint64)
TEXT ·zeroBlock(SB), NOSPLIT, $0-24
	MOVQ k+0(FP), DI
	KEYS
	VPXOR X0, X0, X0
	AES1(X0)
	VPSHUFB reverse<>(SB), X0, X0
	VPEXTRQ $1, X0, AX
	VMOVQ X0, BX
	MOVQ AX, hi+8(FP)
	MOVQ BX, lo+16(FP)
	VZEROUPPER
	RET

// func multiply(product, a, b *[2]uint64)
TEXT ·multiply(SB), NOSPLIT, $0-24
	MOVQ product+0(FP), DX
	MOVQ a+8(FP), SI
	MOVQ b+16(FP), DI
	VBROADCASTI32X4 (DI), Z0
	VBROADCASTI32X4 (SI), Z8
	FIRST(Z0, Z8)
	REDUCE1(LOW, MIDDLE, SCRATCH)
	REDUCE2(MIDDLE, HIGH, SCRATCH)
	VMOVDQU X14, (DX)
	VZEROUPPER
	RET

// func substitute(w uint32) uint32
TEXT ·substitute(SB), NOSPLIT, $0-12
	MOVL w+0(FP), AX
	SHLQ $32, AX
	VMOVQ AX, X0
	AESKEYGENASSIST $0, X0, X1
	VMOVQ X1, AX
	MOVL AX, ret+8(FP)
	RET
