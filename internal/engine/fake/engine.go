// Package fake is a scriptable engine for tests. It runs nothing: hooks say
// what each call does, and the engine keeps account of how it was used.
//
// What a caller does wrong (an Exec after Close, a Cmd that no engine accepts,
// a sandbox that was never closed, a Reset that failed and was ignored) is
// answered as a real engine would and is also written down; [Engine.Check]
// returns it, and [New] makes the test fail on it.
package fake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"cupel.dev/cupel"
)

// Config says what the engine does. Its zero value succeeds at everything:
// every program exits 0 without output.
type Config struct {
	// Name is the engine's name. Default "fake".
	Name string
	// OnCreate runs before a sandbox is made; its error fails the Create.
	OnCreate func(ctx context.Context, spec cupel.Spec) error
	// OnExec is the program. It may write to cmd.Stdout and cmd.Stderr and
	// read cmd.Stdin, none of which is nil there.
	OnExec func(ctx context.Context, sb *Sandbox, cmd cupel.Cmd) (cupel.Result, error)
	// OnReset runs in every Reset; its error fails it.
	OnReset func(ctx context.Context, sb *Sandbox) error
	// OnPut receives the tar stream. Default: it is read to its end.
	OnPut func(ctx context.Context, sb *Sandbox, dir string, tar io.Reader) error
	// OnGet answers a Get. Default: kind NotFound.
	OnGet func(ctx context.Context, sb *Sandbox, path string) (io.ReadCloser, error)
	// OnClose runs in the first Close of each sandbox.
	OnClose func(sb *Sandbox) error
	// OnEngineClose runs in the first Close of the engine.
	OnEngineClose func() error
	// NoReset makes sandboxes that are no cupel.Resetter.
	NoReset bool
}

// Counts is how often each call was made, failed ones included.
type Counts struct {
	Create, Exec, Reset, Put, Get, Close int
	// Open is how many sandboxes are open now.
	Open int
	// Running and RunningPeak are Execs at once, now and at most.
	Running, RunningPeak int
}

// Engine is the fake. Make one with New or Open.
type Engine struct {
	cfg Config

	mu      sync.Mutex
	counts  Counts
	closed  bool
	open    map[*Sandbox]struct{}
	misuse  []error
	serial  atomic.Int64
	closing sync.Once
	err     error
}

var (
	_ cupel.Engine   = (*Engine)(nil)
	_ cupel.Isolator = (*Engine)(nil)
)

// New makes an engine that, when the test ends, is checked: misuse by the
// caller fails the test.
func New(t testing.TB, cfg Config) *Engine {
	e := Open(cfg)
	t.Cleanup(func() {
		if err := e.Check(); err != nil {
			t.Errorf("the fake engine was misused: %v", err)
		}
	})
	return e
}

// Open makes an engine that checks only when asked to.
func Open(cfg Config) *Engine {
	if cfg.Name == "" {
		cfg.Name = "fake"
	}
	return &Engine{cfg: cfg, open: map[*Sandbox]struct{}{}}
}

// Name returns the configured name.
func (e *Engine) Name() string { return e.cfg.Name }

// Isolation says that nothing stands between a program and the host, as no
// program ever runs.
func (e *Engine) Isolation() cupel.Isolation {
	return cupel.Isolation{Tier: cupel.TierNamespaces, Missing: []string{}}
}

// Create makes a sandbox, or fails as OnCreate says.
func (e *Engine) Create(ctx context.Context, spec cupel.Spec) (cupel.Sandbox, error) {
	e.count(func(c *Counts) { c.Create++ })
	if err := e.refuse("create"); err != nil {
		return nil, err
	}
	norm, err := spec.Normalize()
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, canceled(ctx, "create")
	}
	if e.cfg.OnCreate != nil {
		if err := e.cfg.OnCreate(ctx, norm); err != nil {
			return nil, err
		}
	}
	sb := &Sandbox{engine: e, id: fmt.Sprintf("fake-%d", e.serial.Add(1)), Spec: norm}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, cupel.Errorf(cupel.Closed, "create", "the engine was closed meanwhile")
	}
	e.open[sb] = struct{}{}
	e.counts.Open++
	if e.cfg.NoReset {
		return sb, nil
	}
	return &resettable{sb}, nil
}

// Close closes the engine. Sandboxes that are still open are closed too, and
// count as misuse: whoever made them should have closed them.
func (e *Engine) Close() error {
	e.closing.Do(func() {
		e.mu.Lock()
		e.closed = true
		left := make([]*Sandbox, 0, len(e.open))
		for sb := range e.open {
			left = append(left, sb)
		}
		e.mu.Unlock()
		for _, sb := range left {
			e.blame("the engine was closed while sandbox %s was open", sb.id)
			e.err = errors.Join(e.err, sb.Close())
		}
		if e.cfg.OnEngineClose != nil {
			e.err = errors.Join(e.err, e.cfg.OnEngineClose())
		}
	})
	return e.err
}

// Counts returns how the engine was used until now.
func (e *Engine) Counts() Counts {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts
}

// Check returns every misuse so far, sandboxes left open and an engine left
// open included, or nil.
func (e *Engine) Check() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := append([]error(nil), e.misuse...)
	for sb := range e.open {
		all = append(all, fmt.Errorf("sandbox %s was never closed", sb.id))
	}
	if !e.closed {
		all = append(all, errors.New("the engine was never closed"))
	}
	return errors.Join(all...)
}

func (e *Engine) refuse(op string) error {
	e.mu.Lock()
	closed := e.closed
	e.mu.Unlock()
	if !closed {
		return nil
	}
	e.blame("%s after the engine was closed", op)
	return cupel.Errorf(cupel.Closed, op, "the engine is closed")
}

func (e *Engine) count(change func(*Counts)) {
	e.mu.Lock()
	change(&e.counts)
	e.mu.Unlock()
}

func (e *Engine) blame(format string, args ...any) {
	e.mu.Lock()
	e.misuse = append(e.misuse, fmt.Errorf(format, args...))
	e.mu.Unlock()
}

func canceled(ctx context.Context, op string) error {
	return &cupel.Error{Kind: cupel.Canceled, Op: op, Err: context.Cause(ctx)}
}
