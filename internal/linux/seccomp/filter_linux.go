package seccomp

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// Offsets in struct seccomp_data, the input of the program.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16
)

// Filter compiles p, about 150 instructions in 0.1 ms: do it once per policy
// and share the result, which the kernel only reads. Attach it under
// no_new_privs, with SECCOMP_FILTER_FLAG_SPEC_ALLOW: kernels before 5.16
// otherwise slow the program down by mitigations that every other process on
// the machine goes without. It fails on architectures without a table.
//
// A system call of another architecture (int 0x80 on amd64) kills the process
// by SIGSYS: its numbers mean other calls, and no program makes one to see
// whether it can. x32 has the same architecture and gets ENOSYS.
func Filter(p Policy) ([]unix.SockFilter, error) {
	if len(table) == 0 {
		return nil, fmt.Errorf("seccomp: not supported on this architecture (%s)", runtime.GOARCH)
	}
	byNumber, err := calls(p)
	if err != nil {
		return nil, err
	}
	var b program
	root := b.tree(b.spans(byNumber))
	b.fallInto(root)
	native := b.emit(load(offsetNumber))
	b.jump(unix.BPF_JEQ, auditArch, native, b.ret(kill))
	b.emit(load(offsetArch))
	return b.finish()
}
