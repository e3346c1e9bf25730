//go:build linux

package e2e

import (
	"os"
	"testing"
)

// demo is what cupel demo --json prints, as far as it is looked at here.
type demo struct {
	JudgedRight int `json:"judged_right"`
	JudgedWrong int `json:"judged_wrong"`
	Unsupported int
	Isolation   struct{ Tier string }
	Answers     []struct {
		TaskID      string `json:"task_id"`
		Language    string
		Does        string
		Said        string
		Verdict     string
		Expected    string
		JudgedRight *bool `json:"judged_right"`
	}
}

// verdicts are the answers' verdicts by name, without those that could not run.
func (d demo) verdicts() map[string]string {
	all := map[string]string{}
	for _, a := range d.Answers {
		if a.JudgedRight != nil {
			all[a.TaskID+" "+a.Does] = a.Verdict
		}
	}
	return all
}

// judgesRight runs the bundled benchmark in a place: all that can run there is
// judged right, and like on this machine.
func judgesRight(t *testing.T, p place, cupel string, reference map[string]string, languages ...string) {
	t.Helper()
	judged(t, runIn(t, p, cupel, "demo", "--json"), reference, languages...)
}

// judged is judgesRight for the output of cupel demo --json.
func judged(t *testing.T, out outcome, reference map[string]string, languages ...string) {
	t.Helper()
	doc := decodeJSON[demo](t, out)
	for _, a := range doc.Answers {
		if a.JudgedRight != nil && !*a.JudgedRight {
			t.Errorf("%s, which %s: cupel said %q (%s), should be %s", a.TaskID, a.Does, a.Said, a.Verdict, a.Expected)
		}
	}
	ran := map[string]int{}
	for _, a := range doc.Answers {
		if a.JudgedRight != nil {
			ran[a.Language]++
		}
	}
	for _, l := range languages {
		if ran[l] == 0 {
			t.Errorf("no answer in %s ran", l)
		}
	}
	for name, verdict := range doc.verdicts() {
		if want, ok := reference[name]; ok && verdict != want {
			t.Errorf("%s is %s here and %s elsewhere", name, verdict, want)
		}
	}
	if out.status != 0 {
		t.Errorf("cupel demo: exit %d\n%s", out.status, out.stderr)
	}
}

// demoHere remembers what this machine said.
var demoHere map[string]string

// reference is what this machine says to the bundled answers. Tests here run
// one after another.
func reference(t *testing.T) map[string]string {
	t.Helper()
	if demoHere == nil {
		out := runIn(t, as(t, os.Geteuid()), cupelBinary(t), "demo", "--json")
		demoHere = decodeJSON[demo](t, out).verdicts()
	}
	return demoHere
}
