package enginetest

import (
	"slices"
	"strings"
	"time"

	"cupel.dev/cupel"
)

// script is a program in sh or in Python.
type script struct{ sh, py string }

func (c *check) script(sb cupel.Sandbox, s script) outcome {
	c.Helper()
	if s.py != "" {
		return c.python(sb, s.py)
	}
	return c.sh(sb, s.sh)
}

// limited is the requirement that s runs into a limit and that it is named.
func limited(s script, l cupel.Limits, status cupel.Status, limit cupel.LimitName) func(*check) {
	return func(c *check) {
		if s.py != "" {
			c.needPython()
		}
		c.script(c.sandbox(limits(l)), s).prompt(c).hit(c, status, limit)
	}
}

func limitRequirements() []requirement {
	all := []requirement{
		{"wall time: a sleeper is ended", wallTime},
		{"wall time: the Cmd's limit wins", wallTimeOfCmd},
		{"cpu: several processes count together", cpuOfChildren},
		{"cpu: cores may be limited", cores},
		{"memory: address space does not count", addressSpace},
		{"memory: what fits is left alone", memoryThatFits},
		{"processes: a fork bomb is bounded", forkBomb},
		{"files: opening too many fails", openFiles},
		{"disk: what is removed is free again", diskFreed},
		{"a limit survived with exit 0 is ok and named", survived},
		{"the limit that ended the program is named first", precedence},
		{"every limit is fresh for the next Exec", limitsAfterwards},
		{"the limits of two sandboxes are apart", limitsApart},
	}
	return slices.Concat(all, cpuLimits(), memoryLimits(), processLimits(), diskLimits())
}

func cpuLimits() []requirement {
	l := cupel.Limits{CPUTime: 300 * time.Millisecond, Time: 30 * time.Second}
	return []requirement{
		{"cpu: a busy loop is ended", limited(script{sh: "while :; do :; done"}, l, cupel.StatusCPULimit, cupel.LimitCPU)},
		{"cpu: processes that have ended count", limited(script{sh: "while :; do /bin/true; done"}, l, cupel.StatusCPULimit, cupel.LimitCPU)},
	}
}

// memoryLimits holds what was taken for a while, so that a watcher sees it
// where there is no control group. A program whose child is killed fails.
func memoryLimits() []requirement {
	memory := func(size cupel.Size, s script) func(*check) {
		return limited(s, cupel.Limits{Memory: size}, cupel.StatusMemoryLimit, cupel.LimitMemory)
	}
	return []requirement{
		{"memory: one heap", memory(64*cupel.MiB, script{
			sh: `x=$(head -c 200000000 /dev/zero | tr '\0' x) || exit 1; sleep 2; echo "${#x}"; exit 1`})},
		{"memory: the sum of all processes", memory(100*cupel.MiB, script{
			sh: `for i in 1 2 3 4 5 6; do
				( x=$(head -c 24000000 /dev/zero | tr '\0' x); sleep 2; : "$x" ) & p="$p $!"
				done; for i in $p; do wait $i || exit 1; done; exit 1`})},
		{"memory: files in /tmp count", memory(64*cupel.MiB, script{
			sh: "head -c 150000000 /dev/zero > /tmp/x && sleep 2; exit 1"})},
		{"memory: files in /dev/shm count", memory(64*cupel.MiB, script{
			sh: "head -c 150000000 /dev/zero > /dev/shm/x && sleep 2; exit 1"})},
		{"memory: pages that are touched count", memory(64*cupel.MiB, script{py: `import mmap, time
m = mmap.mmap(-1, 300 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)
for i in range(0, 300 << 20, 4096): m[i] = 1
time.sleep(2); raise SystemExit(1)`})},
		{"memory: shared pages without a name count", memory(64*cupel.MiB, script{py: `import mmap, time
m = mmap.mmap(-1, 300 << 20)
for i in range(0, 300 << 20, 4096): m[i] = 1
time.sleep(2); raise SystemExit(1)`})},
	}
}

func processLimits() []requirement {
	l := cupel.Limits{Processes: 8}
	return []requirement{
		{"processes: a fork too many fails", limited(script{
			sh: "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 1 & done; wait; exit 1"},
			l, cupel.StatusProcessLimit, cupel.LimitProcesses)},
		{"processes: threads count", limited(script{py: `import threading, time
for i in range(40): threading.Thread(target=time.sleep, args=(1,), daemon=True).start()`},
			l, cupel.StatusProcessLimit, cupel.LimitProcesses)},
	}
}

