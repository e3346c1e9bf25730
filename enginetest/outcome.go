package enginetest

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"cupel.dev/cupel"
)

// outcome is all that one Exec gave.
type outcome struct {
	cupel.Result
	stdout, stderr string
	took           time.Duration
	err            error
}

// try runs cmd and keeps its error.
func (c *check) try(sb cupel.Sandbox, cmd cupel.Cmd) outcome {
	var stdout, stderr bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	began := time.Now()
	res, err := sb.Exec(c.ctx, cmd)
	return outcome{res, stdout.String(), stderr.String(), time.Since(began), err}
}

// exec runs cmd, which the machine must manage, and checks what holds of every
// Result. It may be called on other goroutines than the test's.
func (c *check) exec(sb cupel.Sandbox, cmd cupel.Cmd) outcome {
	c.Helper()
	out := c.try(sb, cmd)
	if out.err != nil {
		c.Errorf("%s: %v (hint: %s)", brief(cmd.Args), out.err, cupel.HintOf(out.err))
		return out
	}
	out.consistent(c)
	return out
}

// sh runs a shell script.
func (c *check) sh(sb cupel.Sandbox, script string) outcome {
	c.Helper()
	return c.exec(sb, shell(script))
}

// python runs a Python program.
func (c *check) python(sb cupel.Sandbox, script string, args ...string) outcome {
	c.Helper()
	return c.exec(sb, python(script, args...))
}

func shell(script string) cupel.Cmd {
	return cupel.Cmd{Args: []string{"/bin/sh", "-c", script}}
}

func python(script string, args ...string) cupel.Cmd {
	return cupel.Cmd{Args: append([]string{"python3", "-c", script}, args...)}
}

// consistent checks that the parts of a Result agree.
func (o outcome) consistent(c *check) {
	c.Helper()
	exited := o.ExitCode >= 0
	switch {
	case o.Status == cupel.StatusOK && o.ExitCode != 0,
		o.Status == cupel.StatusNonzero && o.ExitCode <= 0,
		o.Status == cupel.StatusSignaled && o.Signal == "",
		exited && o.Signal != "",
		!exited && o.ExitCode != -1:
		c.Errorf("the Result contradicts itself: %s", o)
	}
	if name := limitOf(o.Status); name != "" && !slices.Contains(o.LimitsHit, name) {
		if name != cupel.LimitDisk || !slices.Contains(o.LimitsHit, cupel.LimitInodes) {
			c.Errorf("status %s, but limits_hit is %v", o.Status, o.LimitsHit)
		}
	}
	if o.Usage.Wall > o.took {
		c.Errorf("wall %v is more than the whole call took (%v)", o.Usage.Wall, o.took)
	}
	if o.Startup != cupel.StartupCold && o.Startup != cupel.StartupWarm {
		c.Errorf("startup = %q", o.Startup)
	}
}

func limitOf(s cupel.Status) cupel.LimitName {
	return map[cupel.Status]cupel.LimitName{
		cupel.StatusTimeLimit:    cupel.LimitTime,
		cupel.StatusCPULimit:     cupel.LimitCPU,
		cupel.StatusMemoryLimit:  cupel.LimitMemory,
		cupel.StatusOutputLimit:  cupel.LimitOutput,
		cupel.StatusDiskLimit:    cupel.LimitDisk,
		cupel.StatusProcessLimit: cupel.LimitProcesses,
	}[s]
}

// String is the outcome as messages show it.
func (o outcome) String() string {
	doc, err := json.Marshal(map[string]any{
		"exit": o.ExitCode, "signal": o.Signal, "limits_hit": o.LimitsHit,
		"stdout": clip(o.stdout), "stderr": clip(o.stderr), "unobserved": o.Usage.Unobserved,
		"wall": o.Usage.Wall.String(), "took": o.took.Round(time.Millisecond).String(),
	})
	if err != nil {
		return err.Error()
	}
	return string(o.Status) + " " + string(doc)
}

// ok requires exit 0.
func (o outcome) ok(c *check) outcome {
	c.Helper()
	if o.err != nil || o.Status != cupel.StatusOK {
		c.Errorf("want ok, got %s (%v)", o, o.err)
	}
	return o
}

// is requires a status.
func (o outcome) is(c *check, want cupel.Status) outcome {
	c.Helper()
	if o.Status != want {
		c.Errorf("want %s, got %s", want, o)
	}
	return o
}

// exits requires an exit code of the program's own.
func (o outcome) exits(c *check, code int) outcome {
	c.Helper()
	want := cupel.StatusNonzero
	if code == 0 {
		want = cupel.StatusOK
	}
	if o.Status != want || o.ExitCode != code || o.Signal != "" {
		c.Errorf("want exit %d, got %s", code, o)
	}
	return o
}

// says requires stdout, to the byte.
func (o outcome) says(c *check, want string) outcome {
	c.Helper()
	if o.stdout != want {
		c.Errorf("stdout = %q, want %q (%s)", clip(o.stdout), clip(want), o)
	}
	return o
}

// prompt requires that the call returned soon.
func (o outcome) prompt(c *check) outcome {
	c.Helper()
	if o.took > promptly {
		c.Errorf("returned after %v", o.took)
	}
	return o
}

// hit requires that limit ended the program or made it fail, and names it
// first. Where the place leaves no evidence and says so, a plain failure will
// do.
func (o outcome) hit(c *check, want cupel.Status, limit cupel.LimitName) outcome {
	c.Helper()
	if slices.Contains(o.Usage.Unobserved, limit) && (o.Status == cupel.StatusNonzero || o.Status == cupel.StatusSignaled) {
		c.Logf("%s can't be observed here; the program failed with %s", limit, o.Status)
		return o
	}
	if o.Status != want || len(o.LimitsHit) == 0 || o.LimitsHit[0] != limit {
		c.Errorf("want %s with limits_hit %s first, got %s", want, limit, o)
	}
	return o
}

// lines splits stdout.
func (o outcome) lines() []string {
	s := strings.TrimSuffix(o.stdout, "\n")
	if s == "" {
		return nil
	}
	return strings.Split(s, "\n")
}

func clip(s string) string {
	const most = 600
	if len(s) <= most {
		return s
	}
	return s[:most/2] + " ... " + s[len(s)-most/2:]
}

func brief(args []string) string { return clip(strings.Join(args, " ")) }
