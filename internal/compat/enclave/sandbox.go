package enclave

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/compat/enclave/tool"
	"cupel.dev/cupel/internal/wire/enclave"
	"cupel.dev/cupel/service"
)

// sandbox is what the protocol calls one: a sandbox of the service, a slot of
// a pool, or (volcengine) a mere name under which tools run in a pool.
type sandbox struct {
	id    string
	key   string // the caller's
	world string
	plan  *plan
	// handle is nil for slots and stateless ones.
	handle *service.Handle
	facts  imageFacts
	// pool is where a slot's programs run.
	pool    *pool
	created time.Time

	// The rest is guarded by Server.mu.
	updated  time.Time
	status   enclave.SandboxStatus
	metadata map[string]any
	running  int

	// stop ends what runs beside the tools.
	stop context.CancelFunc

	kernelMu sync.Mutex
	kernel   *tool.Kernel
}

// active reports whether tools can run.
func (sb *sandbox) active() bool {
	return sb.status == enclave.StatusRunning || sb.status == enclave.StatusIdle || sb.status == enclave.StatusBusy
}

// info is what is told of sb; Server.mu is held.
func (sb *sandbox) info() enclave.SandboxInfo {
	return enclave.SandboxInfo{
		ID: sb.id, Status: sb.status, Type: sb.plan.config.Type, Config: sb.plan.shown,
		CreatedAt: enclave.Time{Time: sb.created}, UpdatedAt: enclave.Time{Time: sb.updated},
		Metadata: maps.Clone(sb.metadata), AvailableTools: sb.plan.schemas(),
	}
}

// about is the metadata that a new sandbox has.
func (s *Server) about(p *plan, facts imageFacts) map[string]any {
	adapted := p.adapted
	if adapted == nil {
		adapted = []string{}
	}
	about := map[string]any{"adapted": adapted, "image": p.spec.Image, "engine": s.cfg.Engine.Name}
	if facts.isolation.Tier != "" {
		about["isolation"] = string(facts.isolation.Tier)
	}
	return map[string]any{"cupel": about}
}

// open makes a sandbox and all that it has from its start.
func (s *Server) open(ctx context.Context, p *plan) (*sandbox, error) {
	h, err := s.cfg.Service.Create(ctx, s.cfg.Engine, p.spec)
	if err != nil {
		return nil, err
	}
	facts, err := s.prepare(ctx, p, h)
	if err == nil && ctx.Err() != nil {
		err = &cupel.Error{Kind: cupel.Canceled, Op: "create sandbox", Err: context.Cause(ctx)}
	}
	if err != nil {
		_ = h.Close() // the first error says more
		return nil, err
	}
	now := time.Now()
	sb := &sandbox{
		plan: p, handle: h, facts: facts, created: now, updated: now, status: enclave.StatusRunning, metadata: s.about(p, facts),
	}
	var beside context.Context
	beside, sb.stop = context.WithCancel(service.AsHelper(s.living))
	if len(p.program) > 0 {
		s.work.Go(func() { s.runBeside(beside, sb) })
	}
	return sb, nil
}

// programLimits are the limits of a program that is no tool's.
func (s *Server) programLimits(p *plan) cupel.Limits {
	l := p.limits
	l.Time = s.cfg.Policy.MaxTime
	return l
}

// runBeside runs the container's own command.
func (s *Server) runBeside(ctx context.Context, sb *sandbox) {
	res, err := sb.handle.Exec(ctx, cupel.Cmd{Args: sb.plan.program, Dir: sb.plan.dir, Limits: s.programLimits(sb.plan)})
	if ctx.Err() != nil {
		return
	}
	ending := fmt.Sprintf("ended: %s, exit code %d", res.Status, res.ExitCode)
	if err != nil {
		ending = "failed: " + explain(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if about, ok := sb.metadata["cupel"].(map[string]any); ok {
		about = maps.Clone(about)
		about["command"] = ending
		sb.metadata = map[string]any{"cupel": about}
	}
	s.cfg.Log.Info("Command of sandbox "+sb.id+" "+ending, slog.String("sandbox", sb.id))
}

// imageFacts is what is known of all fresh sandboxes of one kind.
type imageFacts struct {
	python    string
	isolation cupel.Isolation
}

// prepare gives a fresh sandbox what its plan adds to the Spec, and says what
// is known of its like.
func (s *Server) prepare(ctx context.Context, p *plan, sb cupel.Sandbox) (imageFacts, error) {
	if p.hosts != nil {
		if err := sb.Put(ctx, "/etc", tarOf("hosts", p.hosts)); err != nil {
			return imageFacts{}, err
		}
	}
	return s.facts(ctx, p, sb)
}

func tarOf(name string, text []byte) *bytes.Buffer {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	// A buffer takes all that is written to it.
	_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(text))})
	_, _ = w.Write(text)
	_ = w.Close()
	return &b
}

// facts finds out once for each image what its Python is called. Only a fresh
// sandbox is asked, so that no program can give the answer, and what changes
// it (the environment, mounts) is part of the question.
func (s *Server) facts(ctx context.Context, p *plan, fresh cupel.Sandbox) (imageFacts, error) {
	key := fmt.Sprintf("%q %q %#v", p.spec.Image, p.spec.Env, p.spec.Mounts)
	s.mu.Lock()
	facts, known := s.images[key]
	s.mu.Unlock()
	if known {
		return facts, nil
	}
	limits := cupel.Limits{Time: min(probeTime, s.cfg.Policy.MaxTime)}
	for _, name := range []string{"python", "python3"} {
		// -S and -E keep site directories and the environment out of it.
		res, err := fresh.Exec(ctx, cupel.Cmd{Args: []string{name, "-SEc", ""}, Limits: limits})
		if err != nil {
			return imageFacts{}, err
		}
		facts.isolation = res.Isolation
		if res.Status != cupel.StatusNonzero || res.ExitCode != 127 && res.ExitCode != 126 {
			facts.python = name // it is there, if it can work or not
			break
		}
	}
	orDefault(&facts.python, "python") // as theirs, whose error is then the program's
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.images) >= mostImages {
		clear(s.images)
	}
	s.images[key] = facts
	return facts, nil
}

const (
	// probeTime is enough to start an interpreter that does nothing.
	probeTime = 30 * time.Second
	// mostImages bounds what is remembered of images.
	mostImages = 10000
)

// kernelOf returns the kernel of a sandbox, started when it is first needed.
func (s *Server) kernelOf(sb *sandbox) (*tool.Kernel, error) {
	sb.kernelMu.Lock()
	defer sb.kernelMu.Unlock()
	if sb.kernel != nil {
		return sb.kernel, nil
	}
	k, err := tool.StartKernel(service.AsHelper(s.living), sb.handle, tool.KernelConfig{Python: sb.facts.python, Dir: sb.plan.dir, MaxOutput: s.cfg.Policy.Output})
	if err != nil {
		return nil, err
	}
	sb.kernel = k
	return k, nil
}

// end releases what a sandbox of its own holds. It is idempotent.
func (sb *sandbox) end() error {
	if sb.stop != nil {
		sb.stop()
	}
	sb.kernelMu.Lock()
	k := sb.kernel
	sb.kernelMu.Unlock()
	if k != nil {
		_ = k.Close() // the sandbox's end ends it in any case
	}
	if sb.handle == nil {
		return nil
	}
	return sb.handle.Close()
}
