#include "textflag.h"

// SHA-256 (FIPS 180-4) of sixteen messages at once with AVX-512: a register holds
// one word of all sixteen, so that every instruction does its step for all.
//
//	Z0 to Z3    a, b, c, d: a round writes its a where d was
//	Z4 to Z7    e, f, g, h: and its e where h was, so that no word moves
//	Z8 to Z23   sixteen words of the schedule
//	Z24 to Z29  passing values
//	Z31         the order of bytes
//
// VPTERNLOGD takes a function of three bits as the table of its values; the bit of
// the last operand is the highest of the index. 0x96 is x^y^z, 0xca is Ch (x
// chooses y, else z), 0xe8 is Maj (4.1.2).
//
// What bounds the speed is not the instructions but the chain from each e to the
// next: every one takes two cycles on Zen 5, and four start in a cycle. So e is made
// with as few in a row as can be, rotation, xor, sum, by adding what does not hang
// on it first; what makes a stands a round behind, as an older instruction goes
// first; and words are read under the last sixteen rounds of the block before,
// which make no words.

DATA swap512<>+0x00(SB)/8, $0x0405060700010203
DATA swap512<>+0x08(SB)/8, $0x0c0d0e0f08090a0b
DATA swap512<>+0x10(SB)/8, $0x0405060700010203
DATA swap512<>+0x18(SB)/8, $0x0c0d0e0f08090a0b
DATA swap512<>+0x20(SB)/8, $0x0405060700010203
DATA swap512<>+0x28(SB)/8, $0x0c0d0e0f08090a0b
DATA swap512<>+0x30(SB)/8, $0x0405060700010203
DATA swap512<>+0x38(SB)/8, $0x0c0d0e0f08090a0b
GLOBL swap512<>(SB), RODATA|NOPTR, $64

// ROW gathers 16 bytes each of the messages r, r+4, r+8 and r+12: broadcasts
// from memory under a mask need no shuffle, and rarely cross a cache line.
#define ROW(at, r, w) \
	MOVQ            (8*r)(SI), R8;        \
	MOVQ            (8*r+32)(SI), R9;     \
	MOVQ            (8*r+64)(SI), R10;    \
	MOVQ            (8*r+96)(SI), R11;    \
	VBROADCASTI32X4 at(R8)(BX*1), w;      \
	VBROADCASTI32X4 at(R9)(BX*1), K1, w;  \
	VBROADCASTI32X4 at(R10)(BX*1), K2, w; \
	VBROADCASTI32X4 at(R11)(BX*1), K3, w

// LOAD reads four words of all messages: rows are turned to columns.
#define LOAD(at, w0, w1, w2, w3) \
	ROW(at, 0, w0);           \
	ROW(at, 1, w1);           \
	ROW(at, 2, w2);           \
	ROW(at, 3, w3);           \
	VPUNPCKLDQ  w1, w0, Z24;  \
	VPUNPCKHDQ  w1, w0, Z25;  \
	VPUNPCKLDQ  w3, w2, Z26;  \
	VPUNPCKHDQ  w3, w2, Z27;  \
	VPUNPCKLQDQ Z26, Z24, w0; \
	VPUNPCKHQDQ Z26, Z24, w1; \
	VPUNPCKLQDQ Z27, Z25, w2; \
	VPUNPCKHQDQ Z27, Z25, w3; \
	VPSHUFB     Z31, w0, w0;  \
	VPSHUFB     Z31, w1, w1;  \
	VPSHUFB     Z31, w2, w2;  \
	VPSHUFB     Z31, w3, w3

// MAKE_E is the half of a round with word w (6.2.2, step 3) that makes e, in h:
// d + T1, where T1 = h + Sigma1(e) + Ch(e,f,g) + K + w.
#define MAKE_E(k, w, d, e, f, g, h) \
	VPADDD.BCST k(AX), w, Z24;        \
	VPADDD      d, h, h;              \
	VPRORD      $6, e, Z25;           \
	VPRORD      $11, e, Z26;          \
	VPRORD      $25, e, Z27;          \
	VMOVDQA64   e, Z28;               \
	VPADDD      Z24, h, h;            \
	VPTERNLOGD  $0xca, g, f, Z28;     \
	VPTERNLOGD  $0x96, Z27, Z26, Z25; \
	VPADDD      Z28, h, h;            \
	VPADDD      Z25, h, h

// MAKE_A is the other half, which makes a, in d: T1 + Sigma0(a) + Maj(a,b,c). T1 is
// the new e less d.
#define MAKE_A(a, b, c, d, e) \
	VMOVDQA64  a, Z29;               \
	VPRORD     $2, a, Z26;           \
	VPRORD     $13, a, Z27;          \
	VPRORD     $22, a, Z28;          \
	VPTERNLOGD $0xe8, c, b, Z29;     \
	VPTERNLOGD $0x96, Z28, Z27, Z26; \
	VPSUBD     d, e, d;              \
	VPADDD     Z29, d, d;            \
	VPADDD     Z26, d, d

