package native

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/linux/cgroup"
	"cupel.dev/cupel/internal/linux/space"
)

// run is one Exec.
type run struct {
	sandbox *Sandbox
	limits  cupel.Limits
	leaf    *cgroup.Leaf
	process *space.Process
	streams *streams
	startup cupel.Startup
	before  space.Disk // the private files as the run found them

	stopped  chan struct{} // closed to end the run from outside: Close, Reset
	stopOnce sync.Once
}

func (r *run) stop() { r.stopOnce.Do(func() { close(r.stopped) }) }

// Exec runs cmd to its end.
func (s *Sandbox) Exec(ctx context.Context, cmd cupel.Cmd) (cupel.Result, error) {
	limits, err := s.check(ctx, cmd)
	if err != nil {
		return cupel.Result{}, err
	}
	r := &run{sandbox: s, limits: limits, stopped: make(chan struct{})}
	sp, startup, err := s.begin(r, true)
	if err != nil {
		return cupel.Result{}, err
	}
	defer s.end(r)
	r.startup = startup
	if err := r.prepare(sp, cmd); err != nil {
		return cupel.Result{}, err
	}
	defer r.release()
	if err := r.start(sp, cmd); err != nil {
		return cupel.Result{}, err
	}
	return r.supervise(ctx)
}

// check refuses what can't be honoured before anything starts.
func (s *Sandbox) check(ctx context.Context, cmd cupel.Cmd) (cupel.Limits, error) {
	if err := cmd.Validate(); err != nil {
		return cupel.Limits{}, err
	}
	if err := ctx.Err(); err != nil {
		return cupel.Limits{}, &cupel.Error{Kind: cupel.Canceled, Op: "exec", Err: err}
	}
	if cmd.User != "" {
		uid, gid, err := cupel.ParseUser(cmd.User)
		if err == nil {
			err = s.engine.hasIDs(uid, gid)
		}
		if err != nil {
			return cupel.Limits{}, err
		}
	}
	if err := s.engine.hasCores(cmd.Limits.CPUs); err != nil {
		return cupel.Limits{}, err
	}
	return s.spec.Limits.Tighten(cmd.Limits)
}

// prepare measures the files, takes a cgroup leaf and makes the pipes.
func (r *run) prepare(sp *space.Space, cmd cupel.Cmd) (err error) {
	if r.before, err = sp.Disk(); err != nil {
		return machineError("measure the private files", err)
	}
	if m := r.sandbox.engine.cgroups; m != nil && m.Mode() != cgroup.None {
		r.leaf, err = m.Acquire(cgroup.Limits{Memory: int64(r.limits.Memory),
			Processes: r.limits.Processes, CPUs: r.limits.CPUs})
		if err != nil {
			return machineError("take a cgroup", err)
		}
	}
	if r.streams, err = openStreams(cmd, r.limits.Output); err != nil {
		r.release()
		return machineError("make pipes", err)
	}
	return nil
}

func (r *run) release() {
	if r.leaf != nil {
		r.leaf.Release()
	}
}

// dockerCapabilities are those that Docker gives a container by default:
// CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP,
// NET_BIND_SERVICE, NET_RAW, SYS_CHROOT, MKNOD, AUDIT_WRITE, SETFCAP.
const dockerCapabilities = 1<<0 | 1<<1 | 1<<3 | 1<<4 | 1<<5 | 1<<6 | 1<<7 | 1<<8 | 1<<10 | 1<<13 | 1<<18 | 1<<27 | 1<<29 | 1<<31

// start starts the program.
func (r *run) start(sp *space.Space, cmd cupel.Cmd) error {
	s := r.sandbox
	uid, gid, _ := cupel.ParseUser(firstOf(cmd.User, s.spec.User))
	if ids := s.engine.ids; !ids.Single() {
		if err := r.streams.give(ids.UIDBase+uid, ids.GIDBase+gid); err != nil {
			r.streams.started()
			r.streams.abandon()
			return machineError("give the program its streams", err)
		}
	}
	env, path := s.commandEnv(cmd.Env)
	p := space.Program{
		Paths: lookup(cmd.Args[0], path), Args: cmd.Args, Env: env,
		Dir: firstOf(cmd.Dir, s.spec.Dir), UID: uid, GID: gid,
		FDs: r.streams.childFDs(), Rlimits: r.rlimits(), Filter: s.filter,
	}
	if s.cfg.BindProc && space.HasLandlock() {
		p.HideProc, p.Roots, p.Readable = true, s.roots, harmlessProc
	}
	if s.spec.Privileges == cupel.PrivilegesContainer {
		p.Capabilities = dockerCapabilities
	}
	if r.leaf != nil {
		p.CgroupFDs = r.leaf.AttachFDs()
	}
	if r.limits.CPUs > 0 && !s.engine.controls("cpu") {
		p.CPUs = int(r.limits.CPUs)
	}
	process, err := s.engine.starter.Start(sp, p)
	r.streams.started()
	if err != nil {
		r.streams.abandon()
		return startError(err, p.Dir)
	}
	r.process = process
	r.streams.pump()
	return nil
}

// harmlessProc is what stays readable of a bound /proc besides the program's
// own entries.
var harmlessProc = []string{"cpuinfo", "meminfo", "stat", "uptime", "version", "loadavg", "filesystems", "sys"}

// startError says whose fault a failed start is.
func startError(err error, dir string) error {
	var step *space.StepError
	if errors.As(err, &step) && step.Step == space.StepDir {
		return cupel.Errorf(cupel.NotFound, "start the program", "working directory %s: %w", dir, step.Errno)
	}
	return machineError("start the program", err)
}

func (r *run) rlimits() space.Rlimits {
	l := space.Rlimits{
		CPUSeconds: uint64(r.limits.CPUTime.Seconds()) + 2, // the watcher is exact and comes first
		FileSize:   uint64(r.limits.FileSize),
		Files:      uint64(r.limits.Files),
	}
	if !r.sandbox.engine.controls("pids") {
		const initProcess = 1
		l.Processes = uint64(r.limits.Processes) + initProcess
	}
	return l
}

// commandEnv is the environment as a sorted list, and PATH in it.
func (s *Sandbox) commandEnv(add map[string]string) (list []string, path string) {
	env := s.env
	if len(add) > 0 {
		env = maps.Clone(s.env)
		maps.Copy(env, add)
	}
	list = make([]string, 0, len(env))
	for k, v := range env {
		list = append(list, k+"="+v)
	}
	slices.Sort(list)
	return list, env["PATH"]
}

// lookup lists the paths to try for a program's name.
func lookup(name, path string) []string {
	if strings.Contains(name, "/") {
		return []string{name}
	}
	var list []string
	for dir := range strings.SplitSeq(path, ":") {
		if dir != "" {
			list = append(list, strings.TrimSuffix(dir, "/")+"/"+name)
		}
	}
	return list
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// notRun is the result of a program that could not be executed, as a shell
// reports it: 127 when it is not there, 126 when it can't be executed.
func notRun(errno syscall.Errno) (code int, err error) {
	switch errno {
	case syscall.ENOENT, syscall.ENOTDIR:
		return 127, nil
	case syscall.E2BIG:
		return 0, cupel.Errorf(cupel.Invalid, "start the program", "arguments and environment: %w", os.NewSyscallError("execve", errno))
	case syscall.ENOMEM, syscall.EAGAIN, syscall.EIO:
		return 0, machineError("start the program", &space.StepError{Step: "execute", Errno: errno})
	}
	return 126, nil
}