func diskLimits() []requirement {
	disk := cupel.Limits{Disk: 4 * cupel.MiB}
	return []requirement{
		{"file size: SIGXFSZ", limited(script{sh: "exec head -c 3000000 /dev/zero > f"},
			cupel.Limits{FileSize: cupel.MiB}, cupel.StatusSignaled, cupel.LimitFileSize)},
		{"disk: bytes", limited(script{sh: "exec head -c 20000000 /dev/zero > f"}, disk, cupel.StatusDiskLimit, cupel.LimitDisk)},
		{"disk: one total over all places", limited(script{
			sh: `for d in "$PWD" "$HOME" /tmp /dev/shm; do head -c 1800000 /dev/zero > "$d/f" || exit 1; done`},
			disk, cupel.StatusDiskLimit, cupel.LimitDisk)},
		{"disk: inodes", limited(script{sh: "i=0; while [ $i -lt 400 ]; do : > f$i || exit 1; i=$((i+1)); done"},
			cupel.Limits{Inodes: 100}, cupel.StatusDiskLimit, cupel.LimitInodes)},
	}
}

func wallTime(c *check) {
	out := c.sh(c.sandbox(limits(cupel.Limits{Time: 300 * time.Millisecond})), "sleep 30").prompt(c)
	out.hit(c, cupel.StatusTimeLimit, cupel.LimitTime)
	if out.ExitCode != -1 || out.Usage.Wall < 290*time.Millisecond {
		c.Errorf("want no exit code and at least 290ms of wall time: %s", out)
	}
}

func wallTimeOfCmd(c *check) {
	sb := c.sandbox()
	cmd := shell("sleep 30")
	cmd.Limits.Time = 200 * time.Millisecond
	c.exec(sb, cmd).prompt(c).hit(c, cupel.StatusTimeLimit, cupel.LimitTime)
	c.sh(sb, "sleep 0.4").ok(c)
}

func cpuOfChildren(c *check) {
	sb := c.sandbox(limits(cupel.Limits{CPUTime: 500 * time.Millisecond}))
	out := c.sh(sb, "for i in 1 2 3; do (while :; do :; done) & done; wait").prompt(c)
	out.hit(c, cupel.StatusCPULimit, cupel.LimitCPU)
	if used := out.Usage.CPUUser + out.Usage.CPUSys; used > 3*time.Second {
		c.Errorf("the limit of 0.5 s let %v pass", used)
	}
}

func cores(c *check) {
	sb := c.sandboxOrSkip(limits(cupel.Limits{CPUs: 0.25, Time: time.Second}))
	out := c.try(sb, shell("(while :; do :; done) & while :; do :; done"))
	if cupel.KindOf(out.err) == cupel.Unsupported {
		c.Skipf("the engine says: %v", out.err)
	}
	if out.err != nil {
		c.Fatal(out.err)
	}
	if used := out.Usage.CPUUser + out.Usage.CPUSys; used > 700*time.Millisecond {
		c.Errorf("a quarter of a core used %v of CPU in 1 s", used)
	}
}

func addressSpace(c *check) {
	c.needPython()
	sb := c.sandbox(limits(cupel.Limits{Memory: 96 * cupel.MiB}))
	c.python(sb, `import mmap
m = mmap.mmap(-1, 8 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000)
m[0] = 1; print("mapped")`).ok(c).says(c, "mapped\n")
}

func memoryThatFits(c *check) {
	c.needPython()
	sb := c.sandbox(limits(cupel.Limits{Memory: 128 * cupel.MiB}))
	for range 3 {
		out := c.python(sb, "b = bytearray(50 << 20); print(len(b))").ok(c)
		if len(out.LimitsHit) != 0 {
			c.Errorf("limits_hit = %v", out.LimitsHit)
		}
	}
}

