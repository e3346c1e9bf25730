package space

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"cupel.dev/cupel/internal/linux/initproc"
	"cupel.dev/cupel/internal/linux/spawn"
)

// Starter holds what every run shares: the init program and the lifeline.
type Starter struct {
	initFD   int
	lifeline [2]int
	ignored  []uintptr // signals to reset in programs
}

// NewStarter opens the init program and the lifeline. As long as the Starter
// is open, programs live; when this process ends, however, they die.
func NewStarter() (*Starter, error) {
	fd, err := initproc.Open()
	if err != nil {
		return nil, err
	}
	if err := keepStdio(); err != nil {
		return nil, err
	}
	s := &Starter{initFD: fd, ignored: ignoredSignals()}
	if err := unix.Pipe2(s.lifeline[:], unix.O_CLOEXEC); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("make the lifeline: %w", err)
	}
	return s, nil
}

// keepStdio makes sure that descriptors 0 to 2 are taken, so that nothing
// opened later lands where init and programs get theirs.
func keepStdio() error {
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open /dev/null: %w", err)
		}
		if fd > 2 {
			return unix.Close(fd)
		}
	}
}

// Close ends every program that was started through s.
func (st *Starter) Close() {
	for _, fd := range []int{st.lifeline[1], st.lifeline[0], st.initFD} {
		_ = unix.Close(fd)
	}
}

// sigaction is the kernel's struct sigaction.
type sigaction struct {
	handler uintptr
	_       [2]uintptr // flags, restorer
	_       sigset     // mask
}

// ignoredSignals are those that this process may ignore. The ones that
// programs' callers commonly ignore are among them, whether or not this one
// does now.
func ignoredSignals() []uintptr {
	list := []uintptr{uintptr(unix.SIGHUP), uintptr(unix.SIGINT), uintptr(unix.SIGQUIT), uintptr(unix.SIGPIPE),
		uintptr(unix.SIGTERM), uintptr(unix.SIGCHLD)}
	const last = 64
	for sig := uintptr(1); sig <= last; sig++ {
		act := &sigaction{}
		_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, sig, 0, spawn.Ptr(act), 8, 0, 0)
		if errno == 0 && act.handler == sigIgnore && !slices.Contains(list, sig) {
			list = append(list, sig)
		}
	}
	return list
}

const sigIgnore = 1 // SIG_IGN
