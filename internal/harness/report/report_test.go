package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/score"
)

var update = flag.Bool("update", false, "write the golden files anew")

// example is a run with everything in it.
func example() *Report {
	d := Dataset{Name: "humaneval", Subset: "openai_humaneval", Tasks: 4}
	var tasks []score.Task
	for _, verdicts := range [][]harness.Attempt{
		{{Verdict: harness.Passed, Proof: harness.ProofData}, {Verdict: harness.Failed, Reason: "wrong answer", Proof: harness.ProofData}},
		{{Verdict: harness.Passed, Proof: harness.ProofInProcess}, {Verdict: harness.Passed, Proof: harness.ProofData}},
		{
			{Verdict: harness.Failed, Reason: "exception: NameError: name 'x\x1b[31m' is not defined", Proof: harness.ProofData},
			{Verdict: harness.Failed, Reason: "exception: NameError: name 'y' is not defined", Proof: harness.ProofData},
		},
		{{Verdict: harness.Errored, Reason: "create sandbox: no memory"}, {Verdict: harness.Failed, Reason: "wrong answer", Proof: harness.ProofData}},
	} {
		var t score.Task
		for _, a := range verdicts {
			d.Count(a)
			t.Judged = append(t.Judged, a.Verdict != harness.Errored)
			t.Passed = append(t.Passed, a.Verdict == harness.Passed)
		}
		tasks = append(tasks, t)
	}
	d.Missing = 1
	d.Score(tasks, 42)
	d.WallS = 2.14
	empty := Dataset{Name: "mbpp", Subset: "full", Tasks: 2, Missing: 2}
	empty.Score(nil, 42)
	return &Report{
		Schema: Schema, Model: "replay:a.jsonl", Engine: "native", Grading: "strict",
		Started: time.Unix(1700000000, 0).UTC(), Finished: time.Unix(1700000002, 0).UTC(), Datasets: []Dataset{d, empty},
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-update writes it anew): %s", name, diff)
	}
}

func TestGolden(t *testing.T) {
	r := example()
	raw, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "report.json", raw)
	var table, markdown bytes.Buffer
	if err := r.Table(&table, false); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.txt", table.Bytes())
	if strings.Contains(table.String(), "\x1b") {
		t.Error("a program's escape reached the terminal, or colour was not asked for")
	}
	if err := r.Markdown(&markdown); err != nil {
		t.Fatal(err)
	}
	golden(t, "report.md", markdown.Bytes())
}

// report.json keeps the names that scripts rely on.
func TestJSONContract(t *testing.T) {
	raw, err := example().JSON()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Schema   int
		Datasets []map[string]json.RawMessage
	}
	if err := json.Unmarshal(raw, &doc); err != nil || doc.Schema != 1 {
		t.Fatalf("%v, schema %d", err, doc.Schema)
	}
	for _, key := range []string{"name", "subset", "tasks", "attempts", "passed", "failed", "errored", "missing", "pass_at_k", "wall_s"} {
		if _, ok := doc.Datasets[0][key]; !ok {
			t.Errorf("no %q in %s", key, raw)
		}
	}
}

func TestPerfectScoreIsRoundedAsDocumented(t *testing.T) {
	tasks := make([]score.Task, 164)
	for i := range tasks {
		tasks[i] = score.Task{Judged: []bool{true}, Passed: []bool{true}}
	}
	var d Dataset
	d.Score(tasks, 0)
	if got := d.PassAtK["1"]; got != (Estimate{Value: 1, Low: .977, High: 1, Tasks: 164}) {
		t.Errorf("got %+v", got)
	}
}

func TestSaveReplacesAndLoads(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(dir); cupel.KindOf(err) != cupel.NotFound || cupel.HintOf(err) == "" {
		t.Errorf("no report: %v", err)
	}
	for range 2 {
		want := example()
		if err := want.Save(dir); err != nil {
			t.Fatal(err)
		}
		got, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("loaded another one: %s", diff)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
	if err := os.WriteFile(filepath.Join(dir, File), []byte(`{"schema": 2}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); cupel.KindOf(err) != cupel.Invalid {
		t.Errorf("another schema: %v", err)
	}
}

func TestProgress(t *testing.T) {
	var plain, bar bytes.Buffer
	for out, cfg := range map[*bytes.Buffer]ProgressConfig{
		&plain: {To: &plain, Every: time.Nanosecond}, &bar: {To: &bar, Terminal: true, Color: true},
	} {
		p := NewProgress(cfg)
		p.Start(4, Counts{Passed: 1})
		p.Done(harness.Attempt{Verdict: harness.Passed})
		p.Done(harness.Attempt{Verdict: harness.Failed})
		p.Done(harness.Attempt{Verdict: harness.Errored})
		p.Finish()
		if !strings.Contains(out.String(), "resuming: 1 of 4") || !strings.Contains(out.String(), "4/4  passed 2  failed 1  errored 1") {
			t.Errorf("shown: %q", out.String())
		}
	}
	if strings.ContainsAny(plain.String(), "\r\x1b") {
		t.Errorf("plain lines hold escapes: %q", plain.String())
	}
	if !strings.HasSuffix(bar.String(), "\n") || !strings.Contains(bar.String(), "\r") {
		t.Errorf("the bar: %q", bar.String())
	}
	var none bytes.Buffer
	p := NewProgress(ProgressConfig{To: &none, Terminal: true})
	p.Start(0, Counts{})
	p.Finish()
	if strings.Contains(none.String(), "\x1b[3") {
		t.Errorf("colour was not asked for: %q", none.String())
	}
}
