package enginetest

import (
	"bytes"
	"context"
	"strings"
	"sync"
	"time"

	"cupel.dev/cupel"
)

func treeRequirements() []requirement {
	soon := cupel.Limits{Time: 300 * time.Millisecond}
	return []requirement{
		{"a daemon that holds the pipes is dead when Exec returns", daemon},
		{"many daemons are dead when Exec returns", manyDaemons},
		{"a program that ignores signals is ended", limited(script{sh: "trap '' TERM INT HUP QUIT; while :; do sleep 1; done"},
			soon, cupel.StatusTimeLimit, cupel.LimitTime)},
		{"a program that stops itself is ended", limited(script{sh: "kill -STOP $$; sleep 30"},
			soon, cupel.StatusTimeLimit, cupel.LimitTime)},
		{"stopped children are ended", stoppedChildren},
		{"kill -1 reaches the program's own processes only", killAll},
		{"the first process can't be signalled", killInit},
		{"orphans are reaped", orphans},
		{"a killed program ends its children", killedParent},
		{"cancelling ends the program and returns what was seen", cancelRun},
		{"a context that has ended runs nothing", canceledBefore},
		{"a deadline is kind canceled", deadline},
	}
}

// ticking writes to the work directory for as long as it lives; ticked waits
// until it does.
const (
	ticking = `while :; do echo tick >> /work/ticks; sleep 0.02; done`
	ticked  = `while [ ! -s /work/ticks ]; do sleep 0.01; done`
)

func inWork() cupel.Spec { return cupel.Spec{Dir: "/work"} }

// still requires that nothing writes ticks any more, and that /proc shows
// nobody who would.
func (c *check) still(sb cupel.Sandbox) {
	c.Helper()
	out := c.sh(sb, `a=$(wc -c < /work/ticks); sleep 0.2; b=$(wc -c < /work/ticks); echo "$a $b"`).ok(c)
	if f := strings.Fields(out.stdout); len(f) != 2 || f[0] != f[1] {
		c.Errorf("something still runs: the file grew (%s)", out)
	}
	if c.suite.isolation.Tier == cupel.TierNamespaces {
		if out := c.sh(sb, `cat /proc/[0-9]*/cmdline | tr '\0' ' '`); strings.Contains(out.stdout, "echo tick") {
			c.Errorf("a process is left: %s", out.stdout)
		}
	}
}

func daemon(c *check) {
	sb := c.sandbox(inWork())
	out := c.sh(sb, "( setsid sh -c '"+ticking+"' & ) ; "+ticked+"; echo parent done; exit 3")
	out.exits(c, 3).prompt(c).says(c, "parent done\n")
	if out.took > 5*time.Second {
		c.Errorf("a held pipe delayed the result by %v", out.took)
	}
	c.still(sb)
}

func manyDaemons(c *check) {
	sb := c.sandbox(inWork())
	c.sh(sb, "i=0; while [ $i -lt 15 ]; do ( trap '' TERM; setsid sh -c '"+ticking+"' & ) ; i=$((i+1)); done; "+ticked).ok(c).prompt(c)
	c.still(sb)
}

func stoppedChildren(c *check) {
	sb := c.sandbox(inWork())
	c.sh(sb, "sh -c '"+ticking+"' & p=$!; "+ticked+"; kill -STOP $p; exit 0").ok(c).prompt(c)
	c.still(sb)
}

func killAll(c *check) {
	sb := c.sandbox()
	c.sh(sb, "sleep 30 & kill -9 -1; echo survived; exit 5").exits(c, 5).prompt(c).says(c, "survived\n")
	out := c.sh(sb, "sh -c 'kill -9 -1; :'; sleep 30").prompt(c).is(c, cupel.StatusSignaled)
	if out.Signal != "SIGKILL" || len(out.LimitsHit) != 0 {
		c.Errorf("want SIGKILL and no limit: %s", out)
	}
	c.sh(sb, "echo usable").ok(c).says(c, "usable\n")
}

func killInit(c *check) {
	sb := c.sandbox()
	c.sh(sb, `[ $$ = 1 ] && exit 7
		for s in TERM INT HUP USR1 USR2 CHLD ALRM STOP TSTP SEGV ABRT KILL CONT; do kill -s $s 1 2>/dev/null; done; sleep 0.1; exit 7`).exits(c, 7)
	c.sh(sb, "echo usable").ok(c).says(c, "usable\n")
}

// orphans makes far more of them than there may be processes at once, with
// pauses in which the first process can reap them on a busy machine.
func orphans(c *check) {
	sb := c.sandbox(limits(cupel.Limits{Processes: 60}))
	c.sh(sb, "i=0; while [ $i -lt 400 ]; do ( ( : & ) ) || exit 9; i=$((i+1)); [ $((i % 20)) = 0 ] && sleep 0.05; done; exit 0").ok(c)
}

func killedParent(c *check) {
	sb := c.sandbox(inWork())
	c.sh(sb, "sh -c '"+ticking+"' & "+ticked+"; kill -9 $$").is(c, cupel.StatusSignaled)
	c.still(sb)
}

func cancelRun(c *check) {
	sb := c.sandbox(inWork())
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	var mu sync.Mutex
	var seen bytes.Buffer
	cmd := shell("( setsid sh -c '" + ticking + "' & ); " + ticked + "; echo started; sleep 30")
	cmd.Stdout = writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		time.AfterFunc(50*time.Millisecond, cancel)
		return seen.Write(p)
	})
	began := time.Now()
	res, err := sb.Exec(ctx, cmd)
	if cupel.KindOf(err) != cupel.Canceled || time.Since(began) > promptly {
		c.Errorf("Exec = %v after %v, want kind canceled at once", err, time.Since(began))
	}
	if seen.String() != "started\n" || res.Usage.Wall <= 0 {
		c.Errorf("seen until then: %q, %+v", seen.String(), res)
	}
	c.still(sb)
}

func canceledBefore(c *check) {
	sb := c.sandbox()
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()
	if _, err := sb.Exec(ctx, shell("touch /tmp/ran")); cupel.KindOf(err) != cupel.Canceled {
		c.Errorf("Exec = %v, want kind canceled", err)
	}
	c.sh(sb, "[ ! -e /tmp/ran ]").ok(c)
	if sb, err := c.suite.engine.Create(ctx, c.spec()); cupel.KindOf(err) != cupel.Canceled {
		c.Errorf("Create = %v, want kind canceled", err)
		if err == nil {
			sb.Close()
		}
	}
}

func deadline(c *check) {
	sb := c.sandbox()
	ctx, cancel := context.WithTimeout(c.ctx, 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := sb.Exec(ctx, shell("sleep 30")); cupel.KindOf(err) != cupel.Canceled || time.Since(began) > promptly {
		c.Errorf("Exec = %v after %v, want kind canceled", err, time.Since(began))
	}
	c.sh(sb, "echo usable").ok(c)
}
