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

// pidsMeter is the pids controller, the same in both versions.
type pidsMeter struct {
	dir                   string
	current, peak, events int
}

func openPids(dir string) (*pidsMeter, error) {
	p := &pidsMeter{dir: dir}
	var errs [3]error
	p.current, errs[0] = open(dir, "pids.current", unix.O_RDONLY)
	p.peak, errs[1] = openOptional(dir, "pids.peak") // since 6.11
	p.events, errs[2] = openOptional(dir, "pids.events")
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
		c.user, errs[1] = openOptional(dir, "cpuacct.usage_user")
		c.sys, errs[2] = openOptional(dir, "cpuacct.usage_sys")
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
