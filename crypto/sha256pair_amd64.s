#include "textflag.h"

// SHA-256 (FIPS 180-4) of two messages at once with the SHA instructions. Each
// SHA256RNDS2 waits for the one before; a second message fills the time.
//
// The order of instructions within a message is that of the Intel SHA Extensions
// paper (Gulley, Gopal, Yap, Feghali, Guilford, Wolrich, 2013).

// The constants of the rounds (FIPS 180-4, 4.2.2), of sha256wide_amd64.s as well.
DATA ·sha256K+0x00(SB)/8, $0x71374491428a2f98
DATA ·sha256K+0x08(SB)/8, $0xe9b5dba5b5c0fbcf
DATA ·sha256K+0x10(SB)/8, $0x59f111f13956c25b
DATA ·sha256K+0x18(SB)/8, $0xab1c5ed5923f82a4
DATA ·sha256K+0x20(SB)/8, $0x12835b01d807aa98
DATA ·sha256K+0x28(SB)/8, $0x550c7dc3243185be
DATA ·sha256K+0x30(SB)/8, $0x80deb1fe72be5d74
DATA ·sha256K+0x38(SB)/8, $0xc19bf1749bdc06a7
DATA ·sha256K+0x40(SB)/8, $0xefbe4786e49b69c1
DATA ·sha256K+0x48(SB)/8, $0x240ca1cc0fc19dc6
DATA ·sha256K+0x50(SB)/8, $0x4a7484aa2de92c6f
DATA ·sha256K+0x58(SB)/8, $0x76f988da5cb0a9dc
DATA ·sha256K+0x60(SB)/8, $0xa831c66d983e5152
DATA ·sha256K+0x68(SB)/8, $0xbf597fc7b00327c8
DATA ·sha256K+0x70(SB)/8, $0xd5a79147c6e00bf3
DATA ·sha256K+0x78(SB)/8, $0x1429296706ca6351
DATA ·sha256K+0x80(SB)/8, $0x2e1b213827b70a85
DATA ·sha256K+0x88(SB)/8, $0x53380d134d2c6dfc
DATA ·sha256K+0x90(SB)/8, $0x766a0abb650a7354
DATA ·sha256K+0x98(SB)/8, $0x92722c8581c2c92e
DATA ·sha256K+0xa0(SB)/8, $0xa81a664ba2bfe8a1
DATA ·sha256K+0xa8(SB)/8, $0xc76c51a3c24b8b70
DATA ·sha256K+0xb0(SB)/8, $0xd6990624d192e819
DATA ·sha256K+0xb8(SB)/8, $0x106aa070f40e3585
DATA ·sha256K+0xc0(SB)/8, $0x1e376c0819a4c116
DATA ·sha256K+0xc8(SB)/8, $0x34b0bcb52748774c
DATA ·sha256K+0xd0(SB)/8, $0x4ed8aa4a391c0cb3
DATA ·sha256K+0xd8(SB)/8, $0x682e6ff35b9cca4f
DATA ·sha256K+0xe0(SB)/8, $0x78a5636f748f82ee
DATA ·sha256K+0xe8(SB)/8, $0x8cc7020884c87814
DATA ·sha256K+0xf0(SB)/8, $0xa4506ceb90befffa
DATA ·sha256K+0xf8(SB)/8, $0xc67178f2bef9a3f7
GLOBL ·sha256K(SB), RODATA|NOPTR, $256

DATA swap32<>+0x00(SB)/8, $0x0405060700010203
DATA swap32<>+0x08(SB)/8, $0x0c0d0e0f08090a0b
GLOBL swap32<>(SB), RODATA|NOPTR, $16

// LOAD reads four words of a block.
#define LOAD(at, p, m) \
	MOVOU  at(p), m; \
	PSHUFB X14, m

// ROUNDS does four: m are their words, abef and cdgh the state.
#define ROUNDS(k, m, abef, cdgh) \
	MOVOU       k(AX), X0;         \
	PADDL       m, X0;             \
	SHA256RNDS2 X0, abef, cdgh;    \
	PSHUFD      $0x0e, X0, X0;     \
	SHA256RNDS2 X0, cdgh, abef

// NEXT completes the words after cur, whose first half MSG1 has made.
#define NEXT(cur, prev, next) \
	MOVO       cur, X13;       \
	PALIGNR    $4, prev, X13;  \
	PADDL      X13, next;      \
	SHA256MSG2 cur, next

// STEP is the middle of a block: rounds with cur, then the words after it.
#define STEP(k, cur, prev, next, abef, cdgh) \
	ROUNDS(k, cur, abef, cdgh); \
	NEXT(cur, prev, next);      \
	SHA256MSG1 cur, prev

