package probe

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// systemCalls probes single system calls that a sandbox is built with, each by
// a call that changes nothing.
func systemCalls() []Ability {
	const newer = "use Linux %s or later, without a seccomp filter that refuses it"
	var out []Ability
	for _, c := range []struct {
		name, since string
		call        func() error
	}{
		{"pidfd_open", "5.3", pidfdOpen},
		{"setns by pidfd", "5.8", setnsPidfd},
		{"clone3 clear sighand", "5.5", cloneClearSighand},
		{"close_range", "5.11", closeRange},
		{"openat2", "5.6", openat2},
		{"mount_setattr", "5.12", mountSetattr},
	} {
		out = append(out, verdict(c.name, "", c.call(), fmt.Sprintf(newer, c.since)))
	}
	return out
}

func pidfdOpen() error {
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// setnsPidfd joins the uts namespace that this process is in. EPERM is what a
// plain user gets, after the kernel has understood the descriptor; that no
// filter said so, a bad descriptor shows first.
func setnsPidfd() error {
	if err := unix.Setns(-1, unix.CLONE_NEWUTS); !errors.Is(err, unix.EBADF) {
		return err
	}
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	inThread(func() { err = unix.Setns(fd, unix.CLONE_NEWUTS) })
	if errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}

// cloneClearSighand asks for a child and a pidfd written to where nothing can
// be: EFAULT, and no child, once all flags have been accepted; EINVAL if
// CLONE_CLEAR_SIGHAND is unknown.
//
//go:noinline
func cloneClearSighand() error {
	args := struct{ flags, pidfd, childTID, parentTID, exitSignal, stack, stackSize, tls uint64 }{
		flags:      unix.CLONE_CLEAR_SIGHAND | unix.CLONE_PIDFD,
		pidfd:      1,
		exitSignal: uint64(unix.SIGCHLD),
	}
	pid, _, errno := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args), 0)
	if pid == 0 && errno == 0 {
		_, _, _ = unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0) // a kernel that made one all the same
	}
	if errno == unix.EFAULT {
		return nil
	}
	return asError(errno)
}

func closeRange() error {
	const none = 1<<31 - 1 // no descriptor is this high
	return unix.CloseRange(none, none, unix.CLOSE_RANGE_CLOEXEC)
}

func openat2() error {
	fd, err := unix.Openat2(unix.AT_FDCWD, "/", &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err == nil {
		unix.Close(fd)
	}
	return err
}

// mountSetattr passes a structure of no size: EINVAL, before any question of
// privilege.
func mountSetattr() error {
	empty := []byte{0}
	_, _, errno := unix.Syscall6(unix.SYS_MOUNT_SETATTR, ^uintptr(0), uintptr(unsafe.Pointer(&empty[0])), 0, 0, 0, 0)
	if errno == unix.EINVAL {
		return nil
	}
	return asError(errno)
}
