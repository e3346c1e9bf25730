package cgroup

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"sync/atomic"
	"time"

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
	if l.dirs[len(l.dirs)-1].procs, err = open(d.path, "cgroup.procs", unix.O_WRONLY); err != nil {
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

// Stat reads the counters: at most a dozen reads of open files. It fails only
// if somebody else has removed the leaf.
func (l *Leaf) Stat() (Stat, error) {
	var r reading
	if err := l.read(&r); err != nil {
		return Stat{}, err
	}
	raise(&l.seenMemory, r.memory.now)
	raise(&l.seenPids, r.pids)
	s := Stat{
		MemoryCurrent:  r.memory.now,
		MemoryPeak:     max(r.memory.peak, l.seenMemory.Load()),
		OOMKills:       r.memory.kills - l.zero.memory.kills,
		MemoryMaxHits:  r.memory.hits - l.zero.memory.hits,
		Processes:      int(r.pids),
		ProcessesPeak:  int(l.seenPids.Load()),
		ProcessMaxHits: r.pidsHits - l.zero.pidsHits,
	}
	if r.pidsPeak > l.zero.pidsPeak {
		s.ProcessesPeak = int(r.pidsPeak)
	}
	s.CPUUser, s.CPUSys = share(r.cpu-l.zero.cpu, r.cpuUser-l.zero.cpuUser, r.cpuSys-l.zero.cpuSys)
	return s, nil
}

func (l *Leaf) read(r *reading) error {
	if l.memory != nil {
		var err error
		if r.memory, err = l.memory.read(); err != nil {
			return err
		}
	}
	if l.pids != nil {
		if err := l.pids.read(r); err != nil {
			return err
		}
	}
	if l.cpu != nil {
		return l.cpu.read(r)
	}
	return nil
}

// raise sets v to at least n.
func raise(v *atomic.Int64, n int64) {
	for old := v.Load(); n > old && !v.CompareAndSwap(old, n); old = v.Load() {
	}
}

// share divides total as user and sys are to each other.
func share(total, user, sys time.Duration) (time.Duration, time.Duration) {
	if user+sys <= 0 {
		return total, 0
	}
	u := time.Duration(float64(total) * float64(user) / float64(user+sys))
	return u, total - u
}

// OOMKills is Stat's OOMKills alone, one read: to ask often.
func (l *Leaf) OOMKills() (int64, error) {
	if l.memory == nil {
		return 0, nil
	}
	n, err := l.memory.kills()
	return n - l.zero.memory.kills, err
}

// CPUTime is Stat's CPUUser and CPUSys together, one read: to ask often.
func (l *Leaf) CPUTime() (time.Duration, error) {
	if l.cpu == nil {
		return 0, nil
	}
	t, err := l.cpu.total()
	return t - l.zero.cpu, err
}

// Kill kills every process in the leaf and returns when none is left, zombies
// apart. It waits at most killTimeout for those that the kernel can't end
// now, and then says so. In version 2 since kernel 5.14 that is one write;
// otherwise forking is stopped first and each process is killed.
func (l *Leaf) Kill() error {
	if l.pids != nil && !l.killsAtOnce() {
		if err := write(l.pids.dir, "pids.max", "0"); err != nil {
			return fmt.Errorf("stop forking: %w", err)
		}
		defer func() { _ = l.pids.setLimit(l.limits.Processes) }()
	}
	deadline := time.Now().Add(killTimeout)
	for i := range l.dirs {
		if err := killDir(l.dirs[i].version, l.dirs[i].path, deadline); err != nil {
			return err
		}
	}
	return nil
}

func (l *Leaf) killsAtOnce() bool {
	d := l.dirs[0]
	return len(l.dirs) == 1 && d.version == 2 && unix.Access(path.Join(d.path, "cgroup.kill"), unix.W_OK) == nil
}

// Release gives the leaf back. What still runs in it is killed; then it goes
// to the pool if it is empty and clean, else it is removed and replaced. The
// leaf may not be used afterwards.
func (l *Leaf) Release() {
	if len(l.dirs) > 0 {
		l.manager.release(l)
	}
}

// clean makes the leaf ready for its next program, if that is possible.
func (l *Leaf) clean() bool {
	if !l.empty() && (l.Kill() != nil || !l.empty()) {
		return false
	}
	if l.memory != nil {
		used, err := l.memory.current()
		if err != nil || used > MaxResidue || !l.memory.resetPeak() {
			return false
		}
		l.residue = used
	}
	l.zero = reading{}
	if l.read(&l.zero) != nil {
		return false
	}
	l.seenMemory.Store(0)
	l.seenPids.Store(0)
	return true
}

// empty reports whether nothing is in the leaf. The pids controller also
// counts zombies, which the next program's process limit would suffer from.
func (l *Leaf) empty() bool {
	if l.pids != nil {
		n, err := number(l.pids.current)
		return err == nil && n == 0
	}
	for i := range l.dirs {
		if pids, err := processes(l.dirs[i].path); err != nil || len(pids) > 0 {
			return false
		}
	}
	return true
}

// close closes the leaf's files.
func (l *Leaf) close() {
	for i := range l.dirs {
		closeAll(l.dirs[i].procs)
		l.dirs[i].procs = noFile
	}
	if l.memory != nil {
		l.memory.close()
	}
	if l.pids != nil {
		l.pids.close()
	}
	if l.cpu != nil {
		l.cpu.close()
	}
	l.memory, l.pids, l.cpu = nil, nil, nil
}

// destroy closes and removes the leaf, killing what is in it.
func (l *Leaf) destroy() error {
	l.close()
	deadline := time.Now().Add(killTimeout)
	var errs []error
	for i := range l.dirs {
		errs = append(errs, removeTree(l.dirs[i].version, l.dirs[i].path, deadline))
	}
	return errors.Join(errs...)
}
