package grade

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cupel.dev/cupel"
)

// processRunner lends "sandboxes" that are plain processes in a pid namespace
// and a fresh directory: enough to judge the judge, whatever the answers do to
// their parents, without an engine.
type processRunner struct{}

func (processRunner) Run(ctx context.Context, fn func(context.Context, cupel.Sandbox) error) error {
	dir, err := os.MkdirTemp("", "grade-test-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return fn(ctx, &processSandbox{dir: dir})
}

type processSandbox struct{ dir string }

// inNamespace makes sh process 1 of a namespace, with limits, and its child
// the program. $1 is CPU seconds.
const inNamespace = `ulimit -St "$1"; ulimit -v 2000000; ulimit -c 0; shift; "$@"; exit $?`

func (s *processSandbox) Exec(ctx context.Context, cmd cupel.Cmd) (cupel.Result, error) {
	limits := cupel.DefaultLimits().Merge(cmd.Limits)
	if cmd.Limits.Time == 0 {
		limits.Time = time.Hour
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limits.Time, errWall)
	defer cancel()
	cpu := fmt.Sprint(int(max(1, limits.CPUTime.Seconds()) + 0.5))
	args := append([]string{"-Urpf", "--kill-child", "sh", "-c", inNamespace, "sh", cpu}, cmd.Args...)
	for i, a := range args {
		if strings.HasPrefix(a, filepath.Dir(upstreamFile)) {
			args[i] = s.dir + a // a file that Put put there
		}
	}
	c := exec.CommandContext(ctx, "unshare", args...)
	c.Dir = s.dir
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "TMPDIR=" + s.dir, "LANG=C.UTF-8"}
	for k, v := range cmd.Env {
		c.Env = append(c.Env, k+"="+v)
	}
	out := &capped{w: cmd.Stdout, left: int64(limits.Output)}
	c.Stdin, c.Stdout, c.Stderr = cmd.Stdin, out, cmd.Stderr
	c.WaitDelay = time.Second
	err := c.Run()
	res := cupel.Result{Status: cupel.StatusOK, StdoutTruncated: out.truncated}
	var exit *exec.ExitError
	switch {
	case errors.Is(context.Cause(ctx), errWall):
		res.Status, res.ExitCode = cupel.StatusTimeLimit, -1
	case ctx.Err() != nil:
		return res, cupel.Errorf(cupel.Canceled, "exec", "%w", ctx.Err())
	case errors.As(err, &exit):
		res.Status, res.ExitCode = cupel.StatusNonzero, exit.ExitCode()
		if res.ExitCode == 128+24 {
			res.Status, res.ExitCode = cupel.StatusCPULimit, -1
		}
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return res, cupel.Errorf(cupel.Internal, "exec", "%w", err)
	}
	return res, nil
}

var errWall = errors.New("wall limit")

func (s *processSandbox) Put(_ context.Context, dir string, r io.Reader) error {
	dir = filepath.Join(s.dir, dir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	tr := tar.NewReader(r)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		data, err := io.ReadAll(tr)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, h.Name), data, 0o644); err != nil {
			return err
		}
	}
}

func (*processSandbox) ID() string   { return "process" }
func (*processSandbox) Close() error { return nil }
func (*processSandbox) Get(context.Context, string) (io.ReadCloser, error) {
	return nil, cupel.Errorf(cupel.Unsupported, "get", "not here")
}

// capped passes on so many bytes and drops the rest.
type capped struct {
	w         io.Writer
	left      int64
	truncated bool
}

func (c *capped) Write(p []byte) (int, error) {
	n := min(int64(len(p)), c.left)
	c.truncated = c.truncated || n < int64(len(p))
	c.left -= n
	if n > 0 && c.w != nil {
		_, _ = c.w.Write(p[:n])
	}
	return len(p), nil
}

// newGrader makes a Grader over plain processes, closed with the test.
func newGrader(t testing.TB, mode Mode) *Grader {
	t.Helper()
	needPython(t)
	g, err := New(Config{Candidate: always(processRunner{}), Grader: processRunner{}, Mode: mode, Python: testPython()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

// testPython is the real interpreter: a version manager's shim in front of it
// costs several times what it starts.
var testPython = sync.OnceValue(func() string {
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if err != nil {
		return "python3"
	}
	return string(bytes.TrimSpace(out))
})

var namespaces = sync.OnceValue(func() error {
	out, err := exec.Command("unshare", "-Urpf", "--kill-child", "true").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return nil
})

func needPython(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3 here")
	}
	if err := namespaces(); err != nil {
		t.Skip("answers may kill their parents, and unshare makes no namespaces for them here:", err)
	}
}

// each runs fn for every index on a few workers.
func each(n int, fn func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range 2 {
		wg.Go(func() {
			for i := range next {
				fn(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

func join(lines []string) string { return strings.Join(lines, "\n") }

// always lends from r, whatever the task.
func always(r Runner) func(Task) Runner { return func(Task) Runner { return r } }
