package cgroup

import (
	"errors"

	"golang.org/x/sys/unix"
)

// memoryReading is the memory controller's part of a reading.
type memoryReading struct {
	now, peak, kills, hits int64
}

// memoryMeter bounds and reads the memory of one leaf.
type memoryMeter interface {
	// setLimit changes the limit from old to limit; 0 is none.
	setLimit(old, limit int64) error
	read() (memoryReading, error)
	kills() (int64, error)
	current() (int64, error)
	// resetPeak makes the peak start again and reports whether it could.
	resetPeak() bool
	close()
}

var (
	_ memoryMeter = (*memoryV1)(nil)
	_ memoryMeter = (*memoryV2)(nil)
)

// memoryV1 is the version 1 memory controller.
type memoryV1 struct {
	dir                           string
	usage, peak, oom, fail, swapF int // swapF is memsw's failcnt
}

func openMemoryV1(dir string) (*memoryV1, error) {
	m := &memoryV1{dir: dir}
	var errs [5]error
	m.usage, errs[0] = open(dir, "memory.usage_in_bytes", unix.O_RDONLY)
	m.peak, errs[1] = open(dir, "memory.max_usage_in_bytes", unix.O_RDWR)
	m.oom, errs[2] = open(dir, "memory.oom_control", unix.O_RDONLY)
	m.fail, errs[3] = open(dir, "memory.failcnt", unix.O_RDONLY)
	m.swapF, errs[4] = openOptional(dir, "memory.memsw.failcnt")
	if err := errors.Join(errs[:]...); err != nil {
		m.close()
		return nil, err
	}
	// Makes reclaim for the limit drop cache, but never swap.
	if err := write(dir, "memory.swappiness", "0"); err != nil && !errors.Is(err, unix.ENOENT) {
		m.close()
		return nil, err
	}
	return m, nil
}

func (m *memoryV1) setLimit(old, limit int64) error {
	if m.swapF == noFile {
		return m.writeLimit(limit)
	}
	// The limit with swap may never be below the one without.
	if limit == 0 || old != 0 && limit > old {
		if err := m.writeSwapLimit(limit); err != nil {
			return err
		}
		return m.writeLimit(limit)
	}
	if err := m.writeLimit(limit); err != nil {
		return err
	}
	return m.writeSwapLimit(limit)
}

func (m *memoryV1) writeLimit(limit int64) error {
	return writeInt(m.dir, "memory.limit_in_bytes", limit, "-1")
}

// writeSwapLimit bounds memory and swap together, a huge page above the
// memory limit: a charge is tried against this limit first, and newer kernels
// (seen with 6.18) don't count failures here, so that with equal limits
// nothing would tell that the program ran into them.
func (m *memoryV1) writeSwapLimit(limit int64) error {
	const hugePage = 2 << 20
	if limit != 0 {
		limit += hugePage
	}
	return writeInt(m.dir, "memory.memsw.limit_in_bytes", limit, "-1")
}

func (m *memoryV1) read() (r memoryReading, err error) {
	var errs [5]error
	var swapHits int64
	r.now, errs[0] = number(m.usage)
	r.peak, errs[1] = number(m.peak)
	r.kills, errs[2] = m.kills()
	r.hits, errs[3] = number(m.fail)
	swapHits, errs[4] = number(m.swapF)
	r.hits += swapHits
	return r, firstOf(errs[:])
}

func (m *memoryV1) kills() (int64, error) {
	var n [1]int64
	err := keyed(m.oom, oomKillKeys, n[:])
	return n[0], err
}

func (m *memoryV1) current() (int64, error) { return number(m.usage) }

func (m *memoryV1) resetPeak() bool {
	_, err := unix.Pwrite(m.peak, zero, 0)
	return err == nil
}

func (m *memoryV1) close() { closeAll(m.usage, m.peak, m.oom, m.fail, m.swapF) }

// memoryV2 is the version 2 memory controller.
type memoryV2 struct {
	dir                 string
	usage, peak, events int
}

func openMemoryV2(dir string) (*memoryV2, error) {
	m := &memoryV2{dir: dir}
	var errs [3]error
	m.usage, errs[0] = open(dir, "memory.current", unix.O_RDONLY)
	m.events, errs[1] = open(dir, "memory.events", unix.O_RDONLY)
	// Kernels before 6.12 have memory.peak read-only, before 5.19 not at all.
	m.peak, errs[2] = open(dir, "memory.peak", unix.O_RDWR)
	if errs[2] != nil {
		m.peak, errs[2] = openOptional(dir, "memory.peak")
	}
	if err := errors.Join(errs[:]...); err != nil {
		m.close()
		return nil, err
	}
	// Absent without swap (or before 4.19): then there is nothing to forbid.
	for name, value := range map[string]string{"memory.swap.max": "0", "memory.oom.group": "1"} {
		if err := write(dir, name, value); err != nil && !errors.Is(err, unix.ENOENT) {
			m.close()
			return nil, err
		}
	}
	return m, nil
}

func (m *memoryV2) setLimit(_, limit int64) error {
	return writeInt(m.dir, "memory.max", limit, "max")
}

func (m *memoryV2) read() (r memoryReading, err error) {
	var errs [3]error
	var events [2]int64
	r.now, errs[0] = number(m.usage)
	r.peak, errs[1] = number(m.peak)
	errs[2] = keyed(m.events, eventKeys, events[:])
	r.hits, r.kills = events[0], events[1]
	return r, firstOf(errs[:])
}

func (m *memoryV2) kills() (int64, error) {
	var n [1]int64
	err := keyed(m.events, oomKillKeys, n[:])
	return n[0], err
}

func (m *memoryV2) current() (int64, error) { return number(m.usage) }

// resetPeak resets what this descriptor shows, whatever is written to it.
func (m *memoryV2) resetPeak() bool {
	if m.peak == noFile {
		return true // nothing to reset: the caller keeps its own peak
	}
	_, err := unix.Pwrite(m.peak, zero, 0)
	return err == nil
}

func (m *memoryV2) close() { closeAll(m.usage, m.peak, m.events) }
