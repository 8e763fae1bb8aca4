#include "textflag.h"

// pause for arm64; see pause_amd64.s, which it follows.
TEXT ·pause(SB), NOSPLIT|NOFRAME, $0-0
	MOVD RSP, R19
	SUB  $16, R19, R19
	MOVD R19, RSP

	// prctl(PR_SET_NAME, "pause")
	MOVD $0x6573756170, R9
	MOVD R9, 0(R19)
	MOVD $15, R0
	MOVD R19, R1
	MOVD $167, R8
	SVC

	// rt_sigprocmask(SIG_BLOCK, {SIGINT, SIGTERM, SIGCHLD}, NULL, 8)
	MOVD $0x14002, R9
	MOVD R9, 0(R19)
	MOVD $0, R0
	MOVD R19, R1
	MOVD $0, R2
	MOVD $8, R3
	MOVD $135, R8
	SVC

wait:
	// rt_sigtimedwait(the same set, NULL, NULL, 8)
	MOVD R19, R0
	MOVD $0, R1
	MOVD $0, R2
	MOVD $8, R3
	MOVD $137, R8
	SVC
	CMP  $2, R0
	BEQ  end
	CMP  $15, R0
	BEQ  end

reap:
	// wait4(-1, NULL, WNOHANG, NULL)
	MOVD $-1, R0
	MOVD $0, R1
	MOVD $1, R2
	MOVD $0, R3
	MOVD $260, R8
	SVC
	CMP  $0, R0
	BGT  reap
	B    wait

end:
	MOVD $0, R0
	MOVD $94, R8
	SVC

	WORD $0x70616570
	WORD $0x2e2e646f

TEXT ·pauseAddress(SB), NOSPLIT|NOFRAME, $0-8
	MOVD $·pause(SB), R0
	MOVD R0, ret+0(FP)
	RET
