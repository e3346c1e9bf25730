package space

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"unsafe"

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

func (l *launch) becomeRoot() {
	p := &l.prog
	if !l.space.cfg.IDs.Single() {
		p.Call("drop groups", unix.SYS_SETGROUPS, 0, 0)
	}
	p.Call("become root's group inside", unix.SYS_SETRESGID, 0, 0, 0)
	p.Call("become root inside", unix.SYS_SETRESUID, 0, 0, 0)
}

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

// nextCore spreads pinned programs over the cores.
var nextCore atomic.Uint32

// pin limits the program to some of the cores that this process may use.
func (l *launch) pin() {
	var all unix.CPUSet
	if l.p.CPUs == 0 || unix.SchedGetaffinity(0, &all) != nil {
		return
	}
	set := new(unix.CPUSet)
	total, left := all.Count(), l.p.CPUs
	for skip := int(nextCore.Add(uint32(l.p.CPUs))) % max(total, 1); left > 0 && set.Count() < total; skip++ {
		set.Set(nth(&all, skip%total))
		left--
	}
	l.prog.Keep(set)
	l.prog.Call("choose cores", unix.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(*set), spawn.Ptr(set))
}

// nth is the number of the n-th core of the set.
func nth(set *unix.CPUSet, n int) int {
	for cpu := 0; ; cpu++ {
		if set.IsSet(cpu) {
			if n == 0 {
				return cpu
			}
			n--
		}
	}
}

func (l *launch) rlimits() {
	r := l.p.Rlimits
	l.rlimit("core size", unix.RLIMIT_CORE, 0, 0)
	for _, lim := range []struct {
		name     string
		resource uintptr
		soft     uint64
		grace    uint64
	}{
		{"CPU time", unix.RLIMIT_CPU, r.CPUSeconds, 1},
		{"file size", unix.RLIMIT_FSIZE, r.FileSize, 0},
		{"open files", unix.RLIMIT_NOFILE, r.Files, 0},
		{"processes", unix.RLIMIT_NPROC, r.Processes, 0},
	} {
		if lim.soft != 0 {
			l.rlimit(lim.name, lim.resource, lim.soft, lim.soft+lim.grace)
		}
	}
}

// rlimit lowers a limit. The hard limit may be lower already than what is
// asked; then setting it fails without harm, since what is in force is stricter.
func (l *launch) rlimit(name string, resource uintptr, soft, hard uint64) {
	lim := &unix.Rlimit{Cur: soft, Max: hard}
	l.prog.Keep(lim)
	l.prog.Call("limit "+name, unix.SYS_PRLIMIT64, 0, resource, spawn.Ptr(lim), 0).Tolerate()
}

// sigaction is the kernel's struct sigaction.
type sigaction struct {
	handler uintptr
	_       [2]uintptr // flags, restorer
	_       sigset     // mask
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

// StepDir is the step that fails when the program's directory isn't there.
const StepDir = "enter the working directory"

func (l *launch) filter() {
	if len(l.p.Filter) == 0 {
		return
	}
	prog := &struct {
		len    uint16
		filter *Insn
	}{uint16(len(l.p.Filter)), unsafe.SliceData(l.p.Filter)}
	l.prog.Keep(prog)
	l.prog.Call("load the seccomp filter", unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
		unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, spawn.Ptr(prog))
}

// Secure bits: uid 0 gains nothing on exec, and this can't be undone.
const (
	secbitNoRoot     = 1 << 0
	secbitNoRootLock = 1 << 1
	lastCapability   = 63
)

type capHeader struct {
	version uint32
	_       int32 // pid: this process
}

type capData struct {
	effective, permitted uint32
	_                    uint32 // inheritable
}

// lockCapabilities keeps uid 0 from gaining capabilities by executing
// something. It is enough for init; a program's bounding set is emptied too.
func (l *launch) lockCapabilities() {
	l.prog.Call("lock uid 0 out of capabilities", unix.SYS_PRCTL, unix.PR_SET_SECUREBITS,
		secbitNoRoot|secbitNoRootLock)
}

// dropPrivileges empties the bounding set but for keep, switches ids, empties
// the capability sets and sets no_new_privs.
func (l *launch) dropPrivileges(uid, gid int, keep uint64) {
	p := &l.prog
	if keep == 0 {
		l.lockCapabilities()
	}
	for c := range uintptr(capabilities()) {
		if keep&(1<<c) == 0 {
			p.Call("drop a capability", unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c)
		}
	}
	if gid != 0 {
		p.Call("become the group", unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid))
	}
	if uid != 0 {
		p.Call("become the user", unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid))
	}
	if uid != 0 {
		keep = 0 // the switch took them; only the bounding set stays
	}
	l.emptyCapabilities(keep)
}

// emptyCapabilities leaves the permitted and effective sets with keep, the
// others with nothing, and sets no_new_privs.
func (l *launch) emptyCapabilities(keep uint64) {
	p := &l.prog
	hdr := &capHeader{version: unix.LINUX_CAPABILITY_VERSION_3}
	data := &[2]capData{}
	for i := range data {
		bits := uint32(keep >> (32 * i))
		data[i].effective, data[i].permitted = bits, bits
	}
	p.Keep(hdr)
	p.Keep(data)
	p.Call("set capabilities", unix.SYS_CAPSET, spawn.Ptr(hdr), spawn.Ptr(data))
	p.Call("set no_new_privs", unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

var knownCapabilities atomic.Int32

// capabilities is how many capabilities this kernel knows.
func capabilities() int {
	if n := knownCapabilities.Load(); n != 0 {
		return int(n)
	}
	n := 0
	for n <= lastCapability {
		if _, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0); err != nil {
			break
		}
		n++
	}
	knownCapabilities.Store(int32(n))
	return n
}
