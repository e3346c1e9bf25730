package service

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"cupel.dev/cupel"
)

// ErrWaited is in the chain of the error, of kind Exhausted, that ends a wait
// which WithMaxWait bounds.
var ErrWaited = errors.New("waited too long")

// patience is how long a caller still waits, over all its waits.
type patience struct{ left atomic.Int64 }

type patienceKey struct{}

// WithMaxWait returns a context whose calls wait for a sandbox and for the
// admission of their programs no longer than d, summed up. The programs' own
// time doesn't count. A wait that ends so is kind Exhausted and errors.Is
// ErrWaited.
func WithMaxWait(ctx context.Context, d time.Duration) context.Context {
	p := &patience{}
	p.left.Store(int64(d))
	return context.WithValue(ctx, patienceKey{}, p)
}

// waiting bounds ctx for one wait by what patience is left. The caller calls
// stop at the wait's end.
func waiting(ctx context.Context) (_ context.Context, stop func()) {
	p, ok := ctx.Value(patienceKey{}).(*patience)
	if !ok {
		return ctx, func() {}
	}
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, time.Duration(p.left.Load()), ErrWaited)
	return ctx, func() { cancel(); p.left.Add(-int64(time.Since(began))) }
}

// canceled is the error of a wait that ctx ended.
func canceled(ctx context.Context, op string) error {
	kind, cause := cupel.Canceled, context.Cause(ctx)
	if errors.Is(cause, ErrWaited) {
		kind = cupel.Exhausted
	}
	return &cupel.Error{Kind: kind, Op: op, Err: cause}
}
