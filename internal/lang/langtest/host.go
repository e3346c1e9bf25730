// Package langtest runs programs of tests on this machine itself, without any
// isolation. Only a test's own programs may run there.
package langtest

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cupel.dev/cupel"
)

// Sandbox returns a sandbox made from spec whose programs are processes of this
// machine, in a temporary folder. A program whose name is in missing is not
// found, and an argument that names a file of the sandbox is made to. Of the
// limits there is only wall time.
func Sandbox(t testing.TB, spec cupel.Spec, missing ...string) cupel.Sandbox {
	t.Helper()
	spec, err := spec.Normalize()
	if err != nil {
		t.Fatal(err)
	}
	return &sandbox{root: t.TempDir(), spec: spec, missing: missing}
}

type sandbox struct {
	root    string
	spec    cupel.Spec
	missing []string
}

var _ cupel.Sandbox = (*sandbox)(nil)

func (s *sandbox) ID() string   { return s.root }
func (s *sandbox) Close() error { return nil }

func (s *sandbox) Exec(ctx context.Context, cmd cupel.Cmd) (cupel.Result, error) {
	limits, err := s.spec.Limits.Tighten(cmd.Limits)
	if err != nil {
		return cupel.Result{}, err
	}
	if slices.Contains(s.missing, cmd.Args[0]) {
		return exited(127), nil
	}
	dir := cmd.Dir
	if dir == "" {
		dir = s.spec.Dir
	}
	cmd.Args = slices.Clone(cmd.Args)
	for i, arg := range cmd.Args {
		if _, err := os.Stat(filepath.Join(s.root, arg)); err == nil && filepath.IsAbs(arg) {
			cmd.Args[i] = filepath.Join(s.root, arg)
		}
	}
	return execute(ctx, filepath.Join(s.root, dir), cmd, limits)
}

func (s *sandbox) Put(_ context.Context, dir string, archive io.Reader) error {
	return unpack(filepath.Join(s.root, dir), archive)
}

func (s *sandbox) Get(_ context.Context, path string) (io.ReadCloser, error) {
	return nil, cupel.Errorf(cupel.NotFound, "get", "%s", path)
}

// searchPath is PATH with the real python3's folder first: what stands there
// may be a script that takes a second to find it.
var searchPath = sync.OnceValue(func() string {
	path := os.Getenv("PATH")
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	if real := strings.TrimSpace(string(out)); err == nil && filepath.IsAbs(real) {
		path = filepath.Dir(real) + ":" + path
	}
	return path
})

func exited(code int) cupel.Result {
	if code == 0 {
		return cupel.Result{Status: cupel.StatusOK}
	}
	return cupel.Result{Status: cupel.StatusNonzero, ExitCode: code}
}

func unpack(dir string, archive io.Reader) error {
	r := tar.NewReader(archive)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		path := filepath.Join(dir, h.Name)
		if !filepath.IsLocal(h.Name) {
			return cupel.Invalidf("file", h.Name, "it leads out of the sandbox")
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := os.WriteFile(path, content, h.FileInfo().Mode()); err != nil {
			return err
		}
	}
}

func execute(ctx context.Context, dir string, cmd cupel.Cmd, limits cupel.Limits) (cupel.Result, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return cupel.Result{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, limits.Time)
	defer cancel()
	c := exec.CommandContext(ctx, cmd.Args[0], cmd.Args[1:]...)
	c.Dir, c.Stdin, c.Stdout, c.Stderr = dir, cmd.Stdin, cmd.Stdout, cmd.Stderr
	c.WaitDelay = time.Second
	c.Env = append(os.Environ(), "LANG=C.UTF-8", "PATH="+searchPath())
	for k, v := range cmd.Env {
		c.Env = append(c.Env, k+"="+v)
	}
	err := c.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return cupel.Result{Status: cupel.StatusTimeLimit, ExitCode: -1, LimitsHit: []cupel.LimitName{cupel.LimitTime}}, nil
	case err == nil:
		return exited(0), nil
	case !errors.As(err, &exit):
		return exited(127), nil
	}
	status := exit.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return cupel.Result{Status: cupel.StatusSignaled, ExitCode: -1, Signal: signalName(status.Signal())}, nil
	}
	return exited(exit.ExitCode()), nil
}

func signalName(s syscall.Signal) string {
	switch s {
	case syscall.SIGSEGV:
		return "SIGSEGV"
	case syscall.SIGKILL:
		return "SIGKILL"
	case syscall.SIGABRT:
		return "SIGABRT"
	}
	return "SIG" + strings.ToUpper(s.String())
}
