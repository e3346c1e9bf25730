//go:build linux

package probe

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"cupel.dev/cupel/internal/linux/seccomp"
)

// A place is spoiled for good by what some tests need, so that they run the
// test binary again with placeEnv naming what to do before probing.
const placeEnv = "CUPEL_PROBE_TEST_PLACE"

func TestMain(m *testing.M) {
	place, child := os.LookupEnv(placeEnv)
	if !child { // a child never runs the tests: they would start children again
		os.Exit(m.Run())
	}
	if err := spoil(place); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(9)
	}
	lo, n := IDRange()
	_ = json.NewEncoder(os.Stdout).Encode(found{All(context.Background()), lo, n})
	os.Exit(0)
}

// found is what the child prints.
type found struct {
	Abilities []Ability
	Lo, N     uint32
}

func (f found) ability(t *testing.T, name string) Ability {
	t.Helper()
	for _, a := range f.Abilities {
		if a.Name == name {
			return a
		}
	}
	t.Fatalf("no ability %q", name)
	return Ability{}
}

func spoil(place string) error {
	switch place {
	case "filtered":
		runtime.LockOSThread()
		prog, err := seccomp.Filter(seccomp.Policy{})
		if err != nil {
			return err
		}
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
		fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: &prog[0]}
		_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER,
			unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
		return asError(errno)
	case "exhausted":
		return os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0)
	case "as it is":
		return nil
	}
	return fmt.Errorf("unknown place %q", place)
}

// probeIn runs All in a process of its own.
func probeIn(t *testing.T, place string, attr *syscall.SysProcAttr) found {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if attr != nil && attr.Credential != nil { // who may not read our build directory
		exe = publicCopy(t, exe)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), placeEnv+"="+place)
	cmd.SysProcAttr = attr
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var f found
	if err := json.Unmarshal(out, &f); err != nil {
		t.Fatal(err)
	}
	return f
}

func publicCopy(t *testing.T, exe string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "probe") // t.TempDir is below a private one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	b, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "probe.test")
	if err := os.WriteFile(path, b, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

// needUserNamespaces skips where there are none, with the reason.
func needUserNamespaces(t *testing.T) {
	t.Helper()
	tiny := openTiny()
	defer tiny.close()
	if a := (namespaces{t.Context(), tiny, thisPlace()}).user(); !a.OK {
		t.Skipf("%s: %s (%s)", a.Name, a.Detail, a.Fix)
	}
}

var order = []string{
	"user namespace", "id range", "pid namespace", "mount namespace", "net namespace", "ipc namespace",
	"uts namespace", "cgroup namespace", "no_new_privs", "seccomp filter", "landlock", "pidfd_open",
	"setns by pidfd", "clone3 clear sighand", "close_range", "openat2", "mount_setattr", "memfd exec",
}

// All names everything in order, gives a reason for each no, and leaves this
// process as it was.
func TestAll(t *testing.T) {
	before := snapshot(t)
	abilities := All(t.Context())
	if after := snapshot(t); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	var got []string
	for _, a := range abilities {
		got = append(got, a.Name)
		t.Logf("%+v", a)
		if !a.OK && a.Detail == "" || a.OK && a.Fix != "" {
			t.Errorf("%+v: a no has a reason, a yes no fix", a)
		}
	}
	if !slices.Equal(got, order) {
		t.Errorf("order %q", got)
	}
}

// snapshot is what probing must not change: descriptors, children, and the
// namespaces, filters and privileges of the main thread.
func snapshot(t *testing.T) string {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	out := fmt.Sprintln(len(fds), "descriptors")
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "NoNewPrivs") || strings.HasPrefix(line, "Seccomp") {
			out += line
		}
	}
	for _, ns := range []string{"user", "mnt", "uts", "net", "ipc", "cgroup", "pid_for_children"} {
		link, _ := os.Readlink("/proc/self/ns/" + ns)
		out += link + "\n"
	}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/children", os.Getpid()))
	return out + string(children)
}

// On a kernel as new as the calls, without filters, every probe says yes: none
// of them asks wrongly.
func TestAllOnNewKernel(t *testing.T) {
	_, major, minor := Kernel()
	if major < 5 || major == 5 && minor < 14 || thisPlace().filtered {
		t.Skipf("Linux %d.%d, filtered: %v", major, minor, thisPlace().filtered)
	}
	f := probeIn(t, "as it is", nil)
	for _, name := range order[11:] {
		if a := f.ability(t, name); !a.OK {
			t.Errorf("%+v", a)
		}
	}
}

// What needs root is not there for a plain user, and what doesn't is.
func TestAsPlainUser(t *testing.T) {
	var attr *syscall.SysProcAttr
	if os.Getuid() == 0 {
		attr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1000, Gid: 1000}}
	}
	f := probeIn(t, "as it is", attr)
	if a := f.ability(t, "id range"); a.OK || a.Fix == "" {
		t.Errorf("%+v", a)
	}
	for _, name := range []string{"no_new_privs", "pidfd_open"} {
		if a := f.ability(t, name); !a.OK {
			t.Errorf("%+v", a)
		}
	}
}

// Under a filter as container runtimes have one, what it refuses is not there,
// and the fix names the filter.
func TestUnderFilter(t *testing.T) {
	if _, err := seccomp.Filter(seccomp.Policy{}); err != nil {
		t.Skip(err)
	}
	f := probeIn(t, "filtered", nil)
	for _, name := range append(slices.Clone(order[:8]), "setns by pidfd", "clone3 clear sighand", "mount_setattr") {
		if a := f.ability(t, name); a.OK || !strings.Contains(a.Fix, "seccomp") {
			t.Errorf("%+v", a)
		}
	}
	for _, name := range []string{"no_new_privs", "seccomp filter", "pidfd_open", "close_range", "openat2"} {
		if a := f.ability(t, name); !a.OK {
			t.Errorf("%+v", a)
		}
	}
}

// In a user namespace that may have no further ones, the fix names the sysctl,
// and the one id is seen.
func TestExhausted(t *testing.T) {
	needUserNamespaces(t)
	f := probeIn(t, "exhausted", &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 7, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 7, HostID: os.Getgid(), Size: 1}},
		AmbientCaps: []uintptr{unix.CAP_SYS_RESOURCE, unix.CAP_DAC_OVERRIDE},
	})
	if a := f.ability(t, "user namespace"); a.OK || a.Fix != "sysctl user.max_user_namespaces=15000" {
		t.Errorf("%+v", a)
	}
	if f.Lo != 7 || f.N != 1 {
		t.Errorf("ids: %d from %d", f.N, f.Lo)
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, a := range All(ctx)[:1] {
		if a.OK || !strings.Contains(a.Detail, "canceled") {
			t.Errorf("%+v", a)
		}
	}
}

func BenchmarkAll(b *testing.B) {
	for b.Loop() {
		All(b.Context())
	}
}