// forkBomb may end in several ways; what counts is that it ends, stays within
// its limit and leaves a sandbox that works.
func forkBomb(c *check) {
	sb := c.sandbox(limits(cupel.Limits{Processes: 32, Time: 2 * time.Second}))
	bounded := func(out outcome) {
		c.Helper()
		out.prompt(c)
		if out.Usage.ProcessesPeak > 40 {
			c.Errorf("%d processes at once, the limit was 32", out.Usage.ProcessesPeak)
		}
		c.sh(sb, "echo fine").ok(c).says(c, "fine\n")
	}
	bounded(c.sh(sb, "f() { f | f & f; }; f 2>/dev/null"))
	if c.suite.noPython == "" {
		bounded(c.python(sb, "import os\nwhile True:\n try: os.fork()\n except OSError: pass"))
	}
}

func openFiles(c *check) {
	sb := c.sandbox(limits(cupel.Limits{Files: 20}))
	c.sh(sb, "ulimit -n; ulimit -Hn").ok(c).says(c, "20\n20\n")
	c.needPython()
	out := c.python(sb, `import os
f = []
try:
  while len(f) < 100: f.append(os.open("/dev/null", 0))
except OSError as e: print("errno", e.errno); os._exit(5)`)
	out.exits(c, 5)
	if !strings.HasPrefix(out.stdout, "errno 24") && out.stdout != "" {
		c.Errorf("want EMFILE: %s", out)
	}
}

func diskFreed(c *check) {
	sb := c.sandbox(limits(cupel.Limits{Disk: 4 * cupel.MiB}))
	out := c.sh(sb, "for i in 1 2 3 4; do head -c 3000000 /dev/zero > f || exit 1; rm f; done").ok(c)
	if len(out.LimitsHit) != 0 {
		c.Errorf("limits_hit = %v", out.LimitsHit)
	}
}

func survived(c *check) {
	out := c.sh(c.sandbox(limits(cupel.Limits{Disk: 4 * cupel.MiB})), "head -c 20000000 /dev/zero > f; exit 0").ok(c)
	if !slices.Contains(out.LimitsHit, cupel.LimitDisk) && !slices.Contains(out.Usage.Unobserved, cupel.LimitDisk) {
		c.Errorf("a full disk is not named: %s", out)
	}
	out = c.sh(c.sandbox(limits(cupel.Limits{Output: 100})), "head -c 200 /dev/zero; exit 0").ok(c)
	if !slices.Contains(out.LimitsHit, cupel.LimitOutput) {
		c.Errorf("truncated output is not named: %s", out)
	}
}

func precedence(c *check) {
	sb := c.sandbox(limits(cupel.Limits{Disk: 4 * cupel.MiB, Time: 500 * time.Millisecond, Output: 10}))
	out := c.sh(sb, "head -c 20000000 /dev/zero > f; echo more than ten bytes; sleep 30")
	out.hit(c, cupel.StatusTimeLimit, cupel.LimitTime)
	if !out.StdoutTruncated || !slices.Contains(out.LimitsHit, cupel.LimitOutput) {
		c.Errorf("the truncation is not named too: %s", out)
	}
	out = c.sh(c.sandbox(), "kill -9 $$").is(c, cupel.StatusSignaled)
	if len(out.LimitsHit) != 0 {
		c.Errorf("a program that kills itself names a limit: %s", out)
	}
}

// limitsAfterwards runs into one limit after the other in one sandbox.
func limitsAfterwards(c *check) {
	sb := c.sandbox(limits(cupel.Limits{
		Memory: 64 * cupel.MiB, Processes: 8, CPUTime: 300 * time.Millisecond, Time: 2 * time.Second, Output: cupel.KiB,
	}))
	for _, bad := range []string{
		"while :; do :; done",
		`x=$(head -c 200000000 /dev/zero | tr '\0' x) || exit 1; sleep 2; exit 1`,
		"for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait; exit 1",
		"yes",
	} {
		if out := c.sh(sb, bad); out.Status == cupel.StatusOK {
			c.Errorf("%q passed: %s", bad, out)
		}
		out := c.sh(sb, "echo good").ok(c).says(c, "good\n")
		if len(out.LimitsHit) != 0 {
			c.Errorf("after %q, limits_hit of the next is %v", bad, out.LimitsHit)
		}
	}
}

func limitsApart(c *check) {
	const many = "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait"
	a := c.sandbox(limits(cupel.Limits{Processes: 12}))
	b := c.sandbox(limits(cupel.Limits{Processes: 12}))
	together(
		func() { c.sh(a, many).ok(c) },
		func() { c.sh(b, many).ok(c) },
	)
}
