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
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/linux/seccomp"
	"cupel.dev/cupel/internal/linux/space"
)

// Sandbox is a space with a policy.
type Sandbox struct {
	engine *Engine
	id     string
	spec   cupel.Spec
	cfg    space.Config
	env    map[string]string
	filter []space.Insn
	roots  []string // top-level names, for hiding a bound /proc

	mu       sync.Mutex
	space    *space.Space
	pristine space.Disk // of the private tmpfs, just made
	used     bool       // an Exec ran since it was made
	state    sandboxState
	running  map[*run]struct{}
	idle     *sync.Cond // signalled when running empties
}

type sandboxState byte

const (
	stateOpen sandboxState = iota
	stateResetting
	stateBroken
	stateClosed
)

var (
	_ cupel.Sandbox  = (*Sandbox)(nil)
	_ cupel.Resetter = (*Sandbox)(nil)
	_ cupel.Isolator = (*Sandbox)(nil)
)

// ID names the sandbox.
func (s *Sandbox) ID() string { return s.id }

// Isolation says what stands between the sandbox and the host.
func (s *Sandbox) Isolation() cupel.Isolation {
	iso := s.engine.Isolation()
	for _, t := range s.cfg.Trees {
		if !t.Overlay {
			if info, err := os.Stat(t.Layers[0]); err == nil && info.IsDir() && !s.isMount(t.Target) {
				iso.Missing = append(iso.Missing, "overlay of "+t.Target)
			}
		}
	}
	return iso
}

func (s *Sandbox) isMount(target string) bool {
	return slices.ContainsFunc(s.spec.Mounts, func(m cupel.Mount) bool { return m.Target == target })
}

// homeDir is HOME where the root is read-only. Images keep things in /root
// that a private directory there would hide.
const homeDir = "/home/cupel"

// devices are shown in /dev.
var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}

// procMasks are the files and directories of /proc that tell about the host and that everyone
// may read. The rest of the kind is root's, and the whole of /proc read-only.
var procMasks = []string{"keys", "key-users", "kallsyms", "kcore", "timer_list", "sched_debug", "sysrq-trigger", "latency_stats", "interrupts", "locks", "config.gz",
	"acpi/", "scsi/"}

// plan works out, once, what the sandbox is made of.
func (s *Sandbox) plan(ctx context.Context) error {
	im, err := s.engine.images.open(ctx, s.spec.Image)
	if err != nil {
		return err
	}
	private, home := s.privateDirs(im)
	points := s.points(private, home)
	trees := im.trees
	for _, m := range s.spec.Mounts {
		p, tree, err := mountPoint(m)
		if err != nil {
			return err
		}
		points = append(points, p)
		defer func(t space.Tree) { s.cfg.Trees = append(s.cfg.Trees, t) }(tree)
	}
	trees, err = s.engine.images.withPoints(trees, points)
	if err != nil {
		return err
	}
	for i := range trees {
		trees[i].Writable = s.spec.Writable && trees[i].Overlay
	}
	s.cfg = space.Config{
		IDs: s.engine.ids, HostNetwork: s.spec.Network == cupel.NetworkHost, Hostname: "cupel",
		Stage: s.engine.stage, Trees: s.engine.mapped(trees), IDMap: s.engine.idMap, Devices: devices, Private: private,
		DiskBytes: int64(s.spec.Limits.Disk), Inodes: s.spec.Limits.Inodes,
		BindProc: s.engine.bound.Load(), ProcMasks: presentMasks(),
		Terminals: s.spec.Privileges == cupel.PrivilegesContainer,
	}
	s.env = s.environment(im, home)
	if s.cfg.BindProc {
		s.roots = topLevel(trees)
	}
	s.filter, err = s.engine.filter(s.policy())
	return err
}

// topLevel lists the directories of the root, /proc apart.
func topLevel(trees []space.Tree) []string {
	var names []string
	for _, layer := range trees[0].Layers {
		entries, _ := os.ReadDir(layer)
		for _, e := range entries {
			if e.IsDir() && e.Name() != "proc" && !slices.Contains(names, e.Name()) {
				names = append(names, e.Name())
			}
		}
	}
	return names
}

var presentMasks = sync.OnceValue(func() []string {
	return slices.DeleteFunc(slices.Clone(procMasks), func(f string) bool {
		_, err := os.Stat("/proc/" + f)
		return err != nil
	})
})

