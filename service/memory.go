package service

import (
	"bufio"
	"math"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"

	"cupel.dev/cupel"
)

// cores is how many programs run well at once: the cores that this process may
// be scheduled on, or fewer where the control group grants less.
func cores() int { return min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) }

// memoryBudget is 80 % of what is available now. Where nothing says how much
// that is, it is a cautious guess.
func memoryBudget() cupel.Size {
	const guess = 4 * cupel.GiB
	free := min(memAvailable("/proc/meminfo"), cgroupLimit("/proc/self/cgroup", "/sys/fs/cgroup"))
	if free == math.MaxInt64 {
		free = guess
	}
	return free / 5 * 4
}

// memAvailable reads MemAvailable, or "no limit" when it can't be read.
func memAvailable(file string) cupel.Size {
	data, err := os.ReadFile(file)
	if err != nil {
		return math.MaxInt64
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) >= 2 && f[0] == "MemAvailable:" {
			if kib, err := strconv.ParseInt(f[1], 10, 64); err == nil && kib > 0 {
				return cupel.Size(kib) * cupel.KiB
			}
		}
	}
	return math.MaxInt64
}

// cgroupLimit is the smallest memory limit of this process's control group and
// those above it, of version 1 or 2, or "no limit".
func cgroupLimit(self, root string) cupel.Size {
	least := cupel.Size(math.MaxInt64)
	f, err := os.Open(self)
	if err != nil {
		return least
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		parts := strings.SplitN(lines.Text(), ":", 3)
		if len(parts) != 3 {
			continue
		}
		mount, file := root, "memory.max"
		if parts[1] != "" {
			mount, file = path.Join(root, "memory"), "memory.limit_in_bytes"
		}
		if parts[1] != "" && parts[1] != "memory" {
			continue
		}
		for dir := path.Clean("/" + parts[2]); ; dir = path.Dir(dir) {
			least = min(least, readLimit(path.Join(mount, dir, file)))
			if dir == "/" {
				break
			}
		}
	}
	return least
}

func readLimit(file string) cupel.Size {
	data, err := os.ReadFile(file)
	if err != nil {
		return math.MaxInt64
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return cupel.Size(n)
}
