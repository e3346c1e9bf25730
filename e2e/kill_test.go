//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

const (
	killMoments = 20
	killRepeats = 4
)

// An evaluation that is killed with SIGKILL at any moment leaves no process,
// and the same command goes on with it: in the end the report is that of an
// undisturbed run but for times, each attempt stands in the log once, and
// nothing is left on the machine.
func TestKilledEvaluation(t *testing.T) {
	cupel := cupelBinary(t)
	before := lookAround(t)
	me := as(t, os.Geteuid())
	evaluate := func(dir string) []string {
		return []string{"eval", "--datasets=demo", "--model=canonical", fmt.Sprintf("--repeats=%d", killRepeats), "--out=" + dir}
	}
	whole := me.path("whole")
	began := time.Now()
	if out := runIn(t, me, cupel, evaluate(whole)...); out.status != 0 {
		t.Fatalf("exit %d\n%s", out.status, out.stderr)
	}
	took := time.Since(began)
	want := timeless(t, whole)
	t.Logf("an undisturbed run took %v", took.Round(time.Millisecond))
	attempts := len(attemptKeys(t, whole))
	unfinished := 0
	for i := range killMoments {
		dir := me.path(fmt.Sprint("killed", i))
		moment := rand.N(took)
		ctx, cancel := context.WithTimeout(context.Background(), moment)
		killed := run(t, me.command(ctx, t, cupel, evaluate(dir)...)) // the context's end is SIGKILL
		cancel()
		if killed.status == -1 {
			unfinished++
		}
		noDescendants(t)
		resumed := runIn(t, me, cupel, evaluate(dir)...)
		if resumed.status != 0 {
			t.Errorf("killed after %v, resumed: exit %d\n%s", moment, resumed.status, clip(resumed.stderr))
			continue
		}
		if got := timeless(t, dir); !reflect.DeepEqual(got, want) {
			t.Errorf("killed after %v, resumed: the report is\n%v\nwant\n%v", moment, got, want)
		}
		if n := len(attemptKeys(t, dir)); n != attempts {
			t.Errorf("killed after %v, resumed: %d attempts, want %d", moment, n, attempts)
		}
	}
	if unfinished < killMoments/2 {
		t.Errorf("only %d of %d runs were killed before their end", unfinished, killMoments)
	}
	before.compare(t)
	left(t, me)
}

// timeless is a run's report without what differs from run to run.
func timeless(t *testing.T, dir string) any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		t.Error(err)
		return nil
	}
	var doc any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Error(err)
	}
	return withoutTimes(doc)
}

func withoutTimes(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if key == "started" || key == "finished" || strings.HasSuffix(key, "_s") || strings.HasSuffix(key, "_ms") {
				delete(v, key)
			} else {
				v[key] = withoutTimes(value)
			}
		}
	case []any:
		for i := range v {
			v[i] = withoutTimes(v[i])
		}
	}
	return v
}

// attemptKeys reads the log of a run; no attempt may stand in it twice.
func attemptKeys(t *testing.T, dir string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "attempts.jsonl"))
	if err != nil {
		t.Error(err)
	}
	keys := map[string]bool{}
	for line := range bytes.Lines(text) {
		var a struct {
			TaskID  string `json:"task_id"`
			Attempt int
		}
		if err := json.Unmarshal(line, &a); err != nil {
			t.Errorf("attempts.jsonl: %v: %s", err, line)
			continue
		}
		key := fmt.Sprintf("%s#%d", a.TaskID, a.Attempt)
		if keys[key] {
			t.Errorf("%s is recorded twice", key)
		}
		keys[key] = true
	}
	return keys
}
