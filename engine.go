package cupel

import (
	"context"
	"io"
)

// Engine makes sandboxes. An Engine is safe for concurrent use. It is opened
// once per configuration and shared; whoever opened it closes it.
type Engine interface {
	// Name is the engine's name as users write it: "native", "docker", …
	Name() string

	// Create makes a fresh sandbox from spec, which is merged over
	// DefaultSpec and validated first. Errors are *Error: Invalid or
	// Unsupported when the spec can't be honoured (never ignored), NotFound
	// when the image isn't there, Unavailable, Exhausted or Internal when the
	// machine failed, Closed after Close, Canceled when ctx ended first.
	// A failed Create leaves nothing behind.
	Create(ctx context.Context, spec Spec) (Sandbox, error)

	// Close ends every sandbox that is still open and releases what the
	// engine holds. It is idempotent and returns after all is gone.
	Close() error
}

// Sandbox is one isolated place where programs run. All methods are safe for
// concurrent use; several Execs may run at once and share the sandbox's files,
// network and memory of them, never their processes.
type Sandbox interface {
	// ID names the sandbox, unique within its engine.
	ID() string

	// Exec runs cmd to its end. It returns after every process that the
	// program started is dead, detached ones included. The error is non-nil
	// only when the machine failed (or ctx ended: kind Canceled, and the
	// Result holds what was seen until then); a program that crashed, was
	// not found or hit a limit is a Result with a nil error.
	Exec(ctx context.Context, cmd Cmd) (Result, error)

	// Put unpacks a tar stream below dir, an absolute path inside the
	// sandbox that is created if missing. No entry and no link already
	// there can lead out of the sandbox. Entries that can't be made
	// (devices, names with "..") are refused with kind Invalid before
	// anything later in the stream is written.
	Put(ctx context.Context, dir string, tar io.Reader) error

	// Get streams path, a file or a directory tree inside the sandbox, as a
	// tar whose names are relative to path's parent. It follows no link.
	// Sockets, FIFOs and devices are left out. The caller closes the reader.
	// A path that isn't there is kind NotFound.
	Get(ctx context.Context, path string) (io.ReadCloser, error)

	// Close ends what runs and removes the sandbox. It is idempotent.
	Close() error
}

// Resetter is a Sandbox that can be made pristine again.
type Resetter interface {
	// Reset ends what runs, discards every change and proves by a check that
	// the sandbox is as it was when created. After an error the sandbox is
	// unusable and must be closed.
	Reset(ctx context.Context) error
}

// Isolator is an Engine or a Sandbox that can say how it isolates.
type Isolator interface {
	Isolation() Isolation
}