func (s *Sandbox) policy() seccomp.Policy {
	p := seccomp.Policy{Container: s.spec.Privileges == cupel.PrivilegesContainer}
	if s.spec.Network == cupel.NetworkHost {
		p.Sockets = seccomp.SocketsHost
	}
	if s.spec.Limits.CPUs > 0 && !s.engine.controls("cpu") {
		p.FixedCPUs = true
	}
	return p
}

// privateDirs are the private writable directories, and HOME. A writable image
// keeps its own home and, where it has one, its own working directory.
func (s *Sandbox) privateDirs(im *image) (dirs []space.Private, home string) {
	uid, gid, _ := cupel.ParseUser(s.spec.User)
	dirs = []space.Private{
		{Name: "tmp", Target: "/tmp", Mode: 0o1777},
		{Name: "shm", Target: "/dev/shm", Mode: 0o1777},
	}
	home = homeDir
	if s.spec.Writable {
		home = "/root"
	} else {
		dirs = append(dirs, space.Private{Name: "home", Target: homeDir, Mode: 0o755, UID: uid, GID: gid})
	}
	if s.spec.Dir != "/tmp" && s.spec.Dir != home && !(s.spec.Writable && im.has(s.spec.Dir)) {
		dirs = append(dirs, space.Private{Name: "work", Target: s.spec.Dir, Mode: 0o755, UID: uid, GID: gid})
	}
	return dirs, home
}

// has reports whether the image has its own directory at p.
func (im *image) has(p string) bool {
	if !im.own {
		return false
	}
	info, err := os.Stat(im.trees[0].Layers[0] + p)
	return err == nil && info.IsDir()
}

// points are the places that the image must have.
func (s *Sandbox) points(private []space.Private, home string) []point {
	dir := func(p string) point { return point{path: p, kind: dirPoint, mode: 0o755} }
	list := []point{dir("/proc"), dir("/sys"), dir("/dev/pts"), dir(home)}
	for _, p := range private {
		list = append(list, dir(p.Target))
	}
	for _, d := range devices {
		list = append(list, point{path: d, kind: filePoint})
	}
	for _, l := range [][2]string{{"/dev/fd", "/proc/self/fd"}, {"/dev/stdin", "/proc/self/fd/0"},
		{"/dev/stdout", "/proc/self/fd/1"}, {"/dev/stderr", "/proc/self/fd/2"}, {"/dev/ptmx", "pts/ptmx"}} {
		list = append(list, point{path: l[0], kind: linkPoint, text: l[1]})
	}
	return list
}

// mountPoint checks a mount of the spec.
func mountPoint(m cupel.Mount) (point, space.Tree, error) {
	info, err := os.Stat(m.Source)
	if err != nil {
		return point{}, space.Tree{}, cupel.Errorf(cupel.NotFound, "mount "+m.Source, "%w", err)
	}
	if m.Target == "/proc" || strings.HasPrefix(m.Target, "/proc/") || strings.HasPrefix(m.Target, "/dev/") {
		return point{}, space.Tree{}, cupel.Invalidf("mount target", m.Target, "/proc and /dev are the sandbox's own")
	}
	p := point{path: m.Target, kind: filePoint, mode: 0o755}
	if info.IsDir() {
		p.kind = dirPoint
	}
	return p, space.Tree{Layers: []string{m.Source}, Target: m.Target, Writable: m.Writable}, nil
}

// environment is clean: these names and what the spec adds.
func (s *Sandbox) environment(im *image, home string) map[string]string {
	env := map[string]string{
		"PATH": strings.Join(im.path, ":"), "HOME": home, "LANG": "C.UTF-8", "TMPDIR": "/tmp",
	}
	maps.Copy(env, s.spec.Env)
	return env
}

// enter makes the space. An overlay that the kernel refuses over a tree with
// mounts of its own is bound instead; Isolation names it.
func (s *Sandbox) enter() (*space.Space, space.Disk, error) {
	for {
		sp, err := space.Create(s.cfg)
		if err == nil {
			fresh, err := sp.Disk()
			if err != nil {
				sp.Close()
				return nil, fresh, machineError("create a sandbox", err)
			}
			return sp, fresh, nil
		}
		if errors.Is(err, space.ErrIDMap) {
			// The image's files then belong to nobody inside.
			s.engine.noIDMap.Store(true)
			s.cfg.Trees = s.engine.mapped(s.cfg.Trees)
			continue
		}
		if !s.bindInstead(err) {
			return nil, space.Disk{}, machineError("create a sandbox", err)
		}
	}
}

