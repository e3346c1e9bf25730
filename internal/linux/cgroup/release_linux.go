package cgroup

import (
	"errors"
	"fmt"
	"path"
	"time"

	"golang.org/x/sys/unix"
)

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
