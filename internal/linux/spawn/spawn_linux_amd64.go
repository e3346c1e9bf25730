package spawn

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Supported says whether Start works in this build.
const Supported = true

// CloneArgs is struct clone_args of clone3(2), version 0..2.
type CloneArgs struct {
	Flags      uint64
	PidFD      uint64
	ChildTID   uint64
	ParentTID  uint64
	ExitSignal uint64
	Stack      uint64
	StackSize  uint64
	TLS        uint64
	SetTID     uint64
	SetTIDSize uint64
	Cgroup     uint64
}

// CloneArgsSize is the size that clone3 is told.
const CloneArgsSize = unsafe.Sizeof(CloneArgs{})

// BaseFlags are set in every clone: shared memory, and every signal handler
// reset, so that no handler of this process ever runs in a child.
const BaseFlags = unix.CLONE_VM | unix.CLONE_CLEAR_SIGHAND

var allSignals = ^uint64(0)

// rawSpawn blocks every signal, clones with args, lets the child walk the
// table at ip and restores the signal mask in the parent. It returns the
// child's pid or -errno.
//
//go:noescape
func rawSpawn(args *CloneArgs, size uintptr, ip *rawOp, rep *report, all, old *uint64) uintptr

// Start runs the program in a new child made with the given extra clone flags
// and returns its pid. The child sends no signal when it ends; reap it with
// Wait. Start may be called once.
func (p *Program) Start(flags uint64) (pid int, err error) {
	p.compile()
	args := &CloneArgs{Flags: BaseFlags | flags}
	old := new(uint64)
	p.Keep(args)
	r := rawSpawn(args, CloneArgsSize, &p.raw[0], p.report, &allSignals, old)
	if e := int(r); e < 0 {
		return 0, syscall.Errno(-e)
	}
	return int(r), nil
}

// Wait reaps pid, made by Start or by a clone in a Program, and returns its
// wait status and what it and its waited-for children used.
func Wait(pid int) (ws unix.WaitStatus, ru unix.Rusage, err error) {
	for {
		_, err = unix.Wait4(pid, &ws, unix.WALL, &ru)
		if err != unix.EINTR {
			return ws, ru, err
		}
	}
}

// Word is a place in memory that parent and child share.
type Word = uint32

// WaitOp appends calls that block the child until *w is no longer 0. A child
// whose parent is killed meanwhile is killed too, and one whose parent died
// before it could ask for that goes on after a while: it must not stay, for it
// holds copies of the parent's descriptors. What it waited for is then not
// there, so that what follows must fail.
func (p *Program) WaitOp(name string, w *Word) {
	patience := &unix.Timespec{Sec: 10}
	p.Keep(w)
	p.Keep(patience)
	p.Call("die with the parent", unix.SYS_PRCTL, unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL))
	p.Call(name, unix.SYS_FUTEX, Ptr(w), futexWait, 0, Ptr(patience)).Tolerate()
}

// Release sets *w and wakes the child that waits for it.
func Release(w *Word) {
	*w = 1
	_, _, _ = unix.Syscall6(unix.SYS_FUTEX, Ptr(w), futexWake, 1, 0, 0, 0)
}

// AwaitClear blocks until the kernel has set *w to 0: the child that was
// cloned with CLONE_CHILD_CLEARTID on it has executed a program or ended.
func AwaitClear(w *Word) {
	for load(w) != 0 {
		// Not the private kind: the kernel wakes CLEARTID words as shared.
		_, _, _ = unix.Syscall6(unix.SYS_FUTEX, Ptr(w), futexWaitShared, uintptr(load(w)), 0, 0, 0)
	}
}

const (
	futexWait       = 0 | 128 // FUTEX_WAIT_PRIVATE
	futexWake       = 1 | 128 // FUTEX_WAKE_PRIVATE
	futexWaitShared = 0
)

// Ptr is the address of v as an argument. The caller Keeps v.
func Ptr[T any](v *T) uintptr { return uintptr(unsafe.Pointer(v)) }

// Str adds s as a NUL-terminated string and returns its address.
func (p *Program) Str(s string) uintptr {
	b := make([]byte, len(s)+1)
	copy(b, s)
	p.keep = append(p.keep, b)
	return uintptr(unsafe.Pointer(&b[0]))
}

// Strs adds a NULL-terminated vector of strings, such as argv.
func (p *Program) Strs(list []string) uintptr {
	v := make([]*byte, len(list)+1)
	for i, s := range list {
		b := make([]byte, len(s)+1)
		copy(b, s)
		v[i] = &b[0]
	}
	p.keep = append(p.keep, v)
	return uintptr(unsafe.Pointer(&v[0]))
}

// Clone appends a nested clone3 with args; its child continues at index child
// (see OnZero) and the caller with the next call.
func (p *Program) Clone(name string, args *CloneArgs, child int) {
	args.Flags |= BaseFlags
	p.Keep(args)
	p.Call(name, unix.SYS_CLONE3, Ptr(args), CloneArgsSize).OnZero(child)
}
