//go:build linux

package cgroup

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// expectEnv is what the one who prepared this place knows to be here, such as
// "v2 memory pids cpu" or "none".
const expectEnv = "CUPEL_CGROUP_EXPECT"

func TestOpenFindsWhatIsHere(t *testing.T) {
	m, err := Open(Config{Name: "cupeltest"})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	t.Logf("%v %v %q", m.Mode(), m.Controllers(), m.Reason())
	for _, b := range m.bases {
		t.Logf("v%d %s %v", b.version, b.dir, b.controllers)
	}
	if len(m.Controllers()) < 3 && m.Reason() == "" || strings.Contains(m.Reason(), "\n") {
		t.Errorf("%v, and the reason is %q", m.Controllers(), m.Reason())
	}
	if want := os.Getenv(expectEnv); want != "" {
		if got := strings.TrimSpace(m.Mode().String() + " " + strings.Join(m.Controllers(), " ")); got != want {
			t.Errorf("got %q, want %q: %s", got, want, m.Reason())
		}
	}
}

// A mounted cgroup2 without controllers must not hide those of version 1.
func TestHybridIsUsedThroughVersionOne(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: version 1 hierarchies can't be written")
	}
	membership, _ := os.ReadFile("/proc/self/cgroup")
	if _, v1 := parseMembership(string(membership))["memory"]; !v1 {
		t.Skip("memory is not in a version 1 hierarchy here")
	}
	m := manager(t, "memory")
	if m.Mode() != V1 {
		t.Errorf("memory is in version 1, the mode is %v", m.Mode())
	}
}

func TestNoneIsALeafOfNothing(t *testing.T) {
	m := &Manager{}
	l, err := m.Acquire(Limits{Memory: 1 << 20, Processes: 1, CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Stat()
	if err != nil || s != (Stat{}) || len(l.AttachFDs()) > 0 || l.Kill() != nil {
		t.Errorf("%+v %v %v", s, err, l.AttachFDs())
	}
	l.Release()
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

func TestOpenRefusesBadConfig(t *testing.T) {
	for _, cfg := range []Config{{Name: "a/b"}, {Name: "a.b"}, {Root: "/cupel-is-not-here"}} {
		m, err := Open(cfg)
		if err == nil && cfg.Root != "" && m.Reason() != "" && len(m.bases) == 0 && strings.Contains(m.Reason(), "no cgroup file system") {
			t.Skip(m.Reason())
		}
		if err == nil {
			t.Errorf("%+v was taken", cfg)
			m.Close()
		}
	}
}

func TestCloseRemovesBusyLeavesAndRefusesMore(t *testing.T) {
	m := manager(t)
	l := acquire(t, m, Limits{})
	cmd := start(t, l, "sleep")
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("the program of a closed manager ended with %v", cmd.ProcessState)
	}
	for _, b := range m.bases {
		if exists(b.dir) {
			t.Errorf("%s is left", b.dir)
		}
	}
	l.Release()
	if l, err := m.Acquire(Limits{}); err == nil {
		t.Errorf("a closed manager gave %v", leafPaths(l))
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
}

// A manager that is killed leaves directories and processes; the next Open
// removes them, also while the dead one is a zombie, and touches no live one's.
func TestOpenReapsTheDeadOnly(t *testing.T) {
	mine := manager(t) // also makes room in a delegated cgroup for the others
	busy := acquire(t, mine, Limits{})
	alive := start(t, busy, "sleep")

	live, _, livePaths := startOwner(t)
	dead, orphan, deadPaths := startOwner(t)
	if err := dead.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitZombie(t, dead.Process.Pid)
	if !exists(deadPaths[0]) || syscall.Kill(orphan, 0) != nil {
		t.Fatal("the killed owner left nothing to reap")
	}

	next := manager(t)
	for _, dir := range deadPaths {
		if exists(dir) || exists(filepath.Dir(dir)) {
			t.Errorf("%s of a dead owner is left", dir)
		}
	}
	if text, err := os.ReadFile("/proc/" + strconv.Itoa(orphan) + "/stat"); err == nil {
		if _, state, _ := parseStat(string(text)); state != 'Z' {
			t.Errorf("process %d of a dead owner lives, state %c", orphan, state)
		}
	}
	for _, dir := range append(livePaths, leafPaths(busy)...) {
		if pids, err := processes(dir); !exists(dir) || err != nil || len(pids) == 0 && dir != "" && attached(busy, dir) {
			t.Errorf("%s of a live owner: %v %v", dir, pids, err)
		}
	}
	if alive.Process.Signal(syscall.Signal(0)) != nil || live.Process.Signal(syscall.Signal(0)) != nil {
		t.Error("a live owner's process was killed")
	}
	_ = dead.Wait()
	_ = live.Process.Kill()
	_ = live.Wait()
	if err := next.Close(); err != nil {
		t.Error(err)
	}
	manager(t) // reaps live, which is dead by now
	if exists(livePaths[0]) {
		t.Errorf("%s is left", livePaths[0])
	}
}

// attached reports whether a leaf's program is in dir: all but an unset cpu
// limit's.
func attached(l *Leaf, dir string) bool {
	for i := range l.dirs {
		if l.dirs[i].path == dir {
			return len(l.attach) == len(l.dirs) || l.dirOf("cpu") != &l.dirs[i]
		}
	}
	return false
}

// startOwner starts a process with a Manager of its own and a busy leaf.
func startOwner(t *testing.T) (cmd *exec.Cmd, program int, paths []string) {
	t.Helper()
	cmd = exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"=open")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	words := strings.Fields(line)
	if err != nil || len(words) < 3 || words[0] != "ready" {
		t.Fatalf("an owner of its own: %q %v", line, err)
	}
	program, _ = strconv.Atoi(words[1])
	return cmd, program, words[2:]
}

// waitZombie waits until the killed process is dead, without reaping it.
func waitZombie(t *testing.T, pid int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			return
		}
		if _, state, err := parseStat(string(text)); err == nil && state == 'Z' {
			return
		}
	}
	t.Fatal("a killed process doesn't die")
}

