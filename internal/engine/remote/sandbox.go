package remote

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"time"

	"cupel.dev/cupel"
)

// Sandbox is a sandbox of the server's.
type Sandbox struct {
	engine *Engine
	id     string
	spec   cupel.Spec

	// life ends when the sandbox is closed, and with it every call.
	life context.Context
	end  context.CancelCauseFunc

	mu     sync.Mutex
	ran    bool
	calls  int // under way
	oom    int // processes ended for want of memory, as far as was seen
	closed bool
	done   chan struct{} // closed once it is gone
	err    error
}

var (
	_ cupel.Sandbox  = (*Sandbox)(nil)
	_ cupel.Isolator = (*Sandbox)(nil)
)

func newSandbox(e *Engine, id string, spec cupel.Spec) *Sandbox {
	s := &Sandbox{engine: e, id: id, spec: spec, done: make(chan struct{})}
	s.life, s.end = context.WithCancelCause(context.Background())
	return s
}

// ID is the server's name for the sandbox.
func (s *Sandbox) ID() string { return s.id }

// Isolation is the engine's.
func (s *Sandbox) Isolation() cupel.Isolation { return s.engine.Isolation() }

// Close deletes the sandbox. It is idempotent, and a sandbox that the server
// doesn't know any more is gone.
func (s *Sandbox) Close() error {
	s.mu.Lock()
	first, busy := !s.closed, s.calls > 0
	s.closed = true
	s.mu.Unlock()
	if !first {
		<-s.done
		return s.err
	}
	s.end(errClosed("sandbox"))
	const patience = 30 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if busy && !s.engine.ours {
		// Deleting takes the original 10 s while something runs.
		_, _ = s.engine.server.execute(ctx, "end what runs", s.id, []string{"/bin/sh", "-c", "kill -KILL -1"}, 0)
	}
	s.err = s.engine.server.remove(ctx, s.id)
	s.engine.forget(s)
	close(s.done)
	return s.err
}

// begin returns a context that ends with ctx or the sandbox.
func (s *Sandbox) begin(ctx context.Context, op string) (context.Context, func(), error) {
	if s.life.Err() != nil {
		return nil, nil, errClosed(op)
	}
	if ctx.Err() != nil {
		return nil, nil, canceled(ctx, op)
	}
	s.mu.Lock()
	s.calls++
	s.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.life, func() { cancel(context.Cause(s.life)) })
	return ctx, sync.OnceFunc(func() {
		stop()
		cancel(nil)
		s.mu.Lock()
		s.calls--
		s.mu.Unlock()
	}), nil
}

// abandon deletes the sandbox after a call whose end the server may not know
// of: what ran in it may run on.
func (s *Sandbox) abandon(err error) {
	if k := cupel.KindOf(err); k == cupel.Canceled || k == cupel.Closed {
		_ = s.Close()
	}
}

// startup says whether this is the sandbox's first program.
func (s *Sandbox) startup() cupel.Startup {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ran {
		return cupel.StartupWarm
	}
	s.ran = true
	return cupel.StartupCold
}

// outOfMemory notes how many processes were ended for want of memory since the
// sandbox was made, and reports whether there are more than were known.
func (s *Sandbox) outOfMemory(count int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	more := count > s.oom
	s.oom = max(s.oom, count)
	return more
}

// random is a name that nobody guesses.
func random() string {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw) // never fails
	return hex.EncodeToString(raw)
}
