package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// explain says in one line what is missing, why, and what to do; "" if there
// is no obstacle to a controller that bounds something.
func explain(obstacles []obstacle, uid int) string {
	var lines []string
	hint := ""
	for _, o := range obstacles {
		missing := slices.DeleteFunc(slices.Clone(o.controllers), func(c string) bool { return c == "cpuacct" })
		if len(missing) == 0 {
			continue
		}
		line := "no " + strings.Join(missing, ", ") + ": " + o.cause(uid)
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
		if hint == "" {
			hint = o.hint(uid)
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return strings.ReplaceAll(strings.Join(append(lines, hint), "; "), "\n", " ")
}

// cause says what is in the way.
func (o obstacle) cause(uid int) string {
	switch {
	case o.denied():
		return fmt.Sprintf("uid %d may not make cgroups in %s", uid, o.dir)
	case errors.Is(o.err, unix.EROFS):
		return o.dir + " is mounted read-only"
	case errors.Is(o.err, errOccupied):
		return o.dir + " has processes of others, which version 2 forbids beside leaves"
	case errors.Is(o.err, errNotHere):
		return "not handed down to " + o.dir
	}
	return fmt.Sprintf("cgroup v%d: %v", o.version, o.err)
}

// hint says what to do.
func (o obstacle) hint(uid int) string {
	const scope = "start cupel as `systemd-run --user --scope -p Delegate=yes cupel ...`"
	switch {
	case errors.Is(o.err, unix.EROFS):
		return "in a container, make them writable: docker 28 `--security-opt writable-cgroups=true`, podman `--security-opt unmask=/sys/fs/cgroup`, or `--privileged`"
	case errors.Is(o.err, fs.ErrNotExist):
		return fmt.Sprintf("as root: `mkdir %s; chown -R %d %[1]s`", o.dir, uid)
	case errors.Is(o.err, errUnmounted):
		return "mount it: `mount -t cgroup -o " + o.controllers[0] + " none /sys/fs/cgroup/" + o.controllers[0] + "` as root"
	case errors.Is(o.err, errOccupied) && uid != 0:
		return "start cupel as the only process of a delegated cgroup: `systemd-run --user --scope -p Delegate=yes cupel ...`"
	case errors.Is(o.err, errNotHere) && uid == 0:
		return "ask for it from what made this cgroup (container runtime, service manager), or boot a kernel that lacks it with `cgroup_enable=memory`"
	case errors.Is(o.err, errNotHere) && strings.Contains(o.dir, "user@"):
		return "as root, `systemctl edit user@.service`, write `[Service]` and `Delegate=cpu memory pids`, and log in again"
	case o.version == 2 && uid == 0:
		return "start cupel as `systemd-run --scope -p Delegate=yes cupel ...`, or as the only process of its container"
	case o.version == 2 && strings.Contains(o.dir, ".slice"):
		return scope
	case o.version == 2:
		return "as root, delegate a cgroup: `mkdir D; chown " + fmt.Sprint(uid) + " D D/cgroup.procs D/cgroup.subtree_control` and start cupel in it, or with systemd " + scope
	case o.denied():
		return fmt.Sprintf("as root: `for c in memory pids cpu cpuacct; do d=%s/$c/cupel-%d; mkdir -p $d; chown -R %d $d; done` and give cupel the cgroup root /cupel-%[2]d, or run cupel as root",
			mountParent(o.dir), uid, uid)
	}
	return "run `cupel doctor` as root for comparison"
}

func (o obstacle) denied() bool {
	return errors.Is(o.err, unix.EACCES) || errors.Is(o.err, unix.EPERM)
}

// mountParent guesses where the version 1 hierarchies are mounted.
func mountParent(dir string) string {
	if strings.HasPrefix(dir, "/sys/fs/cgroup/") {
		return "/sys/fs/cgroup"
	}
	return path.Dir(dir)
}