func TestPlainUserIsToldWhatToDo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not root: TestOpenFindsWhatIsHere shows it")
	}
	manager(t) // what root can't have either has another reason
	out := describeAs(t, 65534, "")
	t.Log(out)
	parts := strings.SplitN(out, "|", 4)
	if len(parts) != 4 || parts[0] != "<nil>" || parts[1] != "none" || parts[2] != "[]" {
		t.Fatalf("nobody found %q", out)
	}
	if !strings.Contains(parts[3], "65534") || !strings.Contains(parts[3], "chown") && !strings.Contains(parts[3], "systemd-run") {
		t.Errorf("the reason helps nobody: %q", parts[3])
	}
}

// Directories given to a user are enough for all controllers there.
func TestGivenDirectoriesWorkForAPlainUser(t *testing.T) {
	m := manager(t, "memory", "pids")
	if os.Geteuid() != 0 || m.Mode() != V1 {
		t.Skip("needs root and version 1 hierarchies")
	}
	const name = "cupeltest-given"
	mountinfo, _ := os.ReadFile("/proc/self/mountinfo")
	for _, mount := range parseMounts(string(mountinfo)) {
		if len(mount.controllers) == 0 {
			continue
		}
		dir := filepath.Join(mount.point, name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(dir)
		if err := os.Chown(dir, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
	out := describeAs(t, 65534, "/"+name)
	if !strings.HasPrefix(out, "<nil>|v1|["+strings.Join(m.Controllers(), " ")+"]|") {
		t.Errorf("with directories of its own, nobody found %q", out)
	}
}

// describeAs opens a Manager in a process of the uid.
func describeAs(t *testing.T, uid uint32, root string) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "test")
	text, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(exe, text, 0o755)
	}
	for dir := filepath.Dir(exe); err == nil && dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		err = os.Chmod(dir, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = []string{childEnv + "=describe", rootEnv + "=" + root}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

// A killed owner's directories are found through its note, from anywhere, and
// nothing else that a note names is touched.
func TestNotesOfTheDeadAreFollowed(t *testing.T) {
	registry := t.TempDir()
	m, err := Open(Config{Name: "cupel-note", Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Mode() == None {
		t.Skip("no cgroups: " + m.Reason())
	}
	me, err := self()
	if err != nil {
		t.Fatal(err)
	}
	dead := owner{pid: me.pid, start: me.start - 1, ns: me.ns} // our pid, before us
	left := path.Join(path.Dir(m.bases[0].dir), dead.directory("cupel-note"))
	if err := os.Mkdir(left, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(left) })
	note := path.Join(registry, path.Base(left))
	text := fmt.Sprintf("%d %s\n%d %s\n", m.bases[0].version, left, m.bases[0].version, m.bases[0].dir)
	if err := os.WriteFile(note, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	reapNoted(registry, "cupel-note", me)
	if exists(left) || exists(note) {
		t.Errorf("left: %v, note: %v", exists(left), exists(note))
	}
	if !exists(m.bases[0].dir) {
		t.Error("a live owner's directory was removed")
	}
}
