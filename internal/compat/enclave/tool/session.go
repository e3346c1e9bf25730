package tool

import (
	"context"
	_ "embed" // the driver
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"cupel.dev/cupel"
)

//go:embed cells.py
var cellsPy string

//go:embed driver.py
var driverPy string

// session is one life of a kernel: one Exec of the driver. The driver ends
// with its kernel, and with the Exec every process that a cell left.
type session struct {
	cancel context.CancelCauseFunc
	in     *io.PipeWriter
	frames *frames
	stderr tail
	ready  frame

	// done is closed when the Exec has ended; result and err are its own, and
	// broken is why we ended it.
	done   chan struct{}
	result cupel.Result
	err    error
	broken error
}

// startTime is how long a kernel may take to start, ipykernel on a machine
// that is busy included.
const startTime = time.Minute

// errClosed ends a session whose kernel was closed.
var errClosed = errors.New("the kernel was closed")

// startSession starts a driver and waits until it is ready. The session ends
// with life; ctx bounds the wait alone.
func startSession(ctx, life context.Context, sb cupel.Sandbox, cfg KernelConfig) (*session, error) {
	driver, err := json.Marshal(map[string]any{"max_output": cfg.MaxOutput, "grace": cfg.Grace.Seconds()})
	if err != nil {
		return nil, err
	}
	life, cancel := context.WithCancelCause(life)
	stdin, in := io.Pipe()
	s := &session{cancel: cancel, in: in, done: make(chan struct{})}
	s.frames = &frames{most: frameSize(cfg.MaxOutput), out: make(chan frame, 1), broken: func(err error) { cancel(err) }}
	cmd := cupel.Cmd{
		Args: []string{cfg.Python, "-c", cellsPy + driverPy, string(driver)},
		Env:  map[string]string{"PYTHONIOENCODING": "utf-8"},
		Dir:  cfg.Dir, Stdin: stdin, Stdout: s.frames, Stderr: &s.stderr, Limits: cfg.Limits,
	}
	go func() {
		defer close(s.done)
		s.result, s.err = sb.Exec(life, cmd)
		s.broken = context.Cause(life)
		stdin.Close()
		cancel(nil)
	}()
	if err := s.awaitReady(ctx); err != nil {
		s.end(err)
		return nil, err
	}
	return s, nil
}

// frameSize is what the driver's bounds come to once they are in JSON.
func frameSize(output cupel.Size) int { return 8*int(output) + 64<<10 }

func (s *session) awaitReady(ctx context.Context) error {
	late := time.NewTimer(startTime)
	defer late.Stop()
	select {
	case s.ready = <-s.frames.out:
		if s.ready.Ready != "" {
			return nil
		}
		return cupel.Errorf(cupel.Internal, "start the notebook kernel", "%w", errFrame)
	case <-late.C:
		return cupel.Errorf(cupel.Unavailable, "start the notebook kernel", "not ready after %v", startTime)
	case <-ctx.Done():
		return canceled(ctx, "start the notebook kernel")
	case <-s.done:
	}
	if s.err != nil {
		return s.err
	}
	why := fmt.Sprintf("its Python ended with status %s, exit %d", s.result.Status, s.result.ExitCode)
	if text := decode(s.stderr.b); text != "" {
		why += ": " + text
	}
	return cupel.Errorf(cupel.Unsupported, "start the notebook kernel", "%s", why).
		WithHint("notebook_executor needs Python 3.6 or later in the image")
}

// end ends the session and waits until all of it is gone.
func (s *session) end(cause error) {
	s.cancel(cause)
	_ = s.in.CloseWithError(io.EOF)
	<-s.done
}

// alive reports whether the session can take a cell.
func (s *session) alive() bool {
	select {
	case <-s.done:
		return false
	default:
		return len(s.frames.out) == 0 // else a cell has answered for the next
	}
}

// send writes a request. It does not wait: a driver that a cell has stopped
// never reads it, and the write ends with the session.
func (s *session) send(r request) error {
	line, err := json.Marshal(r)
	if err != nil {
		return err
	}
	go func() { _, _ = s.in.Write(append(line, '\n')) }()
	return nil
}

func canceled(ctx context.Context, op string) error {
	return &cupel.Error{Kind: cupel.Canceled, Op: op, Err: context.Cause(ctx)}
}
