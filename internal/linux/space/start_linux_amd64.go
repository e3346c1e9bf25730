package space

import (
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"cupel.dev/cupel/internal/linux/spawn"
)

// launch is one Start in progress.
type launch struct {
	prog    spawn.Program
	space   *Space
	starter *Starter
	p       Program
	initPID *uint32
	pid     *uint32
	live    *spawn.Word
	execs   []uintptr // results of the execve calls
	sigfd   uintptr
	hide    *landlock
}

// Start starts p in s. The returned Process must be ended by End.
func (st *Starter) Start(s *Space, p Program) (*Process, error) {
	l := &launch{space: s, starter: st, p: p,
		initPID: new(uint32), pid: new(uint32), live: new(spawn.Word), execs: make([]uintptr, len(p.Paths))}
	*l.live = 1
	l.prog.Keep(l)
	l.build()
	helper, err := l.prog.Start(0)
	if err != nil {
		return nil, &StepError{"clone", err.(syscall.Errno)}
	}
	_, _, err = spawn.Wait(helper)
	proc := &Process{init: int(atomic.LoadUint32(l.initPID)), pid: int(atomic.LoadUint32(l.pid))}
	if err == nil && proc.pid != 0 {
		spawn.AwaitClear(l.live)
	}
	if err == nil {
		err = failure(&l.prog)
	}
	if err != nil {
		proc.End()
		return nil, err
	}
	proc.ExecErrno = l.execErrno()
	var self unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &self) == nil {
		proc.inherited = self.Maxrss
	}
	return proc, nil
}

// execErrno is 0 when one of the paths was executed, EACCES when one was
// there but can't be, else what the last one gave.
func (l *launch) execErrno() syscall.Errno {
	var last syscall.Errno
	for _, r := range l.execs {
		e := syscall.Errno(-int(r))
		if e <= 0 || e > 4095 {
			return 0 // not reached: the one before it succeeded
		}
		if last != unix.EACCES {
			last = e
		}
	}
	return last
}

// build lists the steps of the helper, of init and of the program.
func (l *launch) build() {
	p := &l.prog
	for i, n := range namespaces {
		if fd := l.space.ns[i]; fd != closedFD {
			p.Call("join the "+n.name+" namespace", unix.SYS_SETNS, fd, uintptr(n.flag))
		}
	}
	p.Call("take new pid and mount namespaces", unix.SYS_UNSHARE, unix.CLONE_NEWPID|unix.CLONE_NEWNS)
	const helperSteps = 3 // the two clones and the end
	first := p.Next() + helperSteps
	initArgs := &spawn.CloneArgs{Flags: unix.CLONE_PARENT | unix.CLONE_VFORK | unix.CLONE_PARENT_SETTID,
		ParentTID: uint64(spawn.Ptr(l.initPID))}
	p.Clone("clone init", initArgs, first)
	args := &spawn.CloneArgs{Flags: unix.CLONE_PARENT | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID,
		ParentTID: uint64(spawn.Ptr(l.pid)), ChildTID: uint64(spawn.Ptr(l.live))}
	clone := p.Next()
	p.Clone("clone the program", args, first)
	p.Call("end", unix.SYS_EXIT_GROUP, 0)
	l.buildInit()
	p.OnZeroAt(clone, p.Next())
	l.buildProgram()
}

func (l *launch) becomeRoot() {
	p := &l.prog
	if !l.space.cfg.IDs.Single() {
		p.Call("drop groups", unix.SYS_SETGROUPS, 0, 0)
	}
	p.Call("become root's group inside", unix.SYS_SETRESGID, 0, 0, 0)
	p.Call("become root inside", unix.SYS_SETRESUID, 0, 0, 0)
}

func (l *launch) buildProgram() {
	p := &l.prog
	zero := p.Str("0")
	for _, fd := range l.p.CgroupFDs {
		p.Call("enter the cgroup", unix.SYS_WRITE, uintptr(fd), zero, 1)
	}
	p.Call("take a session of its own", unix.SYS_SETSID)
	for i, fd := range l.p.FDs {
		p.Call("give the program its files", unix.SYS_DUP3, uintptr(fd), uintptr(i), 0)
	}
	p.Call("close other files", unix.SYS_CLOSE_RANGE, 3, maxFD, 0)
	l.rlimits()
	l.pin()
	p.Call("set the umask", unix.SYS_UMASK, 0o022)
	l.becomeRoot()
	l.hideProc()
	l.dropPrivileges(l.p.UID, l.p.GID, l.p.Capabilities)
	p.Call(StepDir, unix.SYS_CHDIR, p.Str(l.p.Dir))
	l.defaultSignals()
	none := new(sigset)
	p.Keep(none)
	p.Call("unblock signals", unix.SYS_RT_SIGPROCMASK, unix.SIG_SETMASK, spawn.Ptr(none), 0, 8)
	l.filter()
	argv, envp := p.Strs(l.p.Args), p.Strs(l.p.Env)
	for i, path := range l.p.Paths {
		p.Call("execute "+path, unix.SYS_EXECVE, p.Str(path), argv, envp).Tolerate().Store(&l.execs[i])
	}
	p.Call("end", unix.SYS_EXIT_GROUP, 127)
}

// defaultSignals undoes what this process ignores, such as SIGHUP under nohup:
// a clone resets handlers only.
func (l *launch) defaultSignals() {
	def := &sigaction{}
	l.prog.Keep(def)
	for _, sig := range l.starter.ignored {
		l.prog.Call("reset a signal", unix.SYS_RT_SIGACTION, sig, spawn.Ptr(def), 0, 8)
	}
}

// StepDir is the step that fails when the program's directory isn't there.
const StepDir = "enter the working directory"
