//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// place is where programs run.
type place interface {
	// command is a program in the place, with its environment and a private
	// cache and temporary directory; the context bounds it.
	command(ctx context.Context, t *testing.T, program string, args ...string) *exec.Cmd
}

// outcome is what a program in a place did.
type outcome struct {
	stdout, stderr string
	status         int
}

// patience bounds every program of these tests.
const patience = 10 * time.Minute

func runIn(t *testing.T, p place, program string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return run(t, p.command(ctx, t, program, args...))
}

// run runs cmd to its end. Only a program that can't be started is the test's
// failure.
func run(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v\n%s", cmd.Path, err, &stderr)
	}
	return outcome{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// host is this machine as one of its users.
type host struct {
	uid int
	// dir is the user's own: HOME, cache and temporary files are in it.
	dir string
	env []string
}

// as returns this machine as user uid, who must be the present one or root.
func as(t *testing.T, uid int) *host {
	t.Helper()
	dir, err := os.MkdirTemp("", "cupel-e2e-home-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"", "tmp", "cache", "data"} {
		sub := filepath.Join(dir, name)
		if err := os.MkdirAll(sub, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(sub, uid, uid); uid != os.Geteuid() && err != nil {
			t.Fatal(err)
		}
	}
	return &host{uid: uid, dir: dir}
}

func (h *host) path(elem ...string) string {
	return filepath.Join(append([]string{h.dir}, elem...)...)
}

func (h *host) command(ctx context.Context, _ *testing.T, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = h.dir
	cmd.Env = append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
		"HOME=" + h.dir, "TMPDIR=" + h.path("tmp"), "CUPEL_CACHE=" + h.path("cache"), "CUPEL_HOME=" + h.path("data"),
	}, h.env...)
	if h.uid != os.Geteuid() {
		id := uint32(h.uid)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	}
	return cmd
}

// decodeJSON reads what cupel printed with --json.
func decodeJSON[T any](t *testing.T, out outcome) (doc T) {
	t.Helper()
	if err := json.Unmarshal([]byte(out.stdout), &doc); err != nil {
		t.Fatalf("exit %d, no JSON: %v\n%s%s", out.status, err, clip(out.stdout), out.stderr)
	}
	return doc
}

// clip keeps long output out of messages.
func clip(s string) string {
	const most = 4000
	if len(s) > most {
		return s[:most/2] + "\n…\n" + s[len(s)-most/2:]
	}
	return s
}
