#include "textflag.h"

#define SYS_read 0
#define SYS_poll 7
#define SYS_wait4 61
#define SYS_prctl 157
#define SYS_exit_group 231
#define PR_SET_DUMPABLE 4
#define POLLIN 1
#define WNOHANG_WALL 0x40000001

// func text() unsafe.Pointer
TEXT ·text(SB), NOSPLIT|NOFRAME, $0-8
	LEAQ ·initText(SB), AX
	MOVQ AX, ret+0(FP)
	RET

// The init program. It is never called here: package initproc copies it, up to
// the mark, into an executable of its own. It is position-independent, calls
// nothing and keeps its two pollfds and a signalfd_siginfo below the stack
// pointer, which no signal handler disturbs because it has none.
TEXT ·initText(SB), NOSPLIT|NOFRAME, $0-0
	MOVL $SYS_prctl, AX
	MOVL $PR_SET_DUMPABLE, DI
	XORL SI, SI
	SYSCALL
	MOVQ SP, BX
	SUBQ $512, BX
	MOVL $0, 0(BX)           // pollfd 0: the lifeline
	MOVL $POLLIN, 4(BX)      // events, and revents = 0
	MOVL $1, 8(BX)           // pollfd 1: SIGCHLD
	MOVL $POLLIN, 12(BX)

wait:
	MOVL $SYS_poll, AX
	MOVQ BX, DI
	MOVL $2, SI
	MOVQ $-1, DX
	SYSCALL
	CMPW 6(BX), $0           // the lifeline ended
	JNE  exit
	MOVL $SYS_read, AX       // take the signal before reaping: none is missed
	MOVL $1, DI
	LEAQ 64(BX), SI
	MOVL $128, DX
	SYSCALL

reap:
	MOVL $SYS_wait4, AX
	MOVQ $-1, DI
	XORL SI, SI
	MOVL $WNOHANG_WALL, DX
	XORL R10, R10
	SYSCALL
	TESTQ AX, AX
	JGT  reap
	JMP  wait

exit:
	MOVL $SYS_exit_group, AX
	XORL DI, DI
	SYSCALL
	JMP  exit
	QUAD $0xC0DEC0DEC0DEC0DE
