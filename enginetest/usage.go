package enginetest

import (
	"slices"
	"time"

	"cupel.dev/cupel"
)

func usageRequirements() []requirement {
	return []requirement{
		{"wall time is the program's", usageWall},
		{"CPU time of children counts", usageCPU},
		{"a sleeper uses no CPU time", usageIdle},
		{"the memory peak is what was touched", usageMemory},
		{"the peak of processes is seen", usageProcesses},
		{"each Exec is counted for itself", usageAfresh},
		{"the isolation is named", usageIsolation},
	}
}

func (o outcome) cpu() time.Duration { return o.Usage.CPUUser + o.Usage.CPUSys }

func usageWall(c *check) {
	out := c.sh(c.sandbox(), "sleep 0.3").ok(c)
	if out.Usage.Wall < 295*time.Millisecond {
		c.Errorf("a sleep of 300 ms took %v", out.Usage.Wall)
	}
}

func usageCPU(c *check) {
	sb := c.sandbox(limits(cupel.Limits{CPUTime: 400 * time.Millisecond}))
	out := c.sh(sb, "sh -c 'while :; do :; done'")
	if out.cpu() < 300*time.Millisecond || out.cpu() > 5*time.Second {
		c.Errorf("a child that was ended after 400 ms of CPU time used %v", out.cpu())
	}
	plenty := c.sandbox()
	out = c.sh(plenty, "i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done").ok(c)
	if out.cpu() < 10*time.Millisecond {
		c.Errorf("200 children used %v", out.cpu())
	}
}

func usageIdle(c *check) {
	if out := c.sh(c.sandbox(), "sleep 0.5").ok(c); out.cpu() > 250*time.Millisecond {
		c.Errorf("a sleeper used %v", out.cpu())
	}
}

func usageMemory(c *check) {
	c.needPython()
	sb := c.sandbox()
	out := c.python(sb, "import time; b = bytearray(100 << 20); time.sleep(0.3)").ok(c)
	if out.Usage.MemoryPeak < 95*cupel.MiB || out.Usage.MemoryPeak > 250*cupel.MiB {
		c.Errorf("100 MiB were touched, the peak is %v", out.Usage.MemoryPeak)
	}
}

func usageProcesses(c *check) {
	out := c.sh(c.sandbox(), "for i in 1 2 3 4 5; do sleep 0.4 & done; wait").ok(c)
	if slices.Contains(out.Usage.Unobserved, cupel.LimitProcesses) && out.Usage.ProcessesPeak == 0 {
		c.Skip("the engine says that it can't see processes here")
	}
	if out.Usage.ProcessesPeak < 5 || out.Usage.ProcessesPeak > 12 {
		c.Errorf("6 processes ran at once, the peak is %d", out.Usage.ProcessesPeak)
	}
}

func usageAfresh(c *check) {
	c.needPython()
	sb := c.sandbox()
	c.python(sb, "import time; b = bytearray(200 << 20); time.sleep(0.2)").ok(c)
	out := c.sh(sb, "exit 0").ok(c)
	if out.Usage.MemoryPeak > 100*cupel.MiB || out.cpu() > time.Second || out.Usage.Wall > 5*time.Second {
		c.Errorf("usage of an empty program after a large one: %+v", out.Usage)
	}
}

func usageIsolation(c *check) {
	sb := c.sandbox()
	out := c.sh(sb, "exit 0").ok(c)
	ok, err := cupel.IsolationAny.Accepts(out.Isolation.Tier)
	tiers := []cupel.Tier{cupel.TierNamespaces, cupel.TierNamespacesBoundProc, cupel.TierUIDs, cupel.TierLandlock}
	if !ok || err != nil || !slices.Contains(tiers, out.Isolation.Tier) || out.Isolation.Missing == nil {
		c.Errorf("isolation = %+v", out.Isolation)
	}
	if i, says := c.suite.engine.(cupel.Isolator); says && i.Isolation().Tier != out.Isolation.Tier {
		c.Errorf("the engine says tier %s, a Result %s", i.Isolation().Tier, out.Isolation.Tier)
	}
}
