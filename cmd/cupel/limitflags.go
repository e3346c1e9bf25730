package main

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"cupel.dev/cupel"
)

// addLimitFlags adds a flag for each limit. limits holds the defaults, and
// what the user gave after parsing.
func addLimitFlags(f *pflag.FlagSet, limits *cupel.Limits) {
	f.Var(&limitValue[time.Duration]{&limits.Time, limits, parseTime, "duration"}, "time", "wall time")
	f.Var(&limitValue[time.Duration]{&limits.CPUTime, limits, parseTime, "duration"}, "cpu", "CPU time of all its processes")
	f.Var(&limitValue[float64]{&limits.CPUs, limits, parseCores, "cores"}, "cpus", "cores at once (default no limit)")
	f.Var(&limitValue[cupel.Size]{&limits.Memory, limits, cupel.ParseSize, "size"}, "memory", "memory of all its processes, files in its tmpfs included")
	f.Var(&limitValue[int]{&limits.Processes, limits, parseCount, "n"}, "processes", "processes and threads at once")
	f.Var(&limitValue[cupel.Size]{&limits.Output, limits, cupel.ParseSize, "size"}, "output", "bytes kept of each of stdout and stderr")
	f.Var(&limitValue[cupel.Size]{&limits.Disk, limits, cupel.ParseSize, "size"}, "disk", "bytes in all its writable places")
	f.Var(&limitValue[int]{&limits.Inodes, limits, parseCount, "n"}, "inodes", "files and directories in them")
	f.Var(&limitValue[int]{&limits.Files, limits, parseCount, "n"}, "files", "open files of a process")
}

// limitValue is the flag of one limit.
type limitValue[T int | float64 | time.Duration | cupel.Size] struct {
	field *T
	// all are the limits that field is one of; they know its range.
	all   *cupel.Limits
	parse func(string) (T, error)
	kind  string
}

// Set refuses zero, which in cupel.Limits means "not set".
func (l *limitValue[T]) Set(s string) error {
	v, err := l.parse(s)
	if err != nil {
		return err
	}
	if v == 0 {
		return errors.New("a limit is above zero; leave the flag out for the default")
	}
	*l.field = v
	return l.all.Validate()
}

// String writes the value as Set reads it, "" for no limit.
func (l *limitValue[T]) String() string {
	if l.field == nil || *l.field == 0 {
		return ""
	}
	switch v := any(*l.field).(type) {
	case time.Duration:
		return v.String()
	case cupel.Size:
		return v.String()
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case int:
		return strconv.Itoa(v)
	}
	return ""
}

// Type names the value in the help.
func (l *limitValue[T]) Type() string { return l.kind }

// parseTime reads "1m30s", "500ms" or a number of seconds.
func parseTime(s string) (time.Duration, error) {
	s = strings.TrimSpace(s)
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		const most = float64(1<<63-1) / float64(time.Second)
		if f != f || f >= most || f <= -most {
			return 0, errors.New("out of range")
		}
		return time.Duration(f * float64(time.Second)), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errors.New("write a time such as 10s, 500ms or 1m30s, or a number of seconds")
	}
	return d, nil
}

func parseCores(s string) (float64, error) {
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || f != f {
		return 0, errors.New("write a number of cores, such as 2 or 0.5")
	}
	return f, nil
}

func parseCount(s string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return 0, errors.New("write a whole number")
	}
	return n, nil
}
