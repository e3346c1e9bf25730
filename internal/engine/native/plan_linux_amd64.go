package native

import (
	"context"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/linux/seccomp"
	"cupel.dev/cupel/internal/linux/space"
)

func (s *Sandbox) isMount(target string) bool {
	return slices.ContainsFunc(s.spec.Mounts, func(m cupel.Mount) bool { return m.Target == target })
}

// homeDir is HOME where the root is read-only. Images keep things in /root
// that a private directory there would hide.
const homeDir = "/home/cupel"

// devices are shown in /dev.
var devices = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}

// procMasks are the files and directories of /proc that tell about the host and that everyone
// may read. The rest of the kind is root's, and the whole of /proc read-only.
var procMasks = []string{"keys", "key-users", "kallsyms", "kcore", "timer_list", "sched_debug", "sysrq-trigger", "latency_stats", "interrupts", "locks", "config.gz",
	"acpi/", "scsi/"}

// plan works out, once, what the sandbox is made of.
func (s *Sandbox) plan(ctx context.Context) error {
	im, err := s.engine.images.open(ctx, s.spec.Image)
	if err != nil {
		return err
	}
	private, home := s.privateDirs(im)
	points := s.points(private, home)
	trees := im.trees
	for _, m := range s.spec.Mounts {
		p, tree, err := mountPoint(m)
		if err != nil {
			return err
		}
		points = append(points, p)
		defer func(t space.Tree) { s.cfg.Trees = append(s.cfg.Trees, t) }(tree)
	}
	trees, err = s.engine.images.withPoints(trees, points)
	if err != nil {
		return err
	}
	for i := range trees {
		trees[i].Writable = s.spec.Writable && trees[i].Overlay
	}
	s.cfg = space.Config{
		IDs: s.engine.ids, HostNetwork: s.spec.Network == cupel.NetworkHost, Hostname: "cupel",
		Stage: s.engine.stage, Trees: s.engine.mapped(trees), IDMap: s.engine.idMap, Devices: devices, Private: private,
		DiskBytes: int64(s.spec.Limits.Disk), Inodes: s.spec.Limits.Inodes,
		BindProc: s.engine.bound.Load(), ProcMasks: presentMasks(),
		Terminals: s.spec.Privileges == cupel.PrivilegesContainer,
	}
	s.env = s.environment(im, home)
	if s.cfg.BindProc {
		s.roots = topLevel(trees)
	}
	s.filter, err = s.engine.filter(s.policy())
	return err
}

// topLevel lists the directories of the root, /proc apart.
func topLevel(trees []space.Tree) []string {
	var names []string
	for _, layer := range trees[0].Layers {
		entries, _ := os.ReadDir(layer)
		for _, e := range entries {
			if e.IsDir() && e.Name() != "proc" && !slices.Contains(names, e.Name()) {
				names = append(names, e.Name())
			}
		}
	}
	return names
}

var presentMasks = sync.OnceValue(func() []string {
	return slices.DeleteFunc(slices.Clone(procMasks), func(f string) bool {
		_, err := os.Stat("/proc/" + f)
		return err != nil
	})
})

func (s *Sandbox) policy() seccomp.Policy {
	p := seccomp.Policy{Container: s.spec.Privileges == cupel.PrivilegesContainer}
	if s.spec.Network == cupel.NetworkHost {
		p.Sockets = seccomp.SocketsHost
	}
	if s.spec.Limits.CPUs > 0 && !s.engine.controls("cpu") {
		p.FixedCPUs = true
	}
	return p
}

// privateDirs are the private writable directories, and HOME. A writable image
// keeps its own home and, where it has one, its own working directory.
func (s *Sandbox) privateDirs(im *image) (dirs []space.Private, home string) {
	uid, gid, _ := cupel.ParseUser(s.spec.User)
	dirs = []space.Private{
		{Name: "tmp", Target: "/tmp", Mode: 0o1777},
		{Name: "shm", Target: "/dev/shm", Mode: 0o1777},
	}
	home = homeDir
	if s.spec.Writable {
		home = "/root"
	} else {
		dirs = append(dirs, space.Private{Name: "home", Target: homeDir, Mode: 0o755, UID: uid, GID: gid})
	}
	if s.spec.Dir != "/tmp" && s.spec.Dir != home && !(s.spec.Writable && im.has(s.spec.Dir)) {
		dirs = append(dirs, space.Private{Name: "work", Target: s.spec.Dir, Mode: 0o755, UID: uid, GID: gid})
	}
	return dirs, home
}

// has reports whether the image has its own directory at p.
func (im *image) has(p string) bool {
	if !im.own {
		return false
	}
	info, err := os.Stat(im.trees[0].Layers[0] + p)
	return err == nil && info.IsDir()
}

// points are the places that the image must have.
func (s *Sandbox) points(private []space.Private, home string) []point {
	dir := func(p string) point { return point{path: p, kind: dirPoint, mode: 0o755} }
	list := []point{dir("/proc"), dir("/sys"), dir("/dev/pts"), dir(home)}
	for _, p := range private {
		list = append(list, dir(p.Target))
	}
	for _, d := range devices {
		list = append(list, point{path: d, kind: filePoint})
	}
	for _, l := range [][2]string{{"/dev/fd", "/proc/self/fd"}, {"/dev/stdin", "/proc/self/fd/0"},
		{"/dev/stdout", "/proc/self/fd/1"}, {"/dev/stderr", "/proc/self/fd/2"}, {"/dev/ptmx", "pts/ptmx"}} {
		list = append(list, point{path: l[0], kind: linkPoint, text: l[1]})
	}
	return list
}

// mountPoint checks a mount of the spec.
func mountPoint(m cupel.Mount) (point, space.Tree, error) {
	info, err := os.Stat(m.Source)
	if err != nil {
		return point{}, space.Tree{}, cupel.Errorf(cupel.NotFound, "mount "+m.Source, "%w", err)
	}
	if m.Target == "/proc" || strings.HasPrefix(m.Target, "/proc/") || strings.HasPrefix(m.Target, "/dev/") {
		return point{}, space.Tree{}, cupel.Invalidf("mount target", m.Target, "/proc and /dev are the sandbox's own")
	}
	p := point{path: m.Target, kind: filePoint, mode: 0o755}
	if info.IsDir() {
		p.kind = dirPoint
	}
	return p, space.Tree{Layers: []string{m.Source}, Target: m.Target, Writable: m.Writable}, nil
}

// environment is clean: these names and what the spec adds.
func (s *Sandbox) environment(im *image, home string) map[string]string {
	env := map[string]string{
		"PATH": strings.Join(im.path, ":"), "HOME": home, "LANG": "C.UTF-8", "TMPDIR": "/tmp",
	}
	maps.Copy(env, s.spec.Env)
	return env
}
