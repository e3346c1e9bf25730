package grade

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"time"

	"cupel.dev/cupel"
)

// askTimeout is how long a process may take for one request. Its own bound on
// a check is shorter, so a process that reaches this one hangs.
const askTimeout = 60 * time.Second

// deadError says that a grading process ended or broke its protocol.
type deadError struct{ cause error }

func (e *deadError) Error() string { return "grading process: " + e.cause.Error() }
func (e *deadError) Unwrap() error { return e.cause }

// proc is one grading process: an Exec that lasts, in a sandbox of its own.
// One caller at a time asks it.
type proc struct {
	in     *os.File
	out    *bufio.Reader
	outEnd *io.PipeReader
	cancel context.CancelFunc
	gone   chan struct{} // closed when the sandbox is given back
	err    error         // why, once gone
	stderr *head
}

// start borrows a sandbox and starts a process in it. It returns as soon as
// the program is being started, or with why it can't be.
func (p *procs) start(ctx context.Context) (*proc, error) {
	// A pipe of the system's: an engine may hand it to the program, which then
	// needs no copying, and whose end shows even when nothing was to be read.
	inReader, in, err := os.Pipe()
	if err != nil {
		return nil, cupel.Errorf(cupel.Exhausted, "start the grader", "%w", err)
	}
	inReader.Fd() // makes it blocking, as a program expects it
	outReader, out := io.Pipe()
	life, cancel := context.WithCancel(p.ctx)
	pr := &proc{in: in, out: bufio.NewReader(outReader), outEnd: outReader, cancel: cancel,
		gone: make(chan struct{}), stderr: &head{keep: 4096}}
	cmd := cupel.Cmd{
		Args:   []string{p.cfg.Python, "-c", graderStart},
		Env:    map[string]string{"PYTHONHASHSEED": "0"},
		Stdin:  inReader,
		Stdout: out,
		Stderr: pr.stderr,
	}
	p.mu.Lock()
	if p.ctx.Err() != nil {
		p.mu.Unlock()
		cancel()
		_, _ = in.Close(), inReader.Close()
		return nil, errClosed
	}
	p.all.Add(1)
	p.mu.Unlock()
	// An engine that copies stdin by itself waits for its end, even when the
	// program is gone.
	unhook := context.AfterFunc(life, func() { _ = in.Close() })
	started := make(chan struct{})
	go func() {
		defer p.all.Done()
		defer unhook()
		defer cancel()
		err := p.cfg.Grader.Run(life, func(ctx context.Context, sb cupel.Sandbox) error {
			close(started)
			res, err := sb.Exec(ctx, cmd)
			if err == nil {
				err = &deadError{fmt.Errorf("ended: %s, exit status %d %s", res.Status, res.ExitCode, res.Signal)}
			}
			return err
		})
		pr.err = err
		close(pr.gone)
		_ = out.CloseWithError(io.EOF)
		_ = inReader.Close()
		_ = in.Close()
	}()
	select {
	case <-started:
		source := binary.BigEndian.AppendUint32(nil, uint32(len(graderText)))
		if _, err := in.Write(append(source, graderText...)); err != nil {
			return nil, pr.why(err)
		}
		return pr, nil
	case <-pr.gone:
		return nil, pr.why(io.EOF)
	case <-ctx.Done():
		pr.end()
		return nil, cupel.Errorf(cupel.Canceled, "start the grader", "%w", context.Cause(ctx))
	}
}

// ask sends one request and reads one reply.
func (pr *proc) ask(ctx context.Context, req request, blob ...[]byte) (reply, error) {
	ctx, done := context.WithTimeoutCause(ctx, askTimeout, fmt.Errorf("no reply in %v", askTimeout))
	defer done()
	stop := context.AfterFunc(ctx, func() {
		_ = pr.in.Close()
		_ = pr.outEnd.CloseWithError(context.Cause(ctx))
	})
	defer stop()
	if err := writeMessage(pr.in, req, blob...); err != nil {
		return reply{}, pr.why(err)
	}
	rep, err := readMessage(pr.out)
	if err != nil {
		return reply{}, pr.why(err)
	}
	return rep, nil
}

// why is the error for a process that can't be used: the machine's where there
// is one, else a deadError.
func (pr *proc) why(seen error) error {
	pr.end()
	<-pr.gone
	if pr.err != nil && cupel.KindOf(pr.err) != cupel.Internal && cupel.KindOf(pr.err) != cupel.Canceled {
		return pr.err
	}
	if tail := brief(string(pr.stderr.data)); tail != "" {
		return &deadError{fmt.Errorf("%w (%s)", seen, tail)}
	}
	return &deadError{seen}
}

func (pr *proc) alive() bool {
	select {
	case <-pr.gone:
		return false
	default:
		return true
	}
}

// end stops the process without waiting for it.
func (pr *proc) end() {
	pr.cancel()
	_ = pr.in.Close()
	_ = pr.outEnd.Close()
}
