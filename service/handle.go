package service

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"cupel.dev/cupel"
)

// Handle is a fresh sandbox of the caller's own, made by Create and gone after
// Close. Its methods are safe for concurrent use; after Close they are kind
// Closed.
type Handle struct {
	service *Service
	sandbox *admitted
	guard   *guard
	waited  atomic.Int64

	closing sync.Once
	err     error
}

var (
	_ cupel.Sandbox  = (*Handle)(nil)
	_ cupel.Resetter = (*Handle)(nil)
)

// Create makes a fresh sandbox. Each spec is merged over the one before it, as
// Spec.Merge does, and the whole over the default. The caller closes the
// Handle; the service's own Close does it for those forgotten.
func (s *Service) Create(ctx context.Context, ref EngineRef, specs ...cupel.Spec) (*Handle, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.ops.Done()
	ctx, stop := joined(ctx, s.working)
	defer stop()
	spec, err := merge(specs)
	if err != nil {
		return nil, err
	}
	e, err := s.engine(ctx, ref)
	if err != nil {
		return nil, err
	}
	sb, err := e.Create(ctx, spec)
	if err != nil {
		return nil, err
	}
	h := &Handle{service: s, guard: newGuard(s.working, "sandbox handle")}
	h.sandbox = &admitted{
		Sandbox: sb, admission: s.admission, limits: spec.Limits,
		waited: func(d time.Duration) { h.waited.Add(int64(d)) },
	}
	s.mu.Lock()
	s.handles[h] = struct{}{}
	s.mu.Unlock()
	return h, nil
}

func merge(specs []cupel.Spec) (cupel.Spec, error) {
	var all cupel.Spec
	for _, s := range specs {
		all = all.Merge(s)
	}
	return all.Normalize()
}

// ID names the sandbox.
func (h *Handle) ID() string { return h.sandbox.ID() }

// Waited is how long this handle's programs waited to be admitted, summed up.
func (h *Handle) Waited() time.Duration { return time.Duration(h.waited.Load()) }

// begin accepts a call for both the service and the handle.
func (h *Handle) begin(ctx context.Context) (context.Context, func(), error) {
	if err := h.service.begin(); err != nil {
		return nil, nil, err
	}
	ctx, done, err := h.guard.begin(ctx)
	if err != nil {
		h.service.ops.Done()
		return nil, nil, err
	}
	return ctx, func() { done(); h.service.ops.Done() }, nil
}

// Exec runs cmd once it is admitted.
func (h *Handle) Exec(ctx context.Context, cmd cupel.Cmd) (cupel.Result, error) {
	ctx, done, err := h.begin(ctx)
	if err != nil {
		return cupel.Result{}, err
	}
	defer done()
	return h.sandbox.Exec(ctx, cmd)
}

// Put unpacks a tar stream below dir.
func (h *Handle) Put(ctx context.Context, dir string, tar io.Reader) error {
	ctx, done, err := h.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	return h.sandbox.Put(ctx, dir, tar)
}

// Get streams path as a tar. The reader ends with the handle.
func (h *Handle) Get(ctx context.Context, path string) (io.ReadCloser, error) {
	if err := h.service.begin(); err != nil {
		return nil, err
	}
	defer h.service.ops.Done()
	return h.guard.get(ctx, h.sandbox, path)
}

// Reset makes the sandbox pristine again and proves it, where the engine can;
// elsewhere it is kind Unsupported. See cupel.Resetter.
func (h *Handle) Reset(ctx context.Context) error {
	ctx, done, err := h.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	r, ok := h.sandbox.Sandbox.(cupel.Resetter)
	if !ok {
		return cupel.Errorf(cupel.Unsupported, "reset sandbox", "the engine has no reset").
			WithHint("close the sandbox and make another")
	}
	return r.Reset(ctx)
}

// Close ends what runs and removes the sandbox. It is idempotent.
func (h *Handle) Close() error {
	h.closing.Do(func() {
		h.guard.shut()
		h.err = h.sandbox.Close()
		h.guard.ops.Wait()
		h.service.mu.Lock()
		delete(h.service.handles, h)
		h.service.mu.Unlock()
	})
	return h.err
}

func (s *Service) openHandles() []*Handle {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Handle, 0, len(s.handles))
	for h := range s.handles {
		all = append(all, h)
	}
	return all
}
