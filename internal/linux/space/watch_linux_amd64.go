package space

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// Sample is what a run's processes use at one moment, read from /proc, for
// places without cgroups.
type Sample struct {
	// Resident is the sum of the processes' resident memory in bytes; pages
	// that several share count for each.
	Resident int64
	// Tasks counts processes and threads, init apart.
	Tasks int
	CPU   time.Duration
	pids  []string
	dir   string
}

const clockTick = time.Second / 100 // USER_HZ is 100 on every Linux

// Watch samples the processes of the run.
func (p *Process) Watch(boundProc bool) (Sample, error) {
	s := Sample{dir: fmt.Sprintf("/proc/%d/root/proc/", p.init)}
	same := func(string) bool { return true }
	if boundProc {
		// The /proc inside is the outer one: pick the run's processes out of it.
		s.dir = "/proc/"
		ns, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", p.init))
		if err != nil {
			return s, err
		}
		same = func(pid string) bool {
			other, err := os.Readlink("/proc/" + pid + "/ns/pid")
			return err == nil && other == ns
		}
	}
	names, err := readNames(s.dir)
	if err != nil {
		return s, err
	}
	initPID := "1"
	if boundProc {
		initPID = strconv.Itoa(p.init)
	}
	for _, pid := range names {
		if pid[0] >= '0' && pid[0] <= '9' && same(pid) {
			s.add(pid, pid == initPID)
		}
	}
	return s, nil
}

func readNames(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	return d.Readdirnames(-1)
}

// Fields of /proc/PID/stat after the command's closing parenthesis.
const (
	statUtime   = 11
	statThreads = 17
	statRSS     = 21
)

// add counts one process. One that is gone by now counts for nothing.
func (s *Sample) add(pid string, isInit bool) {
	stat, err := os.ReadFile(s.dir + pid + "/stat")
	if err != nil {
		return
	}
	end := bytes.LastIndexByte(stat, ')')
	if end < 0 {
		return
	}
	f := bytes.Fields(stat[end+1:])
	if len(f) <= statRSS {
		return
	}
	num := func(i int) int64 { n, _ := strconv.ParseInt(string(f[i]), 10, 64); return n }
	for i := statUtime; i < statUtime+4; i++ { // own and waited-for children's, user and system
		s.CPU += time.Duration(num(i)) * clockTick
	}
	if isInit {
		return
	}
	s.Tasks += int(num(statThreads))
	s.Resident += num(statRSS) * int64(os.Getpagesize())
	s.pids = append(s.pids, pid)
}

// Proportional is the processes' memory with shared pages counted once: slow,
// for when Resident says that a limit may be passed.
func (s Sample) Proportional() int64 {
	var total int64
	for _, pid := range s.pids {
		rollup, err := os.ReadFile(s.dir + pid + "/smaps_rollup")
		if err != nil {
			continue
		}
		for line := range bytes.Lines(rollup) {
			if rest, ok := bytes.CutPrefix(line, []byte("Pss:")); ok {
				kib, _ := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
				total += kib << 10
				break
			}
		}
	}
	return total
}
