package grade

import (
	"maps"
	"regexp"
	"slices"
	"sync"
	"testing"
)

// gradeAll judges one program a row and returns the outcomes by task.
func gradeAll(t *testing.T, g *Grader, rows []row, program func(row) string) map[string]Outcome {
	t.Helper()
	var mu sync.Mutex
	out := map[string]Outcome{}
	each(len(rows), func(i int) {
		got, err := g.Grade(t.Context(), rows[i].task, Attempt{Program: program(rows[i])})
		if err != nil {
			t.Errorf("%s: errored: %v", rows[i].task.ID, err)
			return
		}
		mu.Lock()
		out[rows[i].task.ID] = got
		mu.Unlock()
	})
	return out
}

// wantPassed checks that exactly the tasks not in failing pass, by data.
func wantPassed(t *testing.T, got map[string]Outcome, total int, failing ...string) {
	t.Helper()
	passed := 0
	for _, id := range slices.Sorted(maps.Keys(got)) {
		o := got[id]
		if o.Verdict == Passed {
			passed++
		}
		if (o.Verdict == Failed) != slices.Contains(failing, id) {
			t.Errorf("%s: %s (%s)\n%s", id, o.Verdict, o.Reason, o.Stderr)
		}
		if o.Proof != ProofData {
			t.Errorf("%s: proof %s, want data", id, o.Proof)
		}
	}
	if want := total - len(failing); passed != want {
		t.Errorf("%d of %d passed, want %d", passed, total, want)
	}
}

func TestCanonicalHumanEval(t *testing.T) {
	rows := humanEval(t)
	got := gradeAll(t, newGrader(t, Strict), rows, func(r row) string { return r.canonical })
	wantPassed(t, got, 164)
}

func TestCanonicalMBPP(t *testing.T) {
	if testing.Short() {
		t.Skip("974 programs")
	}
	rows := mbpp(t)
	got := gradeAll(t, newGrader(t, Strict), rows, func(r row) string { return r.canonical })
	wantPassed(t, got, 974)
}

func TestCanonicalSanitized(t *testing.T) {
	if testing.Short() {
		t.Skip("427 programs")
	}
	rows := sanitized(t)
	got := gradeAll(t, newGrader(t, Strict), rows, func(r row) string { return r.canonical })
	wantPassed(t, got, 427)
}

func TestNothingPassesWithoutAnswers(t *testing.T) {
	rows := humanEval(t)
	def := regexp.MustCompile(`(?m)^def (\w+)`)
	for _, c := range []struct {
		name    string
		rows    int
		program func(row) string
	}{
		{"bodies replaced by pass", 164, func(r row) string { return r.prompt + "    pass\n" }},
		{"exit first", 164, func(r row) string { return "import sys\nsys.exit(0)\n" + r.canonical }},
		{"hard exit first", 20, func(r row) string { return "import os\nos._exit(0)\n" + r.canonical }},
		{"other name", 20, func(r row) string { return def.ReplaceAllString(r.canonical, "def not_$1") }},
		{"empty", 20, func(row) string { return "" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for id, o := range gradeAll(t, newGrader(t, Strict), rows[:c.rows], c.program) {
				if o.Verdict != Failed || o.Reason == "" {
					t.Errorf("%s: %s (%s), want failed with a reason", id, o.Verdict, o.Reason)
				}
			}
		})
	}
}