// Message a: state X1 (abef), X2 (cdgh), words X3 to X6.
// Message b: state X7 (abef), X8 (cdgh), words X9 to X12.

// func sha256Blocks2(a, b *[8]uint32, p, q *byte, n int)
TEXT ·sha256Blocks2(SB), NOSPLIT, $64-40
	MOVQ  a+0(FP), DI
	MOVQ  b+8(FP), SI
	MOVQ  p+16(FP), BX
	MOVQ  q+24(FP), CX
	MOVQ  n+32(FP), DX
	LEAQ  ·sha256K(SB), AX
	MOVOU swap32<>(SB), X14
	MOVOU (DI), X1
	MOVOU 16(DI), X2
	MOVOU (SI), X7
	MOVOU 16(SI), X8

block:
	MOVOU X1, 0(SP)
	MOVOU X2, 16(SP)
	MOVOU X7, 32(SP)
	MOVOU X8, 48(SP)

	LOAD(0, BX, X3)
	LOAD(0, CX, X9)
	ROUNDS(0x00, X3, X1, X2)
	ROUNDS(0x00, X9, X7, X8)
	LOAD(16, BX, X4)
	LOAD(16, CX, X10)
	ROUNDS(0x10, X4, X1, X2)
	ROUNDS(0x10, X10, X7, X8)
	SHA256MSG1 X4, X3
	SHA256MSG1 X10, X9
	LOAD(32, BX, X5)
	LOAD(32, CX, X11)
	ROUNDS(0x20, X5, X1, X2)
	ROUNDS(0x20, X11, X7, X8)
	SHA256MSG1 X5, X4
	SHA256MSG1 X11, X10
	LOAD(48, BX, X6)
	LOAD(48, CX, X12)
	STEP(0x30, X6, X5, X3, X1, X2)
	STEP(0x30, X12, X11, X9, X7, X8)
	STEP(0x40, X3, X6, X4, X1, X2)
	STEP(0x40, X9, X12, X10, X7, X8)
	STEP(0x50, X4, X3, X5, X1, X2)
	STEP(0x50, X10, X9, X11, X7, X8)
	STEP(0x60, X5, X4, X6, X1, X2)
	STEP(0x60, X11, X10, X12, X7, X8)
	STEP(0x70, X6, X5, X3, X1, X2)
	STEP(0x70, X12, X11, X9, X7, X8)
	STEP(0x80, X3, X6, X4, X1, X2)
	STEP(0x80, X9, X12, X10, X7, X8)
	STEP(0x90, X4, X3, X5, X1, X2)
	STEP(0x90, X10, X9, X11, X7, X8)
	STEP(0xa0, X5, X4, X6, X1, X2)
	STEP(0xa0, X11, X10, X12, X7, X8)
	STEP(0xb0, X6, X5, X3, X1, X2)
	STEP(0xb0, X12, X11, X9, X7, X8)
	STEP(0xc0, X3, X6, X4, X1, X2)
	STEP(0xc0, X9, X12, X10, X7, X8)
	ROUNDS(0xd0, X4, X1, X2)
	ROUNDS(0xd0, X10, X7, X8)
	NEXT(X4, X3, X5)
	NEXT(X10, X9, X11)
	ROUNDS(0xe0, X5, X1, X2)
	ROUNDS(0xe0, X11, X7, X8)
	NEXT(X5, X4, X6)
	NEXT(X11, X10, X12)
	ROUNDS(0xf0, X6, X1, X2)
	ROUNDS(0xf0, X12, X7, X8)

	MOVOU 0(SP), X3
	MOVOU 16(SP), X4
	MOVOU 32(SP), X9
	MOVOU 48(SP), X10
	PADDL X3, X1
	PADDL X4, X2
	PADDL X9, X7
	PADDL X10, X8
	ADDQ  $64, BX
	ADDQ  $64, CX
	DECQ  DX
	JNZ   block

	MOVOU X1, (DI)
	MOVOU X2, 16(DI)
	MOVOU X7, (SI)
	MOVOU X8, 16(SI)
	RET

// func hasSHA() bool
TEXT ·hasSHA(SB), NOSPLIT, $0-1
	XORL AX, AX
	CPUID
	CMPL AX, $7
	JLT  no
	MOVL $7, AX
	XORL CX, CX
	CPUID
	SHRL $29, BX
	ANDL $1, BX
	MOVB BX, ret+0(FP)
	RET

no:
	MOVB $0, ret+0(FP)
	RET
