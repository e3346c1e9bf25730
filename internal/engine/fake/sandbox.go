package fake

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"cupel.dev/cupel"
)

// Sandbox is a sandbox of the fake engine, as hooks see it.
type Sandbox struct {
	// Spec is the normalized Spec it was made from.
	Spec cupel.Spec

	engine *Engine
	id     string

	mu     sync.Mutex
	state  state
	values map[string]any
	once   sync.Once
	err    error
}

type state int

const (
	usable state = iota
	// spoilt is after a failed Reset: only Close is allowed.
	spoilt
	closed
)

var (
	_ cupel.Sandbox  = (*Sandbox)(nil)
	_ cupel.Resetter = (*resettable)(nil)
)

// resettable adds Reset to the sandboxes of an engine without NoReset.
type resettable struct{ *Sandbox }

func (r *resettable) Reset(ctx context.Context) error { return r.reset(ctx) }

// ID names the sandbox.
func (s *Sandbox) ID() string { return s.id }

// Set keeps a value in the sandbox until it is reset or closed, as a program
// would leave a file.
func (s *Sandbox) Set(key string, value any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[string]any{}
	}
	s.values[key] = value
}

// Value returns what Set kept, or nil.
func (s *Sandbox) Value(key string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.values[key]
}

// Exec does what OnExec says; without it, the program exits 0.
func (s *Sandbox) Exec(ctx context.Context, cmd cupel.Cmd) (cupel.Result, error) {
	e := s.engine
	e.count(func(c *Counts) {
		c.Exec++
		c.Running++
		c.RunningPeak = max(c.RunningPeak, c.Running)
	})
	defer e.count(func(c *Counts) { c.Running-- })
	if err := s.refuse("exec"); err != nil {
		return cupel.Result{}, err
	}
	if err := s.checkCmd(&cmd); err != nil {
		return cupel.Result{}, err
	}
	if ctx.Err() != nil {
		return cupel.Result{}, canceled(ctx, "exec")
	}
	if e.cfg.OnExec != nil {
		return e.cfg.OnExec(ctx, s, cmd)
	}
	return OK(), nil
}

// checkCmd refuses, and writes down, what every engine refuses, and puts
// something in place of nil streams.
func (s *Sandbox) checkCmd(cmd *cupel.Cmd) error {
	err := cmd.Validate()
	if err == nil {
		_, err = s.Spec.Limits.Tighten(cmd.Limits)
	}
	if err != nil {
		s.engine.blame("exec of an invalid command: %v", err)
		return err
	}
	if cmd.Stdin == nil {
		cmd.Stdin = strings.NewReader("")
	}
	if cmd.Stdout == nil {
		cmd.Stdout = io.Discard
	}
	if cmd.Stderr == nil {
		cmd.Stderr = io.Discard
	}
	return nil
}

func (s *Sandbox) reset(ctx context.Context) error {
	s.engine.count(func(c *Counts) { c.Reset++ })
	if err := s.refuse("reset"); err != nil {
		return err
	}
	var err error
	if s.engine.cfg.OnReset != nil {
		err = s.engine.cfg.OnReset(ctx, s)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && s.state == usable {
		s.state = spoilt
		return err
	}
	s.values = nil
	return err
}

// Put does what OnPut says; without it, the stream is read and dropped.
func (s *Sandbox) Put(ctx context.Context, dir string, tar io.Reader) error {
	s.engine.count(func(c *Counts) { c.Put++ })
	if err := s.refuse("put"); err != nil {
		return err
	}
	if s.engine.cfg.OnPut != nil {
		return s.engine.cfg.OnPut(ctx, s, dir, tar)
	}
	if _, err := io.Copy(io.Discard, tar); err != nil {
		return cupel.Errorf(cupel.Invalid, "put", "read the archive: %w", err)
	}
	return nil
}

// Get does what OnGet says; without it, nothing is there.
func (s *Sandbox) Get(ctx context.Context, path string) (io.ReadCloser, error) {
	s.engine.count(func(c *Counts) { c.Get++ })
	if err := s.refuse("get"); err != nil {
		return nil, err
	}
	if s.engine.cfg.OnGet != nil {
		return s.engine.cfg.OnGet(ctx, s, path)
	}
	return nil, cupel.Errorf(cupel.NotFound, "get", "%s is not there", path)
}

// Close closes the sandbox. It is idempotent.
func (s *Sandbox) Close() error {
	s.engine.count(func(c *Counts) { c.Close++ })
	s.once.Do(func() {
		s.mu.Lock()
		s.state = closed
		s.values = nil
		s.mu.Unlock()
		s.engine.mu.Lock()
		delete(s.engine.open, s)
		s.engine.counts.Open--
		s.engine.mu.Unlock()
		if s.engine.cfg.OnClose != nil {
			s.err = s.engine.cfg.OnClose(s)
		}
	})
	return s.err
}

func (s *Sandbox) refuse(op string) error {
	s.mu.Lock()
	now := s.state
	s.mu.Unlock()
	switch now {
	case closed:
		s.engine.blame("%s after sandbox %s was closed", op, s.id)
		return cupel.Errorf(cupel.Closed, op, "the sandbox is closed")
	case spoilt:
		s.engine.blame("%s after a reset of sandbox %s failed", op, s.id)
		return cupel.Errorf(cupel.Internal, op, "the sandbox could not be reset")
	}
	return nil
}

// OK is the Result of a program that exited 0.
func OK() cupel.Result { return Exit(0) }

// Exit is the Result of a program that exited with code.
func Exit(code int) cupel.Result {
	res := cupel.Result{
		Status:    cupel.StatusOK,
		ExitCode:  code,
		Isolation: cupel.Isolation{Tier: cupel.TierNamespaces, Missing: []string{}},
		Startup:   cupel.StartupCold,
	}
	if code != 0 {
		res.Status = cupel.StatusNonzero
	}
	return res
}

// Sleep waits for d or the end of ctx, which is kind Canceled.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return canceled(ctx, "sleep")
	}
}
