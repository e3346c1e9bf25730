package hostimage

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"cupel.dev/cupel"
)

// asPlainUser is set in a test binary that was started again as another user.
const asPlainUser = "CUPEL_TEST_PLAIN_USER"

// TestThisMachine plans what is really here and looks for what must not be in
// it.
func TestThisMachine(t *testing.T) {
	plan, err := New(context.Background(), Config{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	checkBinds(t, plan)
	checkSkeleton(t, plan)
	if plan.Version == "" {
		t.Error("the plan has no version")
	}
	for _, p := range systemPath {
		if _, err := os.Stat(p); err == nil && !slices.Contains(plan.Path, p) {
			t.Errorf("PATH %v lacks %s", plan.Path, p)
		}
	}
}

func checkBinds(t *testing.T, plan Plan) {
	t.Helper()
	homes := homeDirs()
	for _, b := range plan.Binds {
		if b.Source != b.Target {
			t.Errorf("%s is shown as %s", b.Source, b.Target)
		}
		for _, h := range homes {
			if b.Source == h || below(h, b.Source) {
				t.Errorf("%s shows the home %s", b.Source, h)
			}
		}
		for _, secret := range []string{"/etc", "/var", "/proc", "/"} {
			if b.Source == secret {
				t.Errorf("%s is shown", secret)
			}
		}
	}
}

// checkSkeleton walks the skeleton: modes, owners, accounts, keys, and nothing
// below a home but the way to a bind.
func checkSkeleton(t *testing.T, plan Plan) {
	t.Helper()
	homes := homeDirs()
	err := filepath.WalkDir(plan.Skeleton, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		inside := "/" + strings.TrimPrefix(strings.TrimPrefix(path, plan.Skeleton), "/")
		fi, err := d.Info()
		if err != nil {
			return err
		}
		mode := fi.Mode()
		switch {
		case d.IsDir() && mode.Perm() != 0o755 && filepath.Base(inside) != "tmp":
			t.Errorf("%s: mode %v", inside, mode)
		case mode.IsRegular() && mode.Perm() != 0o644:
			t.Errorf("%s: mode %v", inside, mode)
		case mode&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeDevice|fs.ModeNamedPipe) != 0:
			t.Errorf("%s: mode %v", inside, mode)
		}
		if mode.IsRegular() {
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			if holdsKey(data) {
				t.Errorf("%s holds a private key", inside)
			}
		}
		for _, h := range homes {
			if below(inside, h) && !leadsTo(plan, inside) {
				t.Errorf("%s is below the home %s and leads to nothing", inside, h)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, gone := range []string{"etc/shadow", "etc/gshadow", "etc/ssh", "etc/sudoers", "etc/ssl/private", "etc/pip.conf", "etc/machine-id"} {
		if _, err := os.Lstat(filepath.Join(plan.Skeleton, gone)); err == nil {
			t.Errorf("%s is in the skeleton", gone)
		}
	}
	passwd, _ := os.ReadFile(filepath.Join(plan.Skeleton, "etc/passwd"))
	if n := strings.Count(string(passwd), "\n"); n != 3 {
		t.Errorf("etc/passwd has %d accounts, want our 3:\n%s", n, passwd)
	}
}

// leadsTo reports whether path is on the way to, or is, a bind or a link.
func leadsTo(plan Plan, path string) bool {
	return slices.ContainsFunc(plan.Binds, func(b Bind) bool { return b.Target == path || below(b.Target, path) }) ||
		slices.ContainsFunc(plan.Links, func(l Link) bool { return l.Path == path || below(l.Path, path) })
}

// TestPlainUser runs TestThisMachine and TestInside again as another user, who
// can't see root's home.
func TestPlainUser(t *testing.T) {
	if os.Getenv(asPlainUser) != "" {
		t.Skip("is that user")
	}
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user; TestThisMachine ran as one")
	}
	dir, err := os.MkdirTemp("", "hostimage")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	const id = 65534
	if err := os.Chown(dir, id, id); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "test")
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bin, data, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-test.run=^(TestThisMachine|TestInside|TestRootsHomeIsClosed)$", "-test.v")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), asPlainUser+"=1", "TMPDIR="+dir, "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: id, Gid: id}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestRootsHomeIsClosed") {
		t.Fatalf("as uid %d: %v\n%s", id, err, out)
	}
	if strings.Contains(string(out), "--- SKIP: TestInside") {
		t.Logf("as uid %d: %s", id, out)
	}
}

func TestRootsHomeIsClosed(t *testing.T) {
	if os.Getenv(asPlainUser) == "" {
		t.Skip("run by TestPlainUser")
	}
	plan, err := New(context.Background(), Config{CacheDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range plan.Binds {
		if below(b.Source, "/root") {
			t.Errorf("%s is shown to a user who can't open it", b.Source)
		}
	}
	for _, p := range plan.Path {
		if below(p, "/root") {
			t.Errorf("PATH has %s", p)
		}
	}
}

func TestBadCacheDirectory(t *testing.T) {
	open := filepath.Join(t.TempDir(), "cache")
	if err := os.MkdirAll(filepath.Join(open, "host"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(open, "host"), 0o777); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]cupel.Kind{"": cupel.Invalid, open: cupel.Unavailable, file: cupel.Unavailable} {
		if _, err := New(context.Background(), Config{CacheDir: dir}); cupel.KindOf(err) != want {
			t.Errorf("CacheDir %q: %v, want kind %s", dir, err, want)
		}
	}
}