// NEXT makes of word t word t+16 (6.2.2, step 1): t1, t9 and t14 are those after t.
#define NEXT(t, t1, t9, t14) \
	VPRORD     $7, t1, Z24;          \
	VPRORD     $18, t1, Z25;         \
	VPSRLD     $3, t1, Z26;          \
	VPADDD     t9, t, t;             \
	VPTERNLOGD $0x96, Z26, Z25, Z24; \
	VPRORD     $17, t14, Z27;        \
	VPRORD     $19, t14, Z28;        \
	VPSRLD     $10, t14, Z29;        \
	VPADDD     Z24, t, t;            \
	VPTERNLOGD $0x96, Z29, Z28, Z27; \
	VPADDD     Z27, t, t

// func sha256Blocks16(state *[8][16]uint32, at *[16]*byte, n int)
TEXT ·sha256Blocks16(SB), NOSPLIT, $0-24
	MOVQ      state+0(FP), DI
	MOVQ      at+8(FP), SI
	MOVQ      n+16(FP), DX
	MOVL      $0x00f0, R8
	KMOVW     R8, K1
	MOVL      $0x0f00, R8
	KMOVW     R8, K2
	MOVL      $0xf000, R8
	KMOVW     R8, K3
	XORL      BX, BX               // how far into the messages
	VMOVDQU32 swap512<>(SB), Z31
	VMOVDQU32 0(DI), Z0
	VMOVDQU32 64(DI), Z1
	VMOVDQU32 128(DI), Z2
	VMOVDQU32 192(DI), Z3
	VMOVDQU32 256(DI), Z4
	VMOVDQU32 320(DI), Z5
	VMOVDQU32 384(DI), Z6
	VMOVDQU32 448(DI), Z7

	LOAD(0, Z8, Z9, Z10, Z11)
	LOAD(16, Z12, Z13, Z14, Z15)
	LOAD(32, Z16, Z17, Z18, Z19)
	LOAD(48, Z20, Z21, Z22, Z23)

block:
	LEAQ    ·sha256K(SB), AX
	MOVL    $3, CX
	PCALIGN $64

