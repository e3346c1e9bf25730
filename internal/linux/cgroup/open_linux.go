package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Open finds out which cgroups can be used here, makes a directory of ours in
// them and removes what dead owners left there. Where there are none, it
// returns a Manager whose Mode is None. The error is for a Config that names
// what isn't there.
func Open(cfg Config) (*Manager, error) {
	if cfg.Name == "" {
		cfg.Name = "cupel"
	}
	if strings.ContainsAny(cfg.Name, "/.\n ") {
		return nil, fmt.Errorf("cgroup name %q: use letters, digits and dashes", cfg.Name)
	}
	m := &Manager{}
	me, err := self()
	if err != nil {
		m.reason = err.Error() + "; mount /proc"
		return m, nil
	}
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err == nil {
		var membership []byte
		if membership, err = os.ReadFile("/proc/self/cgroup"); err == nil {
			reapNoted(cfg.Registry, cfg.Name, me)
			if err := m.open(cfg, me, string(mountinfo), string(membership)); err != nil {
				return m, err
			}
			return m, m.note(cfg.Registry, cfg.Name, me)
		}
	}
	m.reason = "this kernel has no cgroups: " + err.Error()
	return m, nil
}

// open places the bases and tries every controller.
func (m *Manager) open(cfg Config, me owner, mountinfo, membership string) error {
	found, unmounted := discover(mountinfo, membership, cfg.Root)
	if len(found) == 0 {
		m.reason = "no cgroup file system is mounted; as root: `mount -t cgroup2 none /sys/fs/cgroup`"
		return nil
	}
	if cfg.Root != "" && !slices.ContainsFunc(found, func(h hierarchy) bool { return exists(h.own) }) {
		return fmt.Errorf("cgroup %q: no such cgroup below %s", cfg.Root, found[0].mount)
	}
	var obstacles []obstacle
	if len(unmounted) > 0 {
		obstacles = append(obstacles, obstacle{controllers: unmounted, version: 1, err: errUnmounted})
	}
	p := placer{prefix: cfg.Name, me: me}
	for _, h := range found {
		if cfg.Root != "" && !exists(h.own) {
			obstacles = append(obstacles, obstacle{h.controllers, h.version, h.own, os.ErrNotExist})
			continue
		}
		b, o := p.place(h)
		if o != nil {
			obstacles = append(obstacles, *o)
		}
		if b != nil {
			obstacles = append(obstacles, b.try()...)
			m.bases = append(m.bases, b)
		}
	}
	return m.settle(obstacles)
}

// settle drops the bases that give nothing and names the outcome.
func (m *Manager) settle(obstacles []obstacle) error {
	m.bases = slices.DeleteFunc(m.bases, func(b *base) bool {
		if len(b.controllers) > 0 {
			return false
		}
		b.drop()
		return true
	})
	for _, c := range []string{"memory", "pids", "cpu"} {
		for _, b := range m.bases {
			if slices.Contains(b.controllers, c) {
				m.controllers = append(m.controllers, c)
			}
		}
	}
	m.reason = explain(obstacles, os.Geteuid())
	if len(m.controllers) == 0 {
		for _, b := range m.bases {
			b.drop() // CPU time alone bounds nothing
		}
		m.bases = nil
		return nil
	}
	m.mode = V2
	for _, b := range m.bases {
		if b.version == 1 {
			m.mode = V1
		}
	}
	return nil
}

// try makes a leaf below b, sets each limit and reads it back. Controllers
// that fail are taken off b.
func (b *base) try() []obstacle {
	const memory, pids, cpus = 64 << 20, 16, 0.01
	var failed []obstacle
	works := func(c string) bool {
		one := &base{version: b.version, dir: b.dir, controllers: []string{c}}
		l, err := newLeaf(nil, []*base{one}, "try")
		if err == nil {
			err = l.setLimits(Limits{Memory: memory, Processes: pids, CPUs: cpus})
			if err == nil {
				err = l.dirs[0].holds(c, memory, pids)
			}
			err = errors.Join(err, l.destroy())
		}
		if err != nil {
			failed = append(failed, obstacle{[]string{c}, b.version, b.dir, err})
		}
		return err == nil
	}
	b.controllers = slices.DeleteFunc(slices.Clone(b.controllers), func(c string) bool { return !works(c) })
	return failed
}

// holds reads the limit of controller c back.
func (d *leafDir) holds(c string, memory, pids int64) error {
	var name string
	var want int64
	switch {
	case c == "pids":
		name, want = "pids.max", pids
	case c == "memory" && d.version == 2:
		name, want = "memory.max", memory
	case c == "memory":
		name, want = "memory.limit_in_bytes", memory
	default:
		return nil // a cpu limit that was not refused is in force
	}
	got, err := read(d.path, name)
	if err == nil && got != strconv.FormatInt(want, 10) {
		err = fmt.Errorf("%s/%s is %s after writing %d", d.path, name, got, want)
	}
	return err
}

func exists(dir string) bool {
	_, err := os.Stat(path.Clean(dir))
	return err == nil
}
