//go:build amd64

#include "textflag.h"

// FOLD multiplies acc by the keys in X8 and adds the 16 bytes at off(SI).
#define FOLD(acc, tmp, off) \
	MOVOU     acc, tmp; \
	PCLMULQDQ $0x00, X8, tmp; \
	PCLMULQDQ $0x11, X8, acc; \
	PXOR      tmp, acc; \
	MOVOU     off(SI), tmp; \
	PXOR      tmp, acc

// MERGE is FOLD of X0 over a block, onto another accumulator.
#define MERGE(acc) \
	MOVOU     X0, X9; \
	PCLMULQDQ $0x00, X8, X9; \
	PCLMULQDQ $0x11, X8, X0; \
	PXOR      X9, X0; \
	PXOR      acc, X0

// func fold(rest *[16]byte, state uint64, p *byte, n int, keys *[4]uint64)
TEXT ·fold(SB), NOSPLIT, $0-40
	MOVQ  rest+0(FP), DI
	MOVQ  state+8(FP), X9
	MOVQ  p+16(FP), SI
	MOVQ  n+24(FP), CX
	MOVQ  keys+32(FP), DX
	MOVOU 0(SI), X0
	MOVOU 16(SI), X1
	MOVOU 32(SI), X2
	MOVOU 48(SI), X3
	MOVOU 64(SI), X4
	MOVOU 80(SI), X5
	MOVOU 96(SI), X6
	MOVOU 112(SI), X7
	PXOR  X9, X0
	MOVOU (DX), X8
	ADDQ  $128, SI
	SUBQ  $256, CX
	JLT   merge

strides:
	FOLD(X0, X9, 0)
	FOLD(X1, X10, 16)
	FOLD(X2, X11, 32)
	FOLD(X3, X12, 48)
	FOLD(X4, X9, 64)
	FOLD(X5, X10, 80)
	FOLD(X6, X11, 96)
	FOLD(X7, X12, 112)
	ADDQ $128, SI
	SUBQ $128, CX
	JGE  strides

merge:
	MOVOU 16(DX), X8
	MERGE(X1)
	MERGE(X2)
	MERGE(X3)
	MERGE(X4)
	MERGE(X5)
	MERGE(X6)
	MERGE(X7)
	ADDQ $112, CX
	JLT  done

blocks:
	FOLD(X0, X9, 0)
	ADDQ $16, SI
	SUBQ $16, CX
	JGE  blocks

done:
	MOVOU X0, (DI)
	RET
