package native

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/linux/cgroup"
	"cupel.dev/cupel/internal/linux/seccomp"
	"cupel.dev/cupel/internal/linux/space"
)

// Engine is the native engine.
type Engine struct {
	cache   string
	ids     space.IDs
	starter *space.Starter
	cgroups *cgroup.Manager
	// controllers are those that the watcher of every run asks about.
	controllers []string
	idMap       int // a user namespace that stands for ids
	noIDMap     atomic.Bool
	stage       string
	images      images
	bound       atomic.Bool // no new /proc can be mounted here

	mu        sync.Mutex
	filters   map[seccomp.Policy][]space.Insn
	sandboxes map[*Sandbox]struct{}
	closed    bool
	next      atomic.Uint64
	discards  sync.WaitGroup
}

var (
	_ cupel.Engine   = (*Engine)(nil)
	_ cupel.Isolator = (*Engine)(nil)
)

// Open opens the engine. Errors are of kind Unavailable or Unsupported where
// this machine can't isolate, with a hint.
func Open(_ context.Context, cfg Config) (*Engine, error) {
	cache, err := cacheDir(cfg.Cache)
	if err != nil {
		return nil, err
	}
	ids, err := chooseIDs()
	if err != nil {
		return nil, err
	}
	e := &Engine{cache: cache, ids: ids, idMap: -1, stage: filepath.Join(cache, "stage"),
		filters: map[seccomp.Policy][]space.Insn{}, sandboxes: map[*Sandbox]struct{}{}}
	if err := os.MkdirAll(e.stage, 0o755); err != nil {
		return nil, cacheError(err)
	}
	e.bound.Store(procIsMasked())
	if e.starter, err = space.NewStarter(); err != nil {
		return nil, machineError("open the native engine", err)
	}
	if e.idMap, err = space.NewIDMap(ids); err != nil {
		e.starter.Close()
		return nil, machineError("open the native engine", err)
	}
	e.noIDMap.Store(ids.Single())
	if e.cgroups, err = openCgroups(cfg, cache); err != nil {
		e.closeShared()
		return nil, err
	}
	if e.cgroups != nil {
		e.controllers = e.cgroups.Controllers()
	}
	e.images = images{cache: cache, ids: ids}
	return e, nil
}

func openCgroups(cfg Config, cache string) (*cgroup.Manager, error) {
	switch cfg.Cgroups {
	case "", "auto":
		m, err := cgroup.Open(cgroup.Config{Root: cfg.CgroupRoot, Registry: filepath.Join(cache, "cgroups")})
		if err != nil {
			return nil, machineError("open cgroups", err)
		}
		return m, nil
	case "none":
		return nil, nil
	}
	return nil, cupel.Invalidf("cgroups", cfg.Cgroups, "use auto or none")
}

// Name is "native".
func (e *Engine) Name() string { return "native" }

// Isolation says what this place gives.
func (e *Engine) Isolation() cupel.Isolation {
	iso := cupel.Isolation{Tier: cupel.TierNamespaces, Missing: []string{}}
	if e.bound.Load() {
		iso.Tier = cupel.TierNamespacesBoundProc
		iso.Missing = append(iso.Missing, "private proc")
		if !space.HasLandlock() {
			iso.Missing = append(iso.Missing, "landlock")
		}
	}
	for _, c := range []string{"memory", "pids", "cpu"} {
		if !e.controls(c) {
			iso.Missing = append(iso.Missing, "cgroup "+c)
		}
	}
	return iso
}

// controls reports whether the cgroup controller c is at work.
func (e *Engine) controls(c string) bool { return slices.Contains(e.controllers, c) }

// Create makes a sandbox.
func (e *Engine) Create(ctx context.Context, spec cupel.Spec) (cupel.Sandbox, error) {
	if err := ctx.Err(); err != nil {
		return nil, &cupel.Error{Kind: cupel.Canceled, Op: "create a sandbox", Err: err}
	}
	spec, err := spec.Normalize()
	if err != nil {
		return nil, err
	}
	if err := e.accepts(spec); err != nil {
		return nil, err
	}
	s := &Sandbox{engine: e, spec: spec, id: "native-" + strconv.FormatUint(e.next.Add(1), 10)}
	if err := s.plan(ctx); err != nil {
		return nil, err
	}
	if s.space, s.pristine, err = s.enter(); err != nil {
		return nil, err
	}
	if !e.adopt(s) {
		e.discard(s.space)
		return nil, errClosed("create a sandbox")
	}
	return s, nil
}

