package cupel

import (
	"fmt"
	"time"
)

// Limits bound what a program may use. A zero field means "not set here": it
// takes the value it is merged over. DefaultLimits has every field that a run
// needs; CPUs and FileSize stay zero, which is no limit.
type Limits struct {
	// Time is wall time from exec to end, never time spent queued.
	Time time.Duration `json:"time,omitempty"`
	// CPUTime is user+system time of the whole process tree.
	CPUTime time.Duration `json:"cpu_time,omitempty"`
	// CPUs is how many cores may be used at once, such as 0.5 or 2.
	CPUs float64 `json:"cpus,omitempty"`
	// Memory is memory in use by the whole tree, files in its tmpfs included;
	// never address space.
	Memory Size `json:"memory,omitempty"`
	// Processes counts processes and threads of the program at once.
	Processes int `json:"processes,omitempty"`
	// Files is open files a process.
	Files int `json:"files,omitempty"`
	// FileSize is the largest file that may be written. Zero everywhere is no
	// limit but Disk.
	FileSize Size `json:"file_size,omitempty"`
	// Disk is one total over all private writable places of the sandbox.
	Disk Size `json:"disk,omitempty"`
	// Inodes is one total of files and directories over the same places.
	Inodes int `json:"inodes,omitempty"`
	// Output is how many bytes are kept of each of stdout and stderr.
	Output Size `json:"output,omitempty"`
}

// DefaultLimits is what unset limits mean.
func DefaultLimits() Limits {
	return Limits{
		Time:      10 * time.Second,
		CPUTime:   10 * time.Second,
		Memory:    512 * MiB,
		Processes: 64,
		Files:     1024,
		Disk:      256 * MiB,
		Inodes:    65536,
		Output:    4 * MiB,
	}
}

// OutputFlood is how many times over Output a program may write before it is
// ended with StatusOutputLimit.
const OutputFlood = 16

// Merge returns l with every field that over sets replaced by over's.
func (l Limits) Merge(over Limits) Limits {
	setIf(&l.Time, over.Time)
	setIf(&l.CPUTime, over.CPUTime)
	setIf(&l.CPUs, over.CPUs)
	setIf(&l.Memory, over.Memory)
	setIf(&l.Processes, over.Processes)
	setIf(&l.Files, over.Files)
	setIf(&l.FileSize, over.FileSize)
	setIf(&l.Disk, over.Disk)
	setIf(&l.Inodes, over.Inodes)
	setIf(&l.Output, over.Output)
	return l
}

// Tighten merges over into l like Merge, and refuses a field that is above
// l's with an error of kind Invalid.
func (l Limits) Tighten(over Limits) (Limits, error) {
	checks := []struct {
		name         string
		above        bool
		value, bound any
	}{
		{"time", above(over.Time, l.Time), over.Time, l.Time},
		{"cpu", above(over.CPUTime, l.CPUTime), over.CPUTime, l.CPUTime},
		{"cpus", above(over.CPUs, l.CPUs), over.CPUs, l.CPUs},
		{"memory", above(over.Memory, l.Memory), over.Memory, l.Memory},
		{"processes", above(over.Processes, l.Processes), over.Processes, l.Processes},
		{"files", above(over.Files, l.Files), over.Files, l.Files},
		{"file_size", above(over.FileSize, l.FileSize), over.FileSize, l.FileSize},
		{"disk", above(over.Disk, l.Disk), over.Disk, l.Disk},
		{"inodes", above(over.Inodes, l.Inodes), over.Inodes, l.Inodes},
		{"output", above(over.Output, l.Output), over.Output, l.Output},
	}
	for _, c := range checks {
		if c.above {
			return l, Invalidf("limit "+c.name, fmt.Sprint(c.value),
				fmt.Sprintf("the sandbox allows at most %v; ask for less or raise the sandbox's own limit", c.bound))
		}
	}
	return l.Merge(over), nil
}

// limitRange is the smallest and largest value that makes sense of each limit.
const (
	minTime, maxTime            = time.Millisecond, 7 * 24 * time.Hour
	minMemory, maxMemory        = 1 * MiB, 16 * TiB
	minDisk                     = 64 * KiB
	maxProcesses, maxFiles      = 4 << 20, 1 << 20
	minFiles, minInodes         = 4, 8
	maxInodes                   = 1 << 30
	maxCPUs, minCPUs            = 4096, 0.01
	minOutput, maxOutput        = Size(1), 1 * TiB
	minFileSize            Size = 1
)

// Validate refuses negative and absurd values, naming the limit and its range.
// Zero fields are unset and pass.
func (l Limits) Validate() error {
	for _, err := range []error{
		inRange("time", l.Time, minTime, maxTime),
		inRange("cpu", l.CPUTime, minTime, maxTime),
		inRange("cpus", l.CPUs, minCPUs, maxCPUs),
		inRange("memory", l.Memory, minMemory, maxMemory),
		inRange("processes", l.Processes, 1, maxProcesses),
		inRange("files", l.Files, minFiles, maxFiles),
		inRange("file_size", l.FileSize, minFileSize, maxMemory),
		inRange("disk", l.Disk, minDisk, maxMemory),
		inRange("inodes", l.Inodes, minInodes, maxInodes),
		inRange("output", l.Output, minOutput, maxOutput),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

func inRange[T int | float64 | time.Duration | Size](name string, v, lo, hi T) error {
	if v != 0 && !(v >= lo && v <= hi) {
		return Invalidf("limit "+name, fmt.Sprint(v), fmt.Sprintf("give a value from %v to %v", lo, hi))
	}
	return nil
}

func setIf[T comparable](dst *T, v T) {
	var zero T
	if v != zero {
		*dst = v
	}
}

func above[T int | float64 | time.Duration | Size](v, bound T) bool {
	return bound != 0 && v > bound
}
