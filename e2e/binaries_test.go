//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"sync"
	"testing"
)

// bin is a directory that every user may read, for what is built once.
var bin string

func TestMain(m *testing.M) {
	becomeSubreaper()
	os.Exit(func() int {
		var err error
		if bin, err = os.MkdirTemp("", "cupel-e2e-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(bin)
		if err := os.Chmod(bin, 0o755); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

// builds remembers what was built, and with which outcome.
var builds sync.Map

// built returns the path of a program of this module: a package with a main,
// or with "test" before it the test binary of a package.
func built(t *testing.T, what ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("end-to-end tests take long")
	}
	pkg := what[len(what)-1]
	name, args := path.Base(pkg), []string{"build"}
	if what[0] == "test" {
		name, args = name+".test", []string{"test", "-c"}
	}
	file := filepath.Join(bin, name)
	once, _ := builds.LoadOrStore(file, sync.OnceValue(func() error {
		cmd := exec.Command("go", append(args, "-o", file, "./"+pkg)...)
		cmd.Dir = ".."
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", pkg, err, out)
		}
		return nil
	}))
	if err := once.(func() error)(); err != nil {
		t.Fatal(err)
	}
	return file
}

func cupelBinary(t *testing.T) string {
	t.Helper()
	return built(t, "cmd/cupel")
}

func testBinary(t *testing.T, pkg string) string {
	t.Helper()
	return built(t, "test", pkg)
}

// cacheDir is where root file systems and kernels are kept between runs.
func cacheDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("CUPEL_E2E_CACHE")
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			t.Fatal(err)
		}
		dir = filepath.Join(base, "cupel-e2e")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// program finds a tool, also where a plain login's PATH doesn't look.
func program(t *testing.T, name, debian string) string {
	t.Helper()
	for _, dir := range []string{"/usr/bin", "/usr/sbin"} {
		if file := filepath.Join(dir, name); executable(file) {
			return file
		}
	}
	file, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("no %s here: apt install %s", name, debian)
	}
	return file
}

func executable(file string) bool {
	st, err := os.Stat(file)
	return err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0
}
