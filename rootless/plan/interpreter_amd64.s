#include "textflag.h"

// The interpreter for amd64. It is never called by this program: its bytes are copied into an ELF file of their own.
// So it has no Go frame, uses no symbol and jumps by distance only.
//
//	BX   address of the first operation
//	R12  the operation in work
//	R13  end of the operations
//	R14  mask of its arguments that are results
//	R15  descriptor of the report pipe
//
// The first two bytes of argv[0] are the descriptors of the Plan and of the report pipe.
// The layout of the Plan is described in plan.go and encode.go.

// ARG loads argument i, at offset off of the operation, into reg; if it is a result, that result.
#define ARG(i, off, reg, done) \
	MOVQ off(R12), reg; \
	BTL  $i, R14; \
	JCC  done; \
	MOVQ 64(BX)(reg*1), reg; \
done:

TEXT ·interpreter(SB), NOSPLIT|NOFRAME, $0-0
	MOVQ 8(SP), AX
	MOVBLZX 0(AX), R8
	MOVBLZX 1(AX), R15

	// mmap(Base, MaxSize, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_FIXED_NOREPLACE|MAP_POPULATE, Plan, 0): most pages are
	// written to, and a fault for each costs more than to copy all at once.
	MOVQ $0x410000, DI
	MOVQ $0x400000, SI
	MOVL $3, DX
	MOVL $0x108002, R10
	XORL R9, R9
	MOVL $9, AX
	SYSCALL
	MOVQ $0x410000, DI
	CMPQ AX, DI
	JNE  die
	MOVQ $0x6e616c706f647061, CX
	CMPQ 0(AX), CX
	JNE  die
	MOVQ 8(AX), BX
	MOVQ 16(AX), R13
	IMULQ $72, R13
	ADDQ BX, R13
	MOVQ BX, R12

next:
	CMPQ R12, R13
	JCC  finish
	MOVL 12(R12), R14
	ARG(0, 16, DI, a0)
	ARG(1, 24, SI, a1)
	ARG(2, 32, DX, a2)
	ARG(3, 40, R10, a3)
	ARG(4, 48, R8, a4)
	ARG(5, 56, R9, a5)
	MOVL 0(R12), AX
	CMPL AX, $0xffffffff
	JEQ  check
	SYSCALL

result:
	MOVQ AX, 64(R12)
	CMPQ AX, $-4095
	JCC  failed
	MOVWLZX 8(R12), CX
	TESTQ AX, AX
	JEQ  advance
	MOVWLZX 10(R12), CX

advance:
	INCL CX
	IMULQ $72, CX
	ADDQ CX, R12
	JMP  next

failed:
	MOVWLZX 6(R12), CX
	MOVBLZX 4(R12), DX
	CMPL DX, $1
	JCS  report
	JEQ  advance
	CMPQ AX, $-2  // ENOENT
	JEQ  advance
	CMPQ AX, $-13 // EACCES
	JEQ  advance
	CMPQ AX, $-20 // ENOTDIR
	JEQ  advance

report:
	// write(report pipe, {offset of the operation, errno}, 8)
	NEGQ AX
	SHLQ $32, AX
	SUBQ BX, R12
	ORQ  R12, AX
	MOVQ AX, -8(SP)
	LEAQ -8(SP), SI
	MOVL R15, DI
	MOVL $8, DX
	MOVL $1, AX
	SYSCALL

die:
	MOVL $127, DI
	MOVL $231, AX
	SYSCALL

finish:
	XORL DI, DI
	MOVL $231, AX
	SYSCALL

check:
	// DI address, SI mask, DX wanted, R10 the result if it differs
	XORL AX, AX
	ANDQ 0(DI), SI
	CMPQ SI, DX
	JEQ  result
	MOVQ R10, AX
	JMP  result

	// The end, for the reader of these bytes.
	BYTE $'p'; BYTE $'e'; BYTE $'a'; BYTE $'p'; BYTE $'o'; BYTE $'d'; BYTE $'.'; BYTE $'.'

TEXT ·interpreterAddress(SB), NOSPLIT|NOFRAME, $0-8
	LEAQ ·interpreter(SB), AX
	MOVQ AX, ret+0(FP)
	RET
