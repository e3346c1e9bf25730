package space

import (
	"fmt"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"cupel.dev/cupel/internal/linux/spawn"
)

// Process is a program that was started, with its init.
type Process struct {
	mu        sync.Mutex // init is not reaped while it is being killed
	init, pid int
	// ExecErrno is not 0 when no path could be executed: nothing ran.
	ExecErrno syscall.Errno
	rusage    unix.Rusage
	inherited int64 // this process's own peak, which the kernel counts for its children
}

// Exit is how a program ended.
type Exit struct {
	Code   int            // -1 when a signal ended it
	Signal syscall.Signal // 0 when it exited
}

// Wait waits for the program's own end. Call it once, before End.
func (p *Process) Wait() (Exit, error) {
	ws, ru, err := spawn.Wait(p.pid)
	if err != nil {
		return Exit{}, err
	}
	p.pid, p.rusage = 0, ru
	if ws.Signaled() {
		return Exit{Code: -1, Signal: ws.Signal()}, nil
	}
	return Exit{Code: ws.ExitStatus()}, nil
}

// Kill ends every process of the run. The program still has to be waited for.
func (p *Process) Kill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.init != 0 {
		_ = unix.Kill(p.init, unix.SIGKILL)
	}
}

// InitPID is init's pid as this process sees it, for looking at the run
// through /proc.
func (p *Process) InitPID() int { return p.init }

// End kills what is left and returns when it is gone: Wait must have returned,
// or the program never started. It reports what the whole tree used.
func (p *Process) End() Rusage {
	p.Kill()
	if p.pid != 0 { // it failed before it ran
		_, _, _ = spawn.Wait(p.pid)
		p.pid = 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var rest unix.Rusage
	if p.init != 0 {
		_, rest, _ = spawn.Wait(p.init)
		p.init = 0
	}
	used := Rusage{
		User:   duration(p.rusage.Utime) + duration(rest.Utime),
		System: duration(p.rusage.Stime) + duration(rest.Stime),
	}
	if peak := max(p.rusage.Maxrss, rest.Maxrss); peak > p.inherited {
		used.MaxRSS = peak * 1024
	}
	return used
}

func duration(t unix.Timeval) time.Duration { return time.Duration(t.Nano()) }

// Rusage is what a run's processes used: those that were waited for by the
// program, and the orphans.
type Rusage struct {
	User, System time.Duration
	// MaxRSS is the largest of any one process, in bytes, or 0 where it is not
	// known: below the peak of this process, whose memory a child shares until
	// it executes.
	MaxRSS int64
}

// SignalName is "SIGSEGV"-style; real-time signals are "SIGRTMIN+n".
func SignalName(s syscall.Signal) string {
	if name := unix.SignalName(s); name != "" {
		return name
	}
	const rtMin = 34 // as libc counts: the first two are its own
	return fmt.Sprintf("SIGRTMIN%+d", int(s)-rtMin)
}