// bindInstead turns the tree whose opening failed into a bound one.
func (s *Sandbox) bindInstead(err error) bool {
	var step *space.StepError
	if !errors.As(err, &step) || !errors.Is(err, syscall.EINVAL) {
		return false
	}
	for i, t := range s.cfg.Trees {
		if i > 0 && t.Overlay && len(t.Layers) == 1 && step.Step == "open "+t.Layers[0] {
			s.cfg.Trees[i].Overlay, s.cfg.Trees[i].Writable = false, false
			return true
		}
	}
	return false
}

// Close ends what runs and removes the sandbox. During a Reset it leaves the
// new space to Reset, which sees that the sandbox is closed.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	if s.state == stateClosed {
		s.mu.Unlock()
		return nil
	}
	s.state = stateClosed
	s.stopRuns()
	if s.space != nil {
		s.engine.discard(s.space)
		s.space = nil
	}
	s.mu.Unlock()
	s.engine.forget(s)
	return nil
}

// stopRuns ends every run and waits until the last is gone; s.mu is held.
func (s *Sandbox) stopRuns() {
	for r := range s.running {
		r.stop()
	}
	for len(s.running) > 0 {
		s.idle.Wait()
	}
}

// Reset ends what runs, gives every namespace and file up and makes new ones:
// cheaper and surer than cleaning. It then checks that the new ones are new.
func (s *Sandbox) Reset(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return &cupel.Error{Kind: cupel.Canceled, Op: "reset", Err: err}
	}
	s.mu.Lock()
	if s.state != stateOpen {
		s.mu.Unlock()
		return errClosed("reset")
	}
	s.state = stateResetting
	s.stopRuns()
	old := s.space
	s.space = nil
	s.mu.Unlock()

	oldIDs := old.Namespaces()
	fresh, disk, err := s.enter()
	if err == nil {
		err = verify(fresh, oldIDs, disk, s.pristine)
	}
	s.engine.discard(old)

	s.mu.Lock()
	defer s.mu.Unlock()
	closed := s.state == stateClosed // meanwhile
	if (err != nil || closed) && fresh != nil {
		s.engine.discard(fresh)
	}
	switch {
	case closed:
		return errClosed("reset")
	case err != nil:
		s.state = stateBroken
		return err
	}
	s.space, s.used, s.state = fresh, false, stateOpen
	return nil
}

// verify proves a reset: every namespace is another one than before, and the
// private tmpfs holds exactly what a new one holds, by the kernel's own count.
func verify(sp *space.Space, oldIDs map[string]uint64, now, pristine space.Disk) error {
	for name, id := range sp.Namespaces() {
		if oldIDs[name] == id {
			return cupel.Errorf(cupel.Internal, "verify the reset", "the %s namespace is the old one", name)
		}
	}
	if now != pristine {
		return cupel.Errorf(cupel.Internal, "verify the reset", "the private files differ from a fresh sandbox's: %+v, not %+v", now, pristine)
	}
	return nil
}

// begin registers a run: of a program, or of a copy of files.
func (s *Sandbox) begin(r *run, program bool) (*space.Space, cupel.Startup, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.state {
	case stateClosed:
		return nil, "", errClosed("exec")
	case stateBroken, stateResetting:
		return nil, "", cupel.Errorf(cupel.Unavailable, "exec", "the sandbox is being reset or failed to")
	}
	startup := cupel.StartupWarm
	if program && !s.used {
		startup, s.used = cupel.StartupCold, true
	}
	if s.running == nil {
		s.running, s.idle = map[*run]struct{}{}, sync.NewCond(&s.mu)
	}
	s.running[r] = struct{}{}
	return s.space, startup, nil
}

func (s *Sandbox) end(r *run) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.running, r)
	s.idle.Broadcast()
}

// settle is how long output may still arrive once every process is dead: what
// is in the pipes is read in microseconds; more is a descriptor that escaped.
const settle = 5 * time.Second
