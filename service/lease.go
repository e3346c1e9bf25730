package service

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"cupel.dev/cupel"
)

// Lease is a borrowed sandbox, as the function given to Pool.Run sees it. Once
// that function has returned, its methods are kind Closed.
type Lease struct {
	pool    *Pool
	sandbox *admitted
	guard   *guard
	warm    bool
	waited  atomic.Int64
	broken  atomic.Bool
}

var _ cupel.Sandbox = (*Lease)(nil)

// ID names the sandbox.
func (l *Lease) ID() string { return l.sandbox.ID() }

// Waited is how long the borrower waited until now: for the sandbox, and for
// its programs to be admitted.
func (l *Lease) Waited() time.Duration { return time.Duration(l.waited.Load()) }

func (l *Lease) addWait(d time.Duration) { l.waited.Add(int64(d)) }

// Exec runs cmd once it is admitted.
func (l *Lease) Exec(ctx context.Context, cmd cupel.Cmd) (cupel.Result, error) {
	ctx, done, err := l.guard.begin(ctx)
	if err != nil {
		return cupel.Result{}, err
	}
	defer done()
	res, err := l.sandbox.Exec(ctx, cmd)
	l.note(err)
	if l.warm {
		res.Startup = cupel.StartupWarm
	}
	return res, err
}

// Put unpacks a tar stream below dir.
func (l *Lease) Put(ctx context.Context, dir string, tar io.Reader) error {
	ctx, done, err := l.guard.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	err = l.sandbox.Put(ctx, dir, tar)
	l.note(err)
	return err
}

// Get streams path as a tar. The reader ends with the lease.
func (l *Lease) Get(ctx context.Context, path string) (io.ReadCloser, error) {
	rc, err := l.guard.get(ctx, l.sandbox, path)
	l.note(err)
	return rc, err
}

// Close does nothing: the pool takes the sandbox back by itself.
func (l *Lease) Close() error { return nil }

// note remembers an error after which the sandbox is not trusted any more.
func (l *Lease) note(err error) {
	if errors.Is(err, errShut) {
		return
	}
	switch cupel.KindOf(err) {
	case cupel.Internal, cupel.Unavailable, cupel.Closed:
		l.broken.Store(true)
	}
}
