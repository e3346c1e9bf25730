package space

import (
	"strings"

	"golang.org/x/sys/unix"

	"cupel.dev/cupel/internal/linux/initproc"
	"cupel.dev/cupel/internal/linux/spawn"
)

// sigset is a kernel signal set.
type sigset uint64

func (l *launch) buildInit() {
	p := &l.prog
	l.becomeRoot()
	if !l.space.cfg.BindProc {
		l.mountProc()
	}
	chld := sigset(1 << (unix.SIGCHLD - 1))
	mask := &chld
	p.Keep(mask)
	l.sigfd = closedFD
	p.Call("open init's signals", unix.SYS_SIGNALFD4, ^uintptr(0), spawn.Ptr(mask), 8, 0).Store(&l.sigfd)
	p.Call("give init its lifeline", unix.SYS_DUP3, uintptr(l.starter.lifeline[0]), initproc.LifelineFD, 0)
	p.Call("give init its signals", unix.SYS_DUP3, 0, initproc.SignalFD, 0).First(&l.sigfd)
	p.Call("close init's other files", unix.SYS_CLOSE_RANGE, 2, maxFD, unix.CLOSE_RANGE_CLOEXEC)
	l.lockCapabilities()
	l.emptyCapabilities(0)
	p.Call("start init", unix.SYS_EXECVEAT, uintptr(l.starter.initFD), p.Str(""),
		p.Strs([]string{initproc.Name}), p.Strs(nil), unix.AT_EMPTY_PATH)
}

const maxFD = 1<<32 - 1

// mountProc mounts a /proc of the new pid namespace, read-only, and hides what
// tells about the host.
func (l *launch) mountProc() {
	p := &l.prog
	proc, null := p.Str("/proc"), p.Str("/dev/null")
	p.Call("mount /proc", unix.SYS_MOUNT, proc, proc, p.Str("proc"),
		unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC|unix.MS_RDONLY, 0)
	for _, f := range l.space.cfg.ProcMasks {
		over := null
		if strings.HasSuffix(f, "/") {
			over = p.Str("/sys") // which is empty
		}
		p.Call("mask /proc/"+f, unix.SYS_MOUNT, over, p.Str("/proc/"+f), 0, unix.MS_BIND, 0).Tolerate()
	}
}
