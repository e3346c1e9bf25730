package cgroup

import (
	"sync/atomic"
	"time"
)

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
