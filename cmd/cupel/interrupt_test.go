package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// start runs this test binary as cupel, with the arguments.
func start(t *testing.T, stdout io.Writer, args ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "cupel", args...)
	stderr := new(bytes.Buffer)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, stderr
}

func waitForFile(t *testing.T, path string) {
	t.Helper()
	for range 1000 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s did not come", path)
}

// exitStatusOf waits for cmd to end.
func exitStatusOf(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

func TestInterrupted(t *testing.T) {
	for _, tt := range []struct {
		signal syscall.Signal
		want   int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}, {syscall.SIGHUP, 129}} {
		marker := filepath.Join(t.TempDir(), "started")
		cmd, stderr := start(t, nil, "run", "--engine", "fake", "--", "wait", marker)
		waitForFile(t, marker)
		// Twice in a row, as timeout(1) does.
		for range 2 {
			if err := cmd.Process.Signal(tt.signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Fatal(err)
			}
		}
		if got := exitStatusOf(t, cmd); got != tt.want || !strings.Contains(stderr.String(), "interrupted by") {
			t.Errorf("after %v the exit status is %d, want %d; stderr: %s", tt.signal, got, tt.want, stderr)
		}
	}
}

// A reader that has seen enough ends the run, silently, as it ends any other
// program in a pipeline.
func TestClosedPipeEndsTheRun(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd, stderr := start(t, w, "run", "--engine", "fake", "--", "yes")
	_ = w.Close()
	if _, err := io.ReadFull(r, make([]byte, 4)); err != nil {
		t.Error(err)
	}
	_ = r.Close()
	if got, want := exitStatusOf(t, cmd), 128+int(syscall.SIGPIPE); got != want {
		t.Errorf("exit status %d, want %d", got, want)
	}
	if stderr.Len() > 0 {
		t.Errorf("stderr: %s", stderr)
	}
}

// An evaluation that is interrupted keeps what was finished, says how to go
// on, and does so.
func TestInterruptedEvalGoesOn(t *testing.T) {
	if err := nativeWorks(); err != nil {
		t.Skipf("the native engine does not work here: %v", err)
	}
	dir := t.TempDir()
	t.Setenv("CUPEL_CACHE", t.TempDir())
	answers, out := filepath.Join(dir, "answers.jsonl"), filepath.Join(dir, "run")
	lines := `{"task_id": "bash-sum", "completion": "echo 1"}` + "\n" +
		strings.Repeat(`{"task_id": "bash-sum", "completion": "sleep 60"}`+"\n", 4)
	if err := os.WriteFile(answers, []byte(lines), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"eval", "--datasets", "demo", "--model", "replay:" + answers, "--out", out, "--eval-batch-size", "1"}
	cmd, stderr := start(t, nil, args...)
	attempts := filepath.Join(out, "attempts.jsonl")
	for range 1000 {
		if info, err := os.Stat(attempts); err == nil && info.Size() > 0 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := exitStatusOf(t, cmd); got != 143 {
		t.Errorf("exit status %d, want 143; stderr: %s", got, stderr)
	}
	if !strings.Contains(stderr.String(), "--out "+out+" goes on from there") {
		t.Errorf("stderr doesn't say how to go on: %s", stderr)
	}
	kept, err := os.ReadFile(attempts)
	if err != nil || bytes.Count(kept, []byte("\n")) == 0 || bytes.Count(kept, []byte("\n")) > 4 {
		t.Errorf("attempts kept: %q, %v", kept, err)
	}
	cmd, stderr = start(t, nil, append(args, "--repeats", "1")...)
	if got := exitStatusOf(t, cmd); got != 0 || !strings.Contains(stderr.String(), "resuming: 1 of 1") {
		t.Errorf("going on: exit status %d, stderr: %s", got, stderr)
	}
}
