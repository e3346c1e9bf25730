package cgroup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Leaf is one cgroup of each hierarchy, for one program at a time. Stat,
// OOMKills, CPUTime and Kill may be called at once; none of them after
// Release.
type Leaf struct {
	manager *Manager
	dirs    []leafDir
	attach  []int

	memory memoryMeter // nil without the controller, like the others
	pids   *pidsMeter
	cpu    *cpuMeter

	limits  Limits
	zero    reading // what the counters showed at Acquire
	residue int64   // bytes charged before the program

	// The most that any Stat saw, where the kernel can't tell.
	seenMemory, seenPids atomic.Int64
}

// leafDir is a leaf's directory in one hierarchy.
type leafDir struct {
	version     int
	path        string
	procs       int // cgroup.procs, for writing
	controllers []string
}

// newLeaf makes a leaf in each of the bases, without limits.
func newLeaf(m *Manager, bases []*base, name string) (*Leaf, error) {
	l := &Leaf{manager: m}
	for _, b := range bases {
		if err := l.addDir(b, name); err != nil {
			return nil, errors.Join(fmt.Errorf("make a cgroup: %w", err), l.destroy())
		}
	}
	return l, nil
}

// addDir makes the leaf's directory in b and opens its meters.
func (l *Leaf) addDir(b *base, name string) error {
	d := leafDir{version: b.version, path: path.Join(b.dir, name), procs: noFile, controllers: b.controllers}
	if err := unix.Mkdir(d.path, 0o755); err != nil {
		return fmt.Errorf("mkdir %s: %w", d.path, err)
	}
	l.dirs = append(l.dirs, d)
	var err error
	// To move a whole process, the kernel waits until no thread of any process
	// can be in the middle of a fork: some ten milliseconds after a quiet
	// moment. To move one thread it needs not, and a child has no other yet.
	file := "cgroup.procs"
	if d.version == 1 {
		file = "tasks"
	}
	if l.dirs[len(l.dirs)-1].procs, err = open(d.path, file, unix.O_WRONLY); err != nil {
		return err
	}
	for _, c := range b.controllers {
		switch c {
		case "memory":
			err = l.openMemory(d)
		case "pids":
			l.pids, err = openPids(d.path)
		case "cpuacct":
			l.cpu, err = openCPU(1, d.path)
		}
		if err != nil {
			return err
		}
	}
	if b.version == 2 && l.cpu == nil {
		l.cpu, err = openCPU(2, d.path)
	}
	return err
}

// openMemory keeps a nil pointer out of the interface.
func (l *Leaf) openMemory(d leafDir) error {
	if d.version == 2 {
		m, err := openMemoryV2(d.path)
		if err == nil {
			l.memory = m
		}
		return err
	}
	m, err := openMemoryV1(d.path)
	if err == nil {
		l.memory = m
	}
	return err
}

// dirOf returns the directory that has the controller, or nil.
func (l *Leaf) dirOf(controller string) *leafDir {
	for i := range l.dirs {
		if slices.Contains(l.dirs[i].controllers, controller) {
			return &l.dirs[i]
		}
	}
	return nil
}

// setLimits writes those limits that change.
func (l *Leaf) setLimits(to Limits) error {
	if l.memory != nil && to.Memory != l.limits.Memory {
		if err := l.memory.setLimit(l.limits.Memory, to.Memory); err != nil {
			return err
		}
	}
	l.limits.Memory = to.Memory
	if l.pids != nil && to.Processes != l.limits.Processes {
		if err := l.pids.setLimit(to.Processes); err != nil {
			return err
		}
	}
	l.limits.Processes = to.Processes
	if d := l.dirOf("cpu"); d != nil && to.CPUs != l.limits.CPUs {
		if err := setCPUs(d.version, d.path, to.CPUs); err != nil {
			return err
		}
	}
	l.limits.CPUs = to.CPUs
	l.setAttach()
	return nil
}

// setAttach leaves out the directory that has nothing but an unset cpu limit:
// each one costs the child a write.
func (l *Leaf) setAttach() {
	l.attach = l.attach[:0]
	for i := range l.dirs {
		d := &l.dirs[i]
		idle := d.version == 1 && l.limits.CPUs == 0 && len(d.controllers) == 1 && d.controllers[0] == "cpu"
		if !idle {
			l.attach = append(l.attach, d.procs)
		}
	}
}

// AttachFDs returns descriptors of cgroup.procs files, open for writing and
// close-on-exec, one a hierarchy. The child that writes "0" to each is in the
// leaf. They belong to the leaf and may change with the next Acquire.
func (l *Leaf) AttachFDs() []int { return l.attach }
