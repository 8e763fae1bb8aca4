#include "textflag.h"

// The interpreter for arm64; see interpreter_amd64.s, which it follows line by line.
//
//	R19  address of the first operation
//	R20  the operation in work
//	R21  end of the operations
//	R22  mask of its arguments that are results
//	R23  size of an operation
//	R24  descriptor of the report pipe

#define ARG(i, off, reg, done) \
	MOVD off(R20), reg; \
	TBZ  $i, R22, done; \
	ADD  R19, reg, R9; \
	MOVD 64(R9), reg; \
done:

TEXT ·interpreter(SB), NOSPLIT|NOFRAME, $0-0
	MOVD RSP, R9
	MOVD 8(R9), R9
	MOVBU 0(R9), R4
	MOVBU 1(R9), R24

	// mmap(Base, MaxSize, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED_NOREPLACE|MAP_POPULATE, Plan, 0): most pages are
	// written to, and a fault for each costs more than to copy all at once.
	MOVD $0x410000, R0
	MOVD $0x400000, R1
	MOVD $3, R2
	MOVD $0x108002, R3
	MOVD $0, R5
	MOVD $222, R8
	SVC
	MOVD $0x410000, R9
	CMP  R9, R0
	BNE  die
	MOVD $0x6e616c706f647061, R9
	MOVD 0(R0), R10
	CMP  R9, R10
	BNE  die
	MOVD 8(R0), R19
	MOVD 16(R0), R21
	MOVD $72, R23
	MUL  R23, R21, R21
	ADD  R19, R21, R21
	MOVD R19, R20

next:
	CMP  R21, R20
	BHS  finish
	MOVWU 12(R20), R22
	ARG(0, 16, R0, a0)
	ARG(1, 24, R1, a1)
	ARG(2, 32, R2, a2)
	ARG(3, 40, R3, a3)
	ARG(4, 48, R4, a4)
	ARG(5, 56, R5, a5)
	MOVWU 0(R20), R8
	MOVD $0xffffffff, R9
	CMP  R9, R8
	BEQ  check
	SVC

result:
	MOVD R0, 64(R20)
	CMN  $4095, R0
	BHS  failed
	MOVHU 8(R20), R9
	CBZ  R0, advance
	MOVHU 10(R20), R9

advance:
	ADD  $1, R9, R9
	MADD R23, R20, R9, R20
	B    next

failed:
	MOVHU 6(R20), R9
	MOVBU 4(R20), R10
	CBZ  R10, report
	CMP  $1, R10
	BEQ  advance
	CMN  $2, R0  // ENOENT
	BEQ  advance
	CMN  $13, R0 // EACCES
	BEQ  advance
	CMN  $20, R0 // ENOTDIR
	BEQ  advance

report:
	// write(report pipe, {offset of the operation, errno}, 8)
	NEG  R0, R0
	LSL  $32, R0, R0
	SUB  R19, R20, R20
	ORR  R20, R0, R0
	MOVD RSP, R1
	SUB  $16, R1, R1
	MOVD R1, RSP
	MOVD R0, 0(R1)
	MOVD R24, R0
	MOVD $8, R2
	MOVD $64, R8
	SVC

die:
	MOVD $127, R0
	MOVD $94, R8
	SVC

finish:
	MOVD $0, R0
	MOVD $94, R8
	SVC

check:
	// R0 address, R1 mask, R2 wanted, R3 the result if it differs
	MOVD 0(R0), R9
	AND  R1, R9, R9
	MOVD $0, R0
	CMP  R2, R9
	BEQ  result
	MOVD R3, R0
	B    result

	// The end, for the reader of these bytes: "peapod..".
	WORD $0x70616570
	WORD $0x2e2e646f

TEXT ·interpreterAddress(SB), NOSPLIT|NOFRAME, $0-8
	MOVD $·interpreter(SB), R0
	MOVD R0, ret+0(FP)
	RET
