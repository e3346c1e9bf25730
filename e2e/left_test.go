//go:build linux

package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// becomeSubreaper makes this process the parent of all orphans below it, so
// that whatever a killed cupel leaves is found among its children.
func becomeSubreaper() {
	const prSetChildSubreaper = 36
	_, _, errno := syscall.Syscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0)
	if errno != 0 {
		panic(errno)
	}
}

// descendants are the processes below this one, as "PID NAME". Dead ones are
// reaped.
func descendants(t *testing.T) []string {
	t.Helper()
	children := map[int][]int{}
	names := map[int]string{}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue // it just ended
		}
		open, shut := strings.IndexByte(string(stat), '('), strings.LastIndexByte(string(stat), ')')
		rest := strings.Fields(string(stat[shut+1:]))
		parent, _ := strconv.Atoi(rest[1])
		if rest[0] == "Z" && parent == os.Getpid() {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
			continue
		}
		children[parent] = append(children[parent], pid)
		names[pid] = string(stat[open+1 : shut])
	}
	var found []string
	for queue := children[os.Getpid()]; len(queue) > 0; queue = queue[1:] {
		found = append(found, fmt.Sprintf("%d %s", queue[0], names[queue[0]]))
		queue = append(queue, children[queue[0]]...)
	}
	return found
}

// noDescendants waits for what is ending, and fails for what stays.
func noDescendants(t *testing.T) {
	t.Helper()
	var found []string
	for range 100 {
		if found = descendants(t); len(found) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("processes are left: %v", found)
}

// mounts are this mount namespace's, without those of container engines that
// others may be using.
func mounts(t *testing.T) (list []string) {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, "docker") && !strings.Contains(line, "containerd") {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}

// cgroups are the directories that processes of cupel made and that no living
// one owns.
func cgroups(t *testing.T) (list []string) {
	t.Helper()
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || !strings.HasPrefix(d.Name(), "cupel.") {
			return nil
		}
		pid, _, _ := strings.Cut(strings.TrimPrefix(d.Name(), "cupel."), "-")
		if _, err := os.Stat("/proc/" + pid); err != nil {
			list = append(list, path)
		}
		return fs.SkipDir
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// remains is what there is before and after.
type remains struct{ mounts, cgroups []string }

func lookAround(t *testing.T) remains {
	t.Helper()
	return remains{mounts: mounts(t), cgroups: cgroups(t)}
}

// compare fails for what is there now and was not before.
func (before remains) compare(t *testing.T) {
	t.Helper()
	noDescendants(t)
	now := lookAround(t)
	for _, m := range now.mounts {
		if !slices.Contains(before.mounts, m) {
			t.Errorf("a mount is left: %s", m)
		}
	}
	for _, c := range now.cgroups {
		if !slices.Contains(before.cgroups, c) {
			t.Errorf("a cgroup is left: %s", c)
		}
	}
}

// left fails for temporary files and processes that programs of the user left.
func left(t *testing.T, h *host) {
	t.Helper()
	noDescendants(t)
	entries, err := os.ReadDir(h.path("tmp"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("a temporary file is left: %s", e.Name())
	}
}
