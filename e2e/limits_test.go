//go:build linux

package e2e

import (
	"os"
	"slices"
	"testing"
)

// ending is one way for a program to end, and what cupel run --json says to it.
type ending struct {
	name   string
	args   []string
	status string
	hit    string // in limits_hit, or ""
}

func sh(script string, flags ...string) []string {
	// The limits that a row is not about are far away, also in an emulator.
	return slices.Concat([]string{"run", "--json", "--time=100s", "--cpu=100s"}, flags, []string{"--", "sh", "-c", script})
}

// endings has each status and each limit that leaves evidence, by one program.
var endings = []ending{
	{"ok", sh("exit 0"), "ok", ""},
	{"nonzero", sh("exit 3"), "nonzero", ""},
	{"signaled", sh("kill -SEGV $$"), "signaled", ""},
	{"time", sh("sleep 60", "--time=1s"), "time_limit", "time"},
	{"cpu", sh("while :; do :; done", "--cpu=1s"), "cpu_limit", "cpu"},
	{"memory", sh("head -c 300M /dev/zero | tail -c 300M > /dev/null", "--memory=64MiB"), "memory_limit", "memory"},
	{"memory of files", sh("head -c 200M /dev/zero > /tmp/f", "--memory=64MiB"), "memory_limit", "memory"},
	{"processes", sh("i=0; while [ $i -lt 30 ]; do sleep 5 & i=$((i+1)); done; exit 1", "--processes=8"), "process_limit", "processes"},
	{"output", sh("head -c 4M /dev/zero", "--output=1KiB"), "output_limit", "output"},
	{"disk", sh("head -c 8M /dev/zero > f", "--disk=1MiB"), "disk_limit", "disk"},
	{"inodes", sh("i=0; while [ $i -lt 200 ]; do : > f$i || exit 1; i=$((i+1)); done", "--inodes=64"), "disk_limit", "inodes"},
	{"survived", sh("head -c 8M /dev/zero > f; exit 0", "--disk=1MiB"), "ok", "disk"},
}

// check compares what cupel said. A limit that the place can't observe may
// show as an ordinary failure, when it says so.
func (e ending) check(t *testing.T, out outcome) {
	t.Helper()
	type report struct {
		Status    string
		LimitsHit []string `json:"limits_hit"`
		Usage     struct{ Unobserved []string }
	}
	doc := decodeJSON[report](t, out)
	named := e.hit == "" && len(doc.LimitsHit) == 0 || slices.Contains(doc.LimitsHit, e.hit)
	if doc.Status == e.status && named {
		return
	}
	if doc.Status == "nonzero" && slices.Contains(doc.Usage.Unobserved, e.hit) {
		return
	}
	t.Errorf("%s %v, want %s %q\n%s", doc.Status, doc.LimitsHit, e.status, e.hit, clip(out.stdout))
}

// endRight runs one program for each ending in a place.
func endRight(t *testing.T, p place, cupel string) {
	for _, e := range endings {
		t.Run(e.name, func(t *testing.T) { e.check(t, runIn(t, p, cupel, e.args...)) })
	}
}

// On this machine each status and limit is named right, as root and as a plain
// user; TestPod and TestGuest do it in other places.
func TestLimits(t *testing.T) {
	cupel := cupelBinary(t)
	uids := []int{os.Geteuid()}
	if uids[0] == 0 {
		uids = append(uids, plainUser)
	}
	for i, uid := range uids {
		t.Run([]string{"self", "plain user"}[i], func(t *testing.T) {
			before, user := lookAround(t), as(t, uid)
			endRight(t, user, cupel)
			left(t, user)
			before.compare(t)
		})
	}
}
