package hostimage

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// insideRoot makes a re-executed test binary mount the plan below the directory
// it names, go in and run its arguments. It stands in for the engine.
const insideRoot = "CUPEL_TEST_INSIDE"

func TestMain(m *testing.M) {
	if root := os.Getenv(insideRoot); root != "" {
		fmt.Fprintln(os.Stderr, goInside(root, os.Args[1:]))
		os.Exit(99)
	}
	os.Exit(m.Run())
}

// goInside reads binds as SOURCE=TARGET from its first arguments up to "--".
func goInside(root string, args []string) error {
	if err := syscall.Mount(os.Getenv("SKELETON"), root, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("bind the skeleton: %w", err)
	}
	for args[0] != "--" {
		source, target, _ := strings.Cut(args[0], "=")
		if err := syscall.Mount(source, root+target, "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
			return fmt.Errorf("bind %s: %w", target, err)
		}
		args = args[1:]
	}
	if err := syscall.Mount("/dev/null", root+"/dev/null", "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind /dev/null: %w", err)
	}
	if err := syscall.Mount("/proc", root+"/proc", "", syscall.MS_BIND|syscall.MS_REC, ""); err != nil {
		return fmt.Errorf("bind /proc: %w", err)
	}
	if err := syscall.Chroot(root); err != nil {
		return err
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	path, err := exec.LookPath(args[1])
	if err != nil {
		return err
	}
	return syscall.Exec(path, args[1:], os.Environ())
}

// inside runs args in a mount namespace that shows plan and nothing else.
func inside(t *testing.T, plan Plan, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	for _, b := range plan.Binds {
		cmd.Args = append(cmd.Args, b.Source+"="+b.Target)
	}
	cmd.Args = append(append(cmd.Args, "--"), args...)
	cmd.Env = []string{insideRoot + "=" + t.TempDir(), "SKELETON=" + plan.Skeleton, "HOME=/root", "PATH=" + strings.Join(plan.Path, ":")}
	for k, v := range plan.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, stderr.String())
	}
	return strings.TrimSpace(stdout.String()), nil
}

// TestInside mounts the plan and asks every interpreter found for its version:
// each must start from what the plan shows alone.
func TestInside(t *testing.T) {
	plan, err := New(context.Background(), Config{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inside(t, plan, "/bin/sh", "-c", ":"); err != nil {
		if strings.Contains(err.Error(), "operation not permitted") {
			t.Skipf("no user namespace here: %v", err)
		}
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"python3": {"-c", "import ssl, sqlite3, json, sys; print(sys.executable)"},
		"node":    {"-e", "console.log(process.execPath)"},
		"go":      {"version"},
		"gcc":     {"--version"},
		"c++":     {"--version"},
		"rustc":   {"--version"},
		"java":    {"-version"},
		"perl":    {"-MPOSIX", "-e", "print $^X"},
	} {
		if _, ok := plan.Tools[name]; !ok {
			continue
		}
		out, err := inside(t, plan, append([]string{name}, args...)...)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %s", name, out)
	}
	if out, err := inside(t, plan, "/bin/sh", "-c", "ls -A /root /home /work"); err != nil || strings.Contains(out, ".ssh") {
		t.Errorf("homes: %s %v", out, err)
	}
	for _, secret := range []string{"/etc/shadow", "/root/.bashrc", "/root/.pyenv/version", filepath.Join(os.Getenv("HOME"), ".npmrc")} {
		if out, err := inside(t, plan, "/bin/sh", "-c", `test ! -e "$0"`, secret); err != nil {
			t.Errorf("%s is there: %s %v", secret, out, err)
		}
	}
}
