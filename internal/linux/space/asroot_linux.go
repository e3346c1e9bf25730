package space

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

const secbitNoFixup = 1 << 2 // SECBIT_NO_SETUID_FIXUP: changing ids keeps capabilities

// AsRoot runs f as the user that is root inside, as far as files are
// concerned: the tmpfs of a Space refuses files of ids that don't exist there,
// such as those of this process's own root. It uses a thread that ends with f.
func (m IDs) AsRoot(f func() error) error {
	if m.Single() {
		return f() // this process's own id is the one inside
	}
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread must not be used again
		if err := unix.Prctl(unix.PR_SET_SECUREBITS, secbitNoFixup, 0, 0, 0); err != nil {
			result <- fmt.Errorf("keep capabilities: %w", err)
			return
		}
		_, _, _ = unix.RawSyscall(unix.SYS_SETFSGID, uintptr(m.GIDBase), 0, 0)
		_, _, _ = unix.RawSyscall(unix.SYS_SETFSUID, uintptr(m.UIDBase), 0, 0)
		// It returns the id before and no error: ask again whether it took.
		if now, _, _ := unix.RawSyscall(unix.SYS_SETFSUID, ^uintptr(0), 0, 0); int(now) != m.UIDBase {
			result <- fmt.Errorf("become root inside for files: still %d", now)
			return
		}
		result <- f()
	}()
	return <-result
}
