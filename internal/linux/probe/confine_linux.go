package probe

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// confinement probes what takes powers away from a program.
func confinement() []Ability {
	var privs, filter error
	inThread(func() {
		privs = unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		filter = attachFilter()
	})
	out := []Ability{
		verdict("no_new_privs", "", privs, ""),
		verdict("seccomp filter", "", filter, "use a kernel built with CONFIG_SECCOMP_FILTER"),
	}
	abi, err := landlockABI()
	fix := "use Linux 5.13 or later, built with CONFIG_SECURITY_LANDLOCK"
	if errors.Is(err, unix.EOPNOTSUPP) {
		fix = "add landlock to the kernel's boot parameter lsm="
	}
	return append(out, verdict("landlock", fmt.Sprintf("ABI %d", abi), err, fix))
}

// attachFilter puts a filter that allows everything on the calling thread.
func attachFilter() error {
	prog := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&fprog)))
	return asError(errno)
}

func landlockABI() (int, error) {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return 0, errno
	}
	return int(abi), nil
}

// inThread runs f in a thread of its own that ends with it, for what a thread
// can't take back. It is never the main thread, which doesn't end and is what
// /proc/self shows.
func inThread(f func()) {
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			inThread(f) // this goroutine holds the main thread meanwhile
			runtime.UnlockOSThread()
		} else {
			f()
		}
		close(done) // without unlocking, the thread ends here
	}()
	<-done
}

// asError makes a nil error of errno 0.
func asError(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}
