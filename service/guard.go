package service

import (
	"context"
	"errors"
	"io"
	"sync"

	"cupel.dev/cupel"
)

// guard stands before a sandbox that is given to a caller: after end nothing
// of the caller's reaches the sandbox any more, not even what it left running.
type guard struct {
	what string
	// ctx ends with the guard or with the service's patience.
	ctx    context.Context
	cancel context.CancelFunc

	mu      sync.Mutex
	closed  bool
	ops     sync.WaitGroup
	readers map[*reader]struct{}
}

// errShut is what a call after the end is told.
var errShut = errors.New("already closed")

func newGuard(parent context.Context, what string) *guard {
	g := &guard{what: what}
	g.ctx, g.cancel = context.WithCancel(parent)
	return g
}

// begin accepts a call and returns a context that ends with ctx or the guard.
// After a nil error the caller calls done.
func (g *guard) begin(ctx context.Context) (context.Context, func(), error) {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return nil, nil, g.refusal()
	}
	g.ops.Add(1)
	g.mu.Unlock()
	ctx, stop := joined(ctx, g.ctx)
	return ctx, func() { stop(); g.ops.Done() }, nil
}

// shut refuses new calls and cancels those under way.
func (g *guard) shut() {
	g.mu.Lock()
	g.closed = true
	readers := g.readers
	g.readers = nil
	g.mu.Unlock()
	g.cancel()
	for r := range readers {
		r.ReadCloser.Close()
		r.stop()
	}
}

// reader is an archive that the caller still reads. Its context lives as long.
type reader struct {
	io.ReadCloser
	guard *guard
	stop  func()
}

// get opens an archive that ends with the guard.
func (g *guard) get(ctx context.Context, sb cupel.Sandbox, path string) (io.ReadCloser, error) {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return nil, g.refusal()
	}
	g.ops.Add(1)
	g.mu.Unlock()
	defer g.ops.Done()
	ctx, stop := joined(ctx, g.ctx)
	rc, err := sb.Get(ctx, path)
	if err != nil {
		stop()
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		stop()
		rc.Close()
		return nil, g.refusal()
	}
	if g.readers == nil {
		g.readers = map[*reader]struct{}{}
	}
	r := &reader{rc, g, stop}
	g.readers[r] = struct{}{}
	return r, nil
}

func (r *reader) Close() error {
	r.guard.mu.Lock()
	delete(r.guard.readers, r)
	r.guard.mu.Unlock()
	defer r.stop()
	return r.ReadCloser.Close()
}

func (g *guard) refusal() error {
	return &cupel.Error{Kind: cupel.Closed, Op: g.what, Err: errShut}
}

// joined is a context with ctx's values that ends with either.
func joined(ctx, other context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(other, func() { cancel(context.Cause(other)) })
	return ctx, func() { stop(); cancel(nil) }
}
