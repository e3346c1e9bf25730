package cgroup

import (
	"errors"
	"time"
)

// ErrClosed is the error of Acquire after Close.
var ErrClosed = errors.New("the cgroup manager is closed")

// Config says where and under which name a Manager keeps its directories. The
// zero value discovers the place and uses the name "cupel".
type Config struct {
	// Root is the cgroup to make our directories in, as /proc/self/cgroup
	// writes it ("/judge.slice"), the same in every hierarchy; an absolute
	// directory below a cgroup mount means the same. "" is the cgroup that
	// this process is in.
	Root string
	// Name is the first part of the names of our directories; "" is "cupel".
	// Managers of different names don't reap each other's leftovers.
	Name string
	// Registry is a directory in which Managers note what they made, so that
	// a later Open finds what a killed one left, also from another cgroup.
	// "" keeps no notes.
	Registry string
}

// Mode is the kind of cgroups in use.
type Mode int

// The modes. V1 is also the mode of a mix, in which at least one controller
// sits in a version 1 hierarchy.
const (
	None Mode = iota
	V1
	V2
)

// String returns "none", "v1" or "v2".
func (m Mode) String() string {
	switch m {
	case V1:
		return "v1"
	case V2:
		return "v2"
	}
	return "none"
}

// Limits bound everything in a leaf together. A zero field is no limit; a
// field whose controller is not among Manager.Controllers has no effect.
type Limits struct {
	// Memory is bytes, page cache, tmpfs and swap included. The kernel rounds
	// it down to pages.
	Memory int64
	// Processes is tasks at once: every thread counts, and so does every
	// process that joins the leaf, an init of the caller's included. Zombies
	// count until they are reaped.
	Processes int
	// CPUs is cores' worth of run time in each 100 ms, at least 0.01.
	CPUs float64
}

// Stat is what a leaf has used. Counts and times are since Acquire. Fields of
// controllers that are missing here are 0.
type Stat struct {
	// MemoryCurrent is bytes charged now, MemoryPeak the most since Acquire.
	// A reused leaf starts with up to MaxResidue already charged. Where the
	// kernel keeps no peak (version 2 before 5.19), it is the most that any
	// Stat saw.
	MemoryCurrent, MemoryPeak int64
	// OOMKills rises when processes are killed for the memory limit; version 2
	// may count the one that set it off twice.
	OOMKills int64
	// MemoryMaxHits is how often the memory limit was run into, most of which
	// the kernel heals by reclaiming cache: evidence of pressure, not of an
	// out-of-memory kill.
	MemoryMaxHits int64
	// Processes is tasks now. ProcessesPeak is exact if this is the leaf's
	// first use or its highest; otherwise, and before kernel 6.11, it is the
	// most that any Stat saw.
	Processes, ProcessesPeak int
	// ProcessMaxHits is forks and clones refused for the process limit.
	ProcessMaxHits int64
	// CPUUser and CPUSys are run time of all that was ever in the leaf.
	CPUUser, CPUSys time.Duration
}

// MaxResidue is how many bytes may still be charged to a leaf that is used
// again, and at most a sixteenth of the new memory limit.
const MaxResidue = 4 << 20
