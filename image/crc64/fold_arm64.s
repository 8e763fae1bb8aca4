//go:build arm64

#include "textflag.h"

// FOLD multiplies acc by the keys in V24 and adds next.
#define FOLD(acc, next) \
	VPMULL  acc.D1, V24.D1, V25.Q1; \
	VPMULL2 acc.D2, V24.D2, V26.Q1; \
	VEOR    V25.B16, V26.B16, acc.B16; \
	VEOR    next.B16, acc.B16, acc.B16

// func fold(rest *[16]byte, state uint64, p *byte, n int, keys *[4]uint64)
TEXT ·fold(SB), NOSPLIT, $0-40
	MOVD   rest+0(FP), R0
	MOVD   state+8(FP), R1
	MOVD   p+16(FP), R2
	MOVD   n+24(FP), R3
	MOVD   keys+32(FP), R4
	VLD1.P 64(R2), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1.P 64(R2), [V4.B16, V5.B16, V6.B16, V7.B16]
	VEOR   V25.B16, V25.B16, V25.B16
	VMOV   R1, V25.D[0]
	VEOR   V25.B16, V0.B16, V0.B16
	VLD1.P 16(R4), [V24.B16]
	SUBS   $256, R3
	BLT    merge

strides:
	VLD1.P 64(R2), [V16.B16, V17.B16, V18.B16, V19.B16]
	VLD1.P 64(R2), [V20.B16, V21.B16, V22.B16, V23.B16]
	FOLD(V0, V16)
	FOLD(V1, V17)
	FOLD(V2, V18)
	FOLD(V3, V19)
	FOLD(V4, V20)
	FOLD(V5, V21)
	FOLD(V6, V22)
	FOLD(V7, V23)
	SUBS   $128, R3
	BGE    strides

merge:
	VLD1 (R4), [V24.B16]
	FOLD(V0, V1)
	FOLD(V0, V2)
	FOLD(V0, V3)
	FOLD(V0, V4)
	FOLD(V0, V5)
	FOLD(V0, V6)
	FOLD(V0, V7)
	ADDS $112, R3
	BLT  done

blocks:
	VLD1.P 16(R2), [V16.B16]
	FOLD(V0, V16)
	SUBS   $16, R3
	BGE    blocks

done:
	VST1 [V0.B16], (R0)
	RET
