#include "textflag.h"

// The numbers of the calls used here, of the amd64 table.
#define SYS_rt_sigprocmask 14
#define SYS_exit_group 231
#define SYS_clone3 435
#define SIG_SETMASK 2

// func rawSpawn(args *CloneArgs, size uintptr, ip *rawOp, rep *report, all, old *uint64) uintptr
//
// The child shares the parent's memory and stack pointer, so from clone3 on it
// lives in registers alone: R12 is the call it is at, R13 the report. The
// kernel keeps all registers but AX, CX and R11 across SYSCALL. Every signal is
// blocked, so the kernel pushes no frame on the shared stack either.
TEXT ·rawSpawn(SB), NOSPLIT|NOFRAME, $0-56
	MOVQ $SYS_rt_sigprocmask, AX
	MOVQ $SIG_SETMASK, DI
	MOVQ all+32(FP), SI
	MOVQ old+40(FP), DX
	MOVQ $8, R10
	SYSCALL
	MOVQ ip+16(FP), R12
	MOVQ rep+24(FP), R13
	MOVQ args+0(FP), DI
	MOVQ size+8(FP), SI
	MOVQ $SYS_clone3, AX
	SYSCALL
	TESTQ AX, AX
	JZ   call
	MOVQ AX, ret+48(FP)
	MOVQ $SYS_rt_sigprocmask, AX
	MOVQ $SIG_SETMASK, DI
	MOVQ old+40(FP), SI
	XORL DX, DX
	MOVQ $8, R10
	SYSCALL
	RET

call:
	MOVQ 0(R12), AX
	MOVQ 8(R12), DI
	MOVQ 80(R12), BX         // first
	TESTQ BX, BX
	JZ   direct
	MOVQ (BX), DI
direct:
	MOVQ 16(R12), SI
	MOVQ 24(R12), DX
	MOVQ 32(R12), R10
	MOVQ 40(R12), R8
	MOVQ 48(R12), R9
	SYSCALL
	MOVQ 56(R12), BX         // store
	CMPQ AX, $-4095
	JCC  failed              // unsigned: AX is in [-4095, -1]
	TESTQ BX, BX
	JZ   stored
	MOVQ AX, (BX)
stored:
	TESTQ AX, AX
	JNZ  next
	MOVQ 64(R12), BX         // onZero
	TESTQ BX, BX
	JZ   next
	MOVQ BX, R12
	JMP  call
next:
	ADDQ $88, R12
	JMP  call

failed:
	CMPQ 72(R12), $0         // tolerate
	JEQ  fatal
	TESTQ BX, BX
	JZ   next
	MOVQ AX, (BX)
	JMP  next

fatal:
	CMPQ 0(R13), $0          // the first failure is the one that tells
	JNE  exit
	NEGQ AX
	MOVQ AX, 8(R13)
	MOVQ R12, 0(R13)
exit:
	MOVQ $SYS_exit_group, AX
	MOVQ $125, DI
	SYSCALL
	JMP  exit
