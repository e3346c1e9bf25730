package cgroup

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// reading is what a leaf's counters show, since the leaf was made.
type reading struct {
	memory                   memoryReading
	pids, pidsPeak, pidsHits int64
	cpu, cpuUser, cpuSys     time.Duration
}

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
	m.swapF, errs[4] = openOptional(dir, "memory.memsw.failcnt", unix.O_RDONLY)
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
		m.peak, errs[2] = openOptional(dir, "memory.peak", unix.O_RDONLY)
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

// pidsMeter is the pids controller, the same in both versions.
type pidsMeter struct {
	dir                   string
	current, peak, events int
}

func openPids(dir string) (*pidsMeter, error) {
	p := &pidsMeter{dir: dir}
	var errs [3]error
	p.current, errs[0] = open(dir, "pids.current", unix.O_RDONLY)
	p.peak, errs[1] = openOptional(dir, "pids.peak", unix.O_RDONLY) // since 6.11
	p.events, errs[2] = openOptional(dir, "pids.events", unix.O_RDONLY)
	if err := errors.Join(errs[:]...); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *pidsMeter) setLimit(limit int) error {
	return writeInt(p.dir, "pids.max", int64(limit), "max")
}

func (p *pidsMeter) read(r *reading) error {
	var errs [3]error
	var hits [1]int64
	r.pids, errs[0] = number(p.current)
	r.pidsPeak, errs[1] = number(p.peak)
	errs[2] = keyed(p.events, maxKeys, hits[:])
	r.pidsHits = hits[0]
	return firstOf(errs[:])
}

func (p *pidsMeter) close() { closeAll(p.current, p.peak, p.events) }

// cpuMeter reads CPU time. In version 2 one file has it all, with or without
// the cpu controller; version 1 counts precisely in usage, and by the clock's
// tick in user and sys, which give the shares.
type cpuMeter struct {
	version          int
	usage, user, sys int
}

func openCPU(version int, dir string) (*cpuMeter, error) {
	c := &cpuMeter{version: version, user: noFile, sys: noFile}
	var errs [3]error
	if version == 2 {
		c.usage, errs[0] = open(dir, "cpu.stat", unix.O_RDONLY)
	} else {
		c.usage, errs[0] = open(dir, "cpuacct.usage", unix.O_RDONLY)
		c.user, errs[1] = openOptional(dir, "cpuacct.usage_user", unix.O_RDONLY)
		c.sys, errs[2] = openOptional(dir, "cpuacct.usage_sys", unix.O_RDONLY)
	}
	if err := errors.Join(errs[:]...); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *cpuMeter) read(r *reading) error {
	if c.version == 2 {
		var usec [3]int64
		err := keyed(c.usage, cpuKeys, usec[:])
		r.cpu = time.Duration(usec[0]) * time.Microsecond
		r.cpuUser = time.Duration(usec[1]) * time.Microsecond
		r.cpuSys = time.Duration(usec[2]) * time.Microsecond
		return err
	}
	var errs [3]error
	var nsec [3]int64
	nsec[0], errs[0] = number(c.usage)
	nsec[1], errs[1] = number(c.user)
	nsec[2], errs[2] = number(c.sys)
	r.cpu, r.cpuUser, r.cpuSys = time.Duration(nsec[0]), time.Duration(nsec[1]), time.Duration(nsec[2])
	return firstOf(errs[:])
}

func (c *cpuMeter) total() (time.Duration, error) {
	if c.version == 2 {
		var usec [1]int64
		err := keyed(c.usage, cpuKeys[:1], usec[:])
		return time.Duration(usec[0]) * time.Microsecond, err
	}
	n, err := number(c.usage)
	return time.Duration(n), err
}

func (c *cpuMeter) close() { closeAll(c.usage, c.user, c.sys) }

// setCPUs limits a leaf to so many cores in each period of 100 ms.
func setCPUs(version int, dir string, cpus float64) error {
	const period, least = 100_000, 1000 // µs; the kernel's own bounds
	quota := max(int64(math.Round(cpus*period)), least)
	if version == 2 {
		value := "max"
		if cpus != 0 {
			value = strconv.FormatInt(quota, 10)
		}
		return write(dir, "cpu.max", fmt.Sprintf("%s %d", value, period))
	}
	if cpus == 0 {
		return write(dir, "cpu.cfs_quota_us", "-1")
	}
	if err := write(dir, "cpu.cfs_period_us", strconv.Itoa(period)); err != nil {
		return err
	}
	return write(dir, "cpu.cfs_quota_us", strconv.FormatInt(quota, 10))
}

var (
	zero        = []byte("0\n")
	oomKillKeys = []string{"oom_kill"}
	eventKeys   = []string{"max", "oom_kill"}
	maxKeys     = []string{"max"}
	cpuKeys     = []string{"usage_usec", "user_usec", "system_usec"}
)

// firstOf is errors.Join without its allocation: one cause is enough here.
func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