rounds: // sixteen of the first 48, and the words for those sixteen further on
	MAKE_E(0x00, Z8, Z3, Z4, Z5, Z6, Z7)
	NEXT(Z8, Z9, Z17, Z22)
	MAKE_E(0x04, Z9, Z2, Z7, Z4, Z5, Z6)
	MAKE_A(Z0, Z1, Z2, Z3, Z7)
	NEXT(Z9, Z10, Z18, Z23)
	MAKE_E(0x08, Z10, Z1, Z6, Z7, Z4, Z5)
	MAKE_A(Z3, Z0, Z1, Z2, Z6)
	NEXT(Z10, Z11, Z19, Z8)
	MAKE_E(0x0c, Z11, Z0, Z5, Z6, Z7, Z4)
	MAKE_A(Z2, Z3, Z0, Z1, Z5)
	NEXT(Z11, Z12, Z20, Z9)
	MAKE_E(0x10, Z12, Z3, Z4, Z5, Z6, Z7)
	MAKE_A(Z1, Z2, Z3, Z0, Z4)
	NEXT(Z12, Z13, Z21, Z10)
	MAKE_E(0x14, Z13, Z2, Z7, Z4, Z5, Z6)
	MAKE_A(Z0, Z1, Z2, Z3, Z7)
	NEXT(Z13, Z14, Z22, Z11)
	MAKE_E(0x18, Z14, Z1, Z6, Z7, Z4, Z5)
	MAKE_A(Z3, Z0, Z1, Z2, Z6)
	NEXT(Z14, Z15, Z23, Z12)
	MAKE_E(0x1c, Z15, Z0, Z5, Z6, Z7, Z4)
	MAKE_A(Z2, Z3, Z0, Z1, Z5)
	NEXT(Z15, Z16, Z8, Z13)
	MAKE_E(0x20, Z16, Z3, Z4, Z5, Z6, Z7)
	MAKE_A(Z1, Z2, Z3, Z0, Z4)
	NEXT(Z16, Z17, Z9, Z14)
	MAKE_E(0x24, Z17, Z2, Z7, Z4, Z5, Z6)
	MAKE_A(Z0, Z1, Z2, Z3, Z7)
	NEXT(Z17, Z18, Z10, Z15)
	MAKE_E(0x28, Z18, Z1, Z6, Z7, Z4, Z5)
	MAKE_A(Z3, Z0, Z1, Z2, Z6)
	NEXT(Z18, Z19, Z11, Z16)
	MAKE_E(0x2c, Z19, Z0, Z5, Z6, Z7, Z4)
	MAKE_A(Z2, Z3, Z0, Z1, Z5)
	NEXT(Z19, Z20, Z12, Z17)
	MAKE_E(0x30, Z20, Z3, Z4, Z5, Z6, Z7)
	MAKE_A(Z1, Z2, Z3, Z0, Z4)
	NEXT(Z20, Z21, Z13, Z18)
	MAKE_E(0x34, Z21, Z2, Z7, Z4, Z5, Z6)
	MAKE_A(Z0, Z1, Z2, Z3, Z7)
	NEXT(Z21, Z22, Z14, Z19)
	MAKE_E(0x38, Z22, Z1, Z6, Z7, Z4, Z5)
	MAKE_A(Z3, Z0, Z1, Z2, Z6)
	NEXT(Z22, Z23, Z15, Z20)
	MAKE_E(0x3c, Z23, Z0, Z5, Z6, Z7, Z4)
	MAKE_A(Z2, Z3, Z0, Z1, Z5)
	NEXT(Z23, Z8, Z16, Z21)
	MAKE_A(Z1, Z2, Z3, Z0, Z4)
	ADDQ $64, AX
	DECL CX
	JNZ  rounds

	// The last sixteen, and the next block's words; behind the last block comes
	// nothing that may be read, so it is read again.
	LEAQ    64(BX), R12
	CMPQ    DX, $1
	CMOVQNE R12, BX
	MAKE_E(0x00, Z8, Z3, Z4, Z5, Z6, Z7)
	MAKE_E(0x04, Z9, Z2, Z7, Z4, Z5, Z6)
	MAKE_A(Z0, Z1, Z2, Z3, Z7)
	MAKE_E(0x08, Z10, Z1, Z6, Z7, Z4, Z5)
	MAKE_A(Z3, Z0, Z1, Z2, Z6)
	MAKE_E(0x0c, Z11, Z0, Z5, Z6, Z7, Z4)
	MAKE_A(Z2, Z3, Z0, Z1, Z5)
	LOAD(0, Z8, Z9, Z10, Z11)
	MAKE_E(0x10, Z12, Z3, Z4, Z5, Z6, Z7)
	MAKE_A(Z1, Z2, Z3, Z0, Z4)
	MAKE_E(0x14, Z13, Z2, Z7, Z4, Z5, Z6)
	MAKE_A(Z0, Z1, Z2, Z3, Z7)
	MAKE_E(0x18, Z14, Z1, Z6, Z7, Z4, Z5)
	MAKE_A(Z3, Z0, Z1, Z2, Z6)
	MAKE_E(0x1c, Z15, Z0, Z5, Z6, Z7, Z4)
	MAKE_A(Z2, Z3, Z0, Z1, Z5)
	LOAD(16, Z12, Z13, Z14, Z15)
	MAKE_E(0x20, Z16, Z3, Z4, Z5, Z6, Z7)
	MAKE_A(Z1, Z2, Z3, Z0, Z4)
	MAKE_E(0x24, Z17, Z2, Z7, Z4, Z5, Z6)
	MAKE_A(Z0, Z1, Z2, Z3, Z7)
	MAKE_E(0x28, Z18, Z1, Z6, Z7, Z4, Z5)
	MAKE_A(Z3, Z0, Z1, Z2, Z6)
	MAKE_E(0x2c, Z19, Z0, Z5, Z6, Z7, Z4)
	MAKE_A(Z2, Z3, Z0, Z1, Z5)
	LOAD(32, Z16, Z17, Z18, Z19)
	MAKE_E(0x30, Z20, Z3, Z4, Z5, Z6, Z7)
	MAKE_A(Z1, Z2, Z3, Z0, Z4)
	MAKE_E(0x34, Z21, Z2, Z7, Z4, Z5, Z6)
	MAKE_A(Z0, Z1, Z2, Z3, Z7)
	MAKE_E(0x38, Z22, Z1, Z6, Z7, Z4, Z5)
	MAKE_A(Z3, Z0, Z1, Z2, Z6)
	MAKE_E(0x3c, Z23, Z0, Z5, Z6, Z7, Z4)
	MAKE_A(Z2, Z3, Z0, Z1, Z5)
	LOAD(48, Z20, Z21, Z22, Z23)
	MAKE_A(Z1, Z2, Z3, Z0, Z4)

	// 6.2.2, step 4
	VPADDD    0(DI), Z0, Z0
	VPADDD    64(DI), Z1, Z1
	VPADDD    128(DI), Z2, Z2
	VPADDD    192(DI), Z3, Z3
	VPADDD    256(DI), Z4, Z4
	VPADDD    320(DI), Z5, Z5
	VPADDD    384(DI), Z6, Z6
	VPADDD    448(DI), Z7, Z7
	VMOVDQU32 Z0, 0(DI)
	VMOVDQU32 Z1, 64(DI)
	VMOVDQU32 Z2, 128(DI)
	VMOVDQU32 Z3, 192(DI)
	VMOVDQU32 Z4, 256(DI)
	VMOVDQU32 Z5, 320(DI)
	VMOVDQU32 Z6, 384(DI)
	VMOVDQU32 Z7, 448(DI)
	DECQ      DX
	JNZ       block

	VZEROUPPER
	RET
