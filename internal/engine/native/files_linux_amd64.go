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

// A tree that Get streams is at most this large: a sparse file costs its
// program nothing.
const (
	maxGetBytes   = 64 << 30
	maxGetEntries = 10_000_000
)

// Put unpacks a tar below dir.
func (s *Sandbox) Put(ctx context.Context, dir string, r io.Reader) error {
	h, err := s.hold("put")
	if err != nil {
		return err
	}
	defer h.release()
	// The archive's reader may block for ever; ctx, Close and Reset end the
	// copy from the other side of a pipe.
	pr, pw := io.Pipe()
	defer pr.Close()
	go func() {
		_, err := io.Copy(pw, r)
		pw.CloseWithError(err)
	}()
	defer context.AfterFunc(ctx, func() { pr.CloseWithError(ctx.Err()) })()
	go func() {
		select {
		case <-h.stopped:
			pr.CloseWithError(errClosed("put"))
		case <-h.released:
		}
	}()
	limits := s.spec.Limits
	err = s.engine.ids.AsRoot(func() error {
		return tree.Put(h.space.Root(), dir, pr, tree.PutOptions{IDs: s.engine.fileIDs(),
			MaxEntries: limits.Inodes, MaxBytes: int64(limits.Disk)})
	})
	return fileError(ctx, "put "+dir, err)
}

// Get streams path as a tar.
func (s *Sandbox) Get(ctx context.Context, path string) (io.ReadCloser, error) {
	h, err := s.hold("get")
	if err != nil {
		return nil, err
	}
	body, err := tree.Get(h.space.Root(), path, tree.GetOptions{IDs: s.engine.fileIDs(),
		MaxEntries: maxGetEntries, MaxBytes: maxGetBytes})
	if err != nil {
		h.release()
		return nil, fileError(ctx, "get "+path, err)
	}
	out := &archive{ReadCloser: body, hold: h}
	// The caller may leave the reader open; ctx, Close and Reset end it.
	go func() {
		select {
		case <-ctx.Done():
		case <-h.stopped:
		case <-h.released:
		}
		_ = out.Close()
	}()
	return out, nil
}

// hold is a use of the sandbox's files. It keeps the space open.
type hold struct {
	*run
	space    *space.Space
	released chan struct{}
	once     sync.Once
}

func (s *Sandbox) hold(op string) (*hold, error) {
	h := &hold{run: &run{sandbox: s, stopped: make(chan struct{})}, released: make(chan struct{})}
	var err error
	h.space, _, err = s.begin(h.run, false)
	if cupel.KindOf(err) == cupel.Closed {
		err = errClosed(op)
	}
	return h, err
}

func (h *hold) release() {
	h.once.Do(func() {
		close(h.released)
		h.sandbox.end(h.run)
	})
}

// archive is what Get returns.
type archive struct {
	io.ReadCloser
	hold *hold
}

// Close ends the stream and lets go of the sandbox.
func (a *archive) Close() error {
	err := a.ReadCloser.Close()
	a.hold.release()
	return err
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
	case cupel.KindOf(err) == cupel.Closed:
		return errClosed(op)
	case errors.Is(err, os.ErrNotExist):
		return &cupel.Error{Kind: cupel.NotFound, Op: op, Err: err}
	case errors.Is(err, tree.ErrRefused), errors.Is(err, tree.ErrTooMuch),
		errors.Is(err, tar.ErrHeader), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR), errors.Is(err, syscall.ELOOP),
		errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.ENAMETOOLONG):
		return &cupel.Error{Kind: cupel.Invalid, Op: op, Err: err}
	case errors.Is(err, syscall.ENOSPC):
		return &cupel.Error{Kind: cupel.Exhausted, Op: op, Err: err, Hint: "the sandbox's disk limit is reached; raise it"}
	}
	return &cupel.Error{Kind: cupel.Internal, Op: op, Err: err}
}
