//go:build linux

package e2e

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// venv is a virtual environment with the published Python packages that a test
// drives: a directory that is made once and kept.
type venv struct{ dir string }

// python returns the environment whose packages, each with its version, are
// listed in testdata/python/NAME.txt. Where there is no network or no venv
// module, the test is skipped.
func python(t *testing.T, name string) *venv {
	t.Helper()
	if testing.Short() {
		t.Skip("end-to-end tests take long")
	}
	list, err := filepath.Abs(filepath.Join("testdata", "python", name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	packages, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	interpreter := program(t, "python3", "python3 python3-venv")
	version, err := exec.Command(interpreter, "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(append(version, packages...))
	v := &venv{filepath.Join(cacheDir(t), fmt.Sprintf("venv-%s-%x", name, sum[:6]))}
	done := v.dir + ".done"
	unlock := lockFile(t, v.dir+".lock")
	defer unlock()
	if _, err := os.Stat(done); err == nil {
		return v
	}
	began := time.Now()
	if out, err := exec.Command(interpreter, "-m", "venv", "--clear", v.dir).CombinedOutput(); err != nil {
		t.Skipf("no venv module here: apt install python3-venv\n%s", clip(string(out)))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, v.program("pip"), "install", "--quiet", "--disable-pip-version-check", "--no-input",
		"--no-deps", "--requirement", list).CombinedOutput()
	if err != nil {
		text := clip(string(out))
		for _, sign := range []string{"NewConnectionError", "ConnectTimeoutError", "Max retries exceeded", "ProxyError", "Temporary failure in name resolution"} {
			if strings.Contains(text, sign) {
				t.Skipf("no package index to be reached here\n%s", text)
			}
		}
		t.Fatalf("pip install: %v\n%s", err, text)
	}
	if err := os.WriteFile(done, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Logf("installed %s in %v", name, time.Since(began).Round(time.Second))
	return v
}

// program is a command of the environment.
func (v *venv) program(name string) string { return filepath.Join(v.dir, "bin", name) }

// lockFile keeps other processes of these tests out until unlock is called.
func lockFile(t *testing.T, file string) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		t.Fatal(err)
	}
	return func() { f.Close() }
}