// accepts refuses a spec that asks for more than this place gives.
func (e *Engine) accepts(spec cupel.Spec) error {
	iso := e.Isolation()
	ok, err := spec.Isolation.Accepts(iso.Tier)
	if err != nil {
		return err
	}
	if iso.Tier == cupel.TierNamespacesBoundProc && !space.HasLandlock() && spec.Isolation != cupel.IsolationAny {
		ok = false // other processes' entries in /proc could be read
	}
	if !ok {
		return cupel.Errorf(cupel.Unsupported, "create a sandbox", "isolation %q is asked for, but this place gives %q: %v missing",
			spec.Isolation, iso.Tier, iso.Missing).WithHint("accept a weaker isolation (standard or any), or see cupel doctor for what to change")
	}
	uid, gid, err := cupel.ParseUser(spec.User)
	if err == nil {
		err = e.hasIDs(uid, gid)
	}
	if err == nil {
		err = e.hasCores(spec.Limits.CPUs)
	}
	return err
}

// hasCores refuses a limit on cores that can't be held to: without the cpu
// controller, whole cores are pinned, parts of one can't be.
func (e *Engine) hasCores(cpus float64) error {
	if cpus != math.Trunc(cpus) && !e.controls("cpu") {
		return cupel.Errorf(cupel.Unsupported, "limit cores", "%v cores: there is no cgroup cpu controller here to share one out", cpus).
			WithHint("give a whole number of cores, or none; cupel doctor says how to get the controller")
	}
	return nil
}

func (e *Engine) hasIDs(uid, gid int) error {
	if !e.ids.Has(uid) || !e.ids.Has(gid) {
		return cupel.Errorf(cupel.Unsupported, "choose the user", "user %d:%d does not exist inside: this process may map only id 0", uid, gid).
			WithHint("run cupel as root, or use user 0 (it has no capability either)")
	}
	return nil
}

// adopt registers s, unless the engine is closed.
func (e *Engine) adopt(s *Sandbox) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.sandboxes[s] = struct{}{}
	}
	return !e.closed
}

func (e *Engine) forget(s *Sandbox) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sandboxes, s)
}

// discard takes a space apart in the background: the kernel needs a fifth of a
// millisecond for it, most of which it waits.
func (e *Engine) discard(s *space.Space) { e.discards.Go(s.Close) }

// Close ends every sandbox and removes what the engine holds.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		return nil
	}
	e.closed = true
	open := make([]*Sandbox, 0, len(e.sandboxes))
	for s := range e.sandboxes {
		open = append(open, s)
	}
	e.mu.Unlock()
	var errs []error
	for _, s := range open {
		errs = append(errs, s.Close())
	}
	e.discards.Wait()
	e.closeShared()
	if e.cgroups != nil {
		errs = append(errs, e.cgroups.Close())
	}
	return errors.Join(errs...)
}

func (e *Engine) closeShared() {
	e.starter.Close()
	space.CloseIDMap(e.idMap)
}

// mapped returns the trees as they can be mounted here: without mapped ids
// where those can't be had.
func (e *Engine) mapped(trees []space.Tree) []space.Tree {
	if !e.noIDMap.Load() {
		return trees
	}
	out := slices.Clone(trees)
	for i := range out {
		out[i].IDMapped = ""
	}
	return out
}

// filter compiles the policy's seccomp filter once.
func (e *Engine) filter(p seccomp.Policy) ([]space.Insn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f, ok := e.filters[p]; ok {
		return f, nil
	}
	prog, err := seccomp.Filter(p)
	if err != nil {
		return nil, machineError("compile the seccomp filter", err)
	}
	f := make([]space.Insn, len(prog))
	for i, in := range prog {
		f[i] = space.Insn{Code: in.Code, JT: in.Jt, JF: in.Jf, K: in.K}
	}
	e.filters[p] = f
	return f, nil
}
