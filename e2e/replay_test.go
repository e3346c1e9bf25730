//go:build linux

package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// testFlags make a test binary print what go tool test2json reads.
var testFlags = []string{"-test.v=test2json", "-test.timeout=9m", "-test.count=1"}

// replay makes each test that a test binary ran a subtest of t: one that
// failed there fails here, one that was skipped is skipped.
func replay(t *testing.T, out outcome) {
	t.Helper()
	results := readResults(t, out.stdout)
	ran, failed := 0, false
	for _, r := range results {
		if r.action == "" {
			t.Errorf("%s did not end", r.test)
		}
		failed = failed || r.action == "fail"
		if r.parent && r.action != "fail" {
			continue
		}
		ran++
		t.Run(r.test, func(t *testing.T) {
			switch r.action {
			case "fail":
				t.Error(r.output)
			case "skip":
				t.Skip(r.reason())
			}
		})
	}
	if out.status != 0 && !failed || ran == 0 {
		t.Errorf("exit %d after %d tests\n%s%s", out.status, ran, clip(out.stdout), clip(out.stderr))
	}
}

// result is what became of one test in another place.
type result struct {
	test, action, output string
	parent               bool
}

// reason is the last thing that a skipped test said.
func (r *result) reason() string {
	reason := "no reason given"
	for line := range strings.Lines(r.output) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "---") || strings.HasPrefix(line, "===") {
			continue
		}
		if _, said, ok := strings.Cut(line, ".go:"); ok {
			_, line, _ = strings.Cut(said, ": ")
		}
		reason = line
	}
	return reason
}

func readResults(t *testing.T, stdout string) []*result {
	t.Helper()
	cmd := exec.Command("go", "tool", "test2json")
	cmd.Stdin = strings.NewReader(stdout)
	events, err := cmd.Output()
	if err != nil {
		t.Fatalf("go tool test2json: %v", err)
	}
	var list []*result
	byName := map[string]*result{}
	for dec := json.NewDecoder(bytes.NewReader(events)); dec.More(); {
		var e struct{ Action, Test, Output string }
		if err := dec.Decode(&e); err != nil {
			t.Fatal(err)
		}
		r := byName[e.Test]
		if r == nil && e.Test != "" {
			r = &result{test: e.Test}
			byName[e.Test] = r
			list = append(list, r)
			if i := strings.LastIndexByte(e.Test, '/'); i > 0 && byName[e.Test[:i]] != nil {
				byName[e.Test[:i]].parent = true
			}
		}
		switch e.Action {
		case "output":
			if r != nil {
				r.output += e.Output
			}
		case "pass", "fail", "skip":
			if r != nil {
				r.action = e.Action
			}
		}
	}
	return list
}
