//go:build linux

package e2e

import (
	"strings"
	"testing"
	"time"
)

// On kernel 6.1 package cgroup finds its place in every situation that its
// guestinit makes: at the top, in a cgroup, beside others, in containers,
// delegated, half delegated, without.
func TestGuestCgroups(t *testing.T) {
	console, _ := boot(t, 15*time.Minute, func(c *cpio) {
		c.program("init", built(t, "internal/linux/cgroup/testdata/guestinit"))
		c.dir("tests")
		c.program("tests/cgroup.test", testBinary(t, "internal/linux/cgroup"))
		for _, dir := range []string{"proc", "sys", "dev", "tmp"} {
			c.dir(dir)
		}
	})
	situations := 0
	for line := range strings.Lines(console) {
		// GUEST SITUATION PROGRAM exit CODE [what went wrong besides]
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[0] != "GUEST" || fields[3] != "exit" {
			continue
		}
		situations++
		t.Run(fields[1], func(t *testing.T) {
			if fields[4] != "0" || len(fields) > 5 {
				t.Errorf("%s\n%s", line, failures(console, line))
			}
		})
	}
	if situations == 0 || !strings.Contains(console, "GUEST done") {
		t.Errorf("%d situations were tried\n%s", situations, clip(console))
	}
}

// failures are the lines about failed tests before the line that sums a
// situation up.
func failures(console, until string) string {
	before, _, _ := strings.Cut(console, until)
	if i := strings.LastIndex(before, "\nGUEST"); i >= 0 {
		before = before[i:]
	}
	var b strings.Builder
	for line := range strings.Lines(before) {
		if strings.Contains(line, "FAIL") || strings.Contains(line, "_test.go:") || strings.Contains(line, "panic") {
			b.WriteString(line)
		}
	}
	return clip(b.String())
}
