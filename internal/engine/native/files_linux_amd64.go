package native

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/linux/space"
	"cupel.dev/cupel/internal/linux/tree"
)

// Put and Get walk the sandbox's files from here, by a handle on its root.

// Put unpacks a tar below dir.
func (s *Sandbox) Put(ctx context.Context, dir string, r io.Reader) error {
	sp, done, err := s.hold("put")
	if err != nil {
		return err
	}
	defer done()
	err = s.engine.ids.AsRoot(func() error {
		return tree.Put(sp.Root(), dir, contextReader{ctx, r}, tree.PutOptions{IDs: s.engine.fileIDs()})
	})
	return fileError(ctx, "put "+dir, err)
}

// Get streams path as a tar.
func (s *Sandbox) Get(ctx context.Context, path string) (io.ReadCloser, error) {
	sp, done, err := s.hold("get")
	if err != nil {
		return nil, err
	}
	body, err := tree.Get(sp.Root(), path, tree.GetOptions{IDs: s.engine.fileIDs()})
	if err != nil {
		done()
		return nil, fileError(ctx, "get "+path, err)
	}
	return &heldReader{ReadCloser: body, done: done}, nil
}

// hold keeps the space from being closed until done is called.
func (s *Sandbox) hold(op string) (sp *space.Space, done func(), err error) {
	r := &run{sandbox: s, stopped: make(chan struct{})}
	s.mu.Lock()
	used := s.used
	s.mu.Unlock()
	sp, _, err = s.begin(r)
	if err != nil {
		return nil, nil, errClosed(op)
	}
	s.mu.Lock()
	s.used = used // files are not runs
	s.mu.Unlock()
	return sp, sync.OnceFunc(func() { s.end(r) }), nil
}

type heldReader struct {
	io.ReadCloser
	done func()
}

func (h *heldReader) Close() error {
	defer h.done()
	return h.ReadCloser.Close()
}

// contextReader ends a copy when ctx does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// fileIDs maps owners in archives to the host's.
func (e *Engine) fileIDs() tree.IDs {
	if e.ids.Single() {
		return tree.IDs{}
	}
	to := func(base int) func(int) (int, bool) {
		return func(id int) (int, bool) { return base + id, e.ids.Has(id) }
	}
	from := func(host, base int) int {
		if e.ids.Has(host - base) {
			return host - base
		}
		return 0 // the host's own, such as those of the host image: root's
	}
	return tree.IDs{UID: to(e.ids.UIDBase), GID: to(e.ids.GIDBase),
		Inside: func(uid, gid int) (int, int) { return from(uid, e.ids.UIDBase), from(gid, e.ids.GIDBase) }}
}

func fileError(ctx context.Context, op string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &cupel.Error{Kind: cupel.Canceled, Op: op, Err: err}
	case errors.Is(err, os.ErrNotExist):
		return &cupel.Error{Kind: cupel.NotFound, Op: op, Err: err}
	case errors.Is(err, tree.ErrRefused), errors.Is(err, tree.ErrTooMuch),
		errors.Is(err, tar.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP):
		return &cupel.Error{Kind: cupel.Invalid, Op: op, Err: err}
	case errors.Is(err, syscall.ENOSPC):
		return &cupel.Error{Kind: cupel.Exhausted, Op: op, Err: err, Hint: "the sandbox's disk limit is reached; raise it"}
	}
	return &cupel.Error{Kind: cupel.Internal, Op: op, Err: err}
}
