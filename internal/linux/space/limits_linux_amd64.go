package space

import (
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"cupel.dev/cupel/internal/linux/spawn"
)

// nextCore spreads pinned programs over the cores.
var nextCore atomic.Uint32

// pin limits the program to some of the cores that this process may use.
func (l *launch) pin() {
	var all unix.CPUSet
	if l.p.CPUs == 0 || unix.SchedGetaffinity(0, &all) != nil {
		return
	}
	set := new(unix.CPUSet)
	total, left := all.Count(), l.p.CPUs
	for skip := int(nextCore.Add(uint32(l.p.CPUs))) % max(total, 1); left > 0 && set.Count() < total; skip++ {
		set.Set(nth(&all, skip%total))
		left--
	}
	l.prog.Keep(set)
	l.prog.Call("choose cores", unix.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(*set), spawn.Ptr(set))
}

// nth is the number of the n-th core of the set.
func nth(set *unix.CPUSet, n int) int {
	for cpu := 0; ; cpu++ {
		if set.IsSet(cpu) {
			if n == 0 {
				return cpu
			}
			n--
		}
	}
}

func (l *launch) rlimits() {
	r := l.p.Rlimits
	l.rlimit("core size", unix.RLIMIT_CORE, 0, 0)
	for _, lim := range []struct {
		name     string
		resource uintptr
		soft     uint64
		grace    uint64
	}{
		{"CPU time", unix.RLIMIT_CPU, r.CPUSeconds, 1},
		{"file size", unix.RLIMIT_FSIZE, r.FileSize, 0},
		{"open files", unix.RLIMIT_NOFILE, r.Files, 0},
		{"processes", unix.RLIMIT_NPROC, r.Processes, 0},
	} {
		if lim.soft != 0 {
			l.rlimit(lim.name, lim.resource, lim.soft, lim.soft+lim.grace)
		}
	}
}

// rlimit lowers a limit. The hard limit may be lower already than what is
// asked; then setting it fails without harm, since what is in force is stricter.
func (l *launch) rlimit(name string, resource uintptr, soft, hard uint64) {
	lim := &unix.Rlimit{Cur: soft, Max: hard}
	l.prog.Keep(lim)
	l.prog.Call("limit "+name, unix.SYS_PRLIMIT64, 0, resource, spawn.Ptr(lim), 0).Tolerate()
}
