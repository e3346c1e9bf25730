package enginetest

import (
	"strings"

	"cupel.dev/cupel"
)

func outputRequirements() []requirement {
	return []requirement{
		{"exactly as much as allowed is not truncated", outputThatFits},
		{"one byte more is truncated and marked", outputTruncated},
		{"stderr has a limit of its own", stderrTruncated},
		{"a flood is ended", flood("yes")},
		{"a flood on stderr is ended", flood("yes >&2")},
		{"a flood without newlines is ended", flood("cat /dev/zero")},
		{"a flood after the parent's end delays nothing", floodOfOrphan},
	}
}

const kept = 1000

func small() cupel.Spec { return limits(cupel.Limits{Output: kept}) }

func outputThatFits(c *check) {
	out := c.sh(c.sandbox(small()), "head -c 1000 /dev/zero; head -c 1000 /dev/zero >&2").ok(c)
	if len(out.stdout) != kept || len(out.stderr) != kept || out.StdoutTruncated || out.StderrTruncated || len(out.LimitsHit) != 0 {
		c.Errorf("%d and %d bytes, truncated %v %v, limits_hit %v", len(out.stdout), len(out.stderr),
			out.StdoutTruncated, out.StderrTruncated, out.LimitsHit)
	}
}

func outputTruncated(c *check) {
	sb := c.sandbox(small())
	out := c.sh(sb, "head -c 1001 /dev/zero; echo short >&2").ok(c)
	if len(out.stdout) != kept || !out.StdoutTruncated || out.StderrTruncated || out.stderr != "short\n" {
		c.Errorf("%d bytes, truncated %v %v: %s", len(out.stdout), out.StdoutTruncated, out.StderrTruncated, out)
	}
	out = c.sh(sb, "i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); done").ok(c)
	if len(out.stdout) != kept || !strings.HasPrefix(out.stdout, "line 0\nline 1\n") {
		c.Errorf("want the first %d bytes, got %d: %q", kept, len(out.stdout), clip(out.stdout))
	}
}

func stderrTruncated(c *check) {
	out := c.sh(c.sandbox(small()), "echo short; head -c 5000 /dev/zero >&2").ok(c)
	if len(out.stderr) != kept || !out.StderrTruncated || out.StdoutTruncated || out.stdout != "short\n" {
		c.Errorf("%d bytes of stderr, truncated %v %v: %s", len(out.stderr), out.StdoutTruncated, out.StderrTruncated, out)
	}
}

func flood(script string) func(*check) {
	return func(c *check) {
		out := c.sh(c.sandbox(small()), script).prompt(c).hit(c, cupel.StatusOutputLimit, cupel.LimitOutput)
		if len(out.stdout) > kept || len(out.stderr) > kept {
			c.Errorf("%d and %d bytes were kept", len(out.stdout), len(out.stderr))
		}
	}
}

func floodOfOrphan(c *check) {
	out := c.sh(c.sandbox(small()), "(yes &) ; exit 0").prompt(c)
	if out.Status != cupel.StatusOK && out.Status != cupel.StatusOutputLimit {
		c.Errorf("want ok or output_limit: %s", out)
	}
}
