package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// owner identifies the process that made a directory. Neither a pid nor a
// start time is unique alone; both mean something in one pid namespace only.
type owner struct {
	pid   int
	start int64  // clock ticks since boot, field 22 of /proc/PID/stat
	ns    uint64 // inode of the pid namespace
}

// managers numbers this process's Managers, so that two of them in one
// process have directories of their own.
var managers atomic.Int64

// self is this process as an owner.
func self() (owner, error) {
	// /proc may belong to an outer pid namespace: its pid of us is the one
	// that others will look for there.
	link, err := os.Readlink("/proc/self")
	if err != nil {
		return owner{}, fmt.Errorf("find our own pid: %w", err)
	}
	pid, err := strconv.Atoi(link)
	if err != nil {
		return owner{}, fmt.Errorf("find our own pid: %w", err)
	}
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return owner{}, fmt.Errorf("find our own start time: %w", err)
	}
	start, _, err := parseStat(string(stat))
	if err != nil {
		return owner{}, err
	}
	var ns unix.Stat_t
	if err := unix.Stat("/proc/self/ns/pid", &ns); err != nil {
		return owner{}, fmt.Errorf("find our own pid namespace: %w", err)
	}
	return owner{pid: pid, start: start, ns: ns.Ino}, nil
}

// directory returns a new name for a directory of o's.
func (o owner) directory(prefix string) string {
	return fmt.Sprintf("%s.%d-%d-%d-%d", prefix, o.pid, o.start, o.ns, managers.Add(1))
}

// parseOwner reads the name of an owner's directory.
func parseOwner(prefix, name string) (owner, bool) {
	id, ok := strings.CutPrefix(name, prefix+".")
	parts := strings.Split(id, "-")
	if !ok || len(parts) != 4 {
		return owner{}, false
	}
	var n [4]uint64
	for i, part := range parts {
		var err error
		if n[i], err = strconv.ParseUint(part, 10, 63); err != nil {
			return owner{}, false
		}
	}
	if n[0] == 0 || n[0] > 1<<30 {
		return owner{}, false
	}
	return owner{pid: int(n[0]), start: int64(n[1]), ns: n[2]}, true
}

// dead reports whether the owner is certainly gone. In doubt it is not.
func (o owner) dead() bool {
	text, err := os.ReadFile(path.Join("/proc", strconv.Itoa(o.pid), "stat"))
	if err != nil {
		// With hidepid, others' processes look absent, but can't be signalled
		// for another reason.
		return errors.Is(unix.Kill(o.pid, 0), unix.ESRCH)
	}
	start, state, err := parseStat(string(text))
	if err != nil {
		return false
	}
	return start != o.start || state == 'Z' || state == 'X'
}

// parseStat reads the start time and the state from /proc/PID/stat. The
// command's name, in brackets, may itself hold brackets and blanks.
func parseStat(text string) (start int64, state byte, err error) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	const stateField, startField, first = 3, 22, 3
	if len(fields) <= startField-first {
		return 0, 0, errors.New("read /proc/PID/stat: too few fields")
	}
	start, err = strconv.ParseInt(fields[startField-first], 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("read /proc/PID/stat: %w", err)
	}
	return start, fields[stateField-first][0], nil
}

// reap removes the directories of dead owners in the cgroup parent, and kills
// what is in them. What can't be removed now is left for the next time.
func reap(version int, parent, prefix string, me owner) {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return
	}
	for _, e := range entries {
		o, ok := parseOwner(prefix, e.Name())
		if ok && e.IsDir() && o.ns == me.ns && o != me && o.dead() {
			_ = removeTree(version, path.Join(parent, e.Name()), time.Now().Add(killTimeout))
		}
	}
}
