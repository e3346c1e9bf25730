package model

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness/dataset"
)

func sets() []*dataset.Set {
	sample := func(set, id string) dataset.Sample {
		return dataset.Sample{Dataset: set, TaskID: id, Canonical: "c" + id}
	}
	return []*dataset.Set{
		{Name: "humaneval", Samples: []dataset.Sample{sample("humaneval", "HumanEval/0"), sample("humaneval", "HumanEval/1")}},
		{Name: "mbpp", Excluded: []string{"5"}, Args: map[string]string{"eval_split": "test"}, Samples: []dataset.Sample{sample("mbpp", "11"), {Dataset: "mbpp", TaskID: "12"}}},
	}
}

func replay(t *testing.T, content string) (Model, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "r.jsonl")
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return Open(ReplayPrefix+path, sets())
}

func TestReplay(t *testing.T) {
	m, err := replay(t, `{"task_id": "HumanEval/1", "completion": "a"}

{"task_id": 11, "reply": "b", "extra": [1]}
{"task_id": "HumanEval/1", "completion": ""}
`)
	if err != nil {
		t.Fatal(err)
	}
	all := sets()
	for _, tc := range []struct {
		sample  *dataset.Sample
		answers []Answer
	}{
		{&all[0].Samples[0], nil},
		{&all[0].Samples[1], []Answer{{Text: "a"}, {}}},
		{&all[1].Samples[0], []Answer{{Text: "b", Reply: true}}},
	} {
		if n := m.Attempts(tc.sample); n != len(tc.answers) {
			t.Errorf("%s has %d attempts, want %d", tc.sample.TaskID, n, len(tc.answers))
		}
		for n, want := range tc.answers {
			if got, err := m.Answer(t.Context(), tc.sample, n); err != nil || got != want {
				t.Errorf("%s attempt %d: %+v, %v; want %+v", tc.sample.TaskID, n, got, err, want)
			}
		}
		if _, err := m.Answer(t.Context(), tc.sample, len(tc.answers)); cupel.KindOf(err) != cupel.NotFound {
			t.Errorf("%s: an attempt too many: %v", tc.sample.TaskID, err)
		}
	}
}

func TestReplayIsRefusedWhole(t *testing.T) {
	ok := `{"task_id": "11", "completion": "x"}` + "\n"
	for _, tc := range []struct{ name, line, want string }{
		{"unknown task", `{"task_id": "HumanEval/9", "completion": "x"}`, `:2: task "HumanEval/9" is not in the datasets named; did you mean "HumanEval/`},
		{"outside the split", `{"task_id": 5, "completion": "x"}`, `:2: task "5" is outside mbpp's split test; --dataset-args '{"mbpp": {"eval_split": "all"}}'`},
		{"broken", `{"task_id": "11", "completion": "x"`, ":2:36: the data ends"},
		{"both", `{"task_id": "11", "completion": "x", "reply": "y"}`, `:2: both "completion" and "reply"`},
		{"neither", `{"task_id": "11"}`, `:2: neither "completion" nor "reply"`},
		{"no id", `{"completion": "x"}`, `:2: "task_id" is missing`},
		{"wrong type", `{"task_id": "11", "completion": 7}`, `field "completion" is a JSON number`},
		{"another dataset", `{"task_id": "11", "dataset": "humaneval", "completion": "x"}`, `not in dataset humaneval`},
	} {
		_, err := replay(t, ok+tc.line+"\n"+ok)
		if cupel.KindOf(err) != cupel.Invalid || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", tc.name, err, tc.want)
		}
	}
	if _, err := Open(ReplayPrefix+filepath.Join(t.TempDir(), "none"), sets()); cupel.KindOf(err) != cupel.NotFound {
		t.Errorf("no file: %v", err)
	}
}

func TestReplayFingerprintFollowsContent(t *testing.T) {
	a, err := replay(t, `{"task_id": "11", "completion": "x"}`)
	if err != nil {
		t.Fatal(err)
	}
	b, err := replay(t, `{"task_id": "11", "completion": "y"}`)
	if err != nil {
		t.Fatal(err)
	}
	if a.Fingerprint() == b.Fingerprint() {
		t.Error("two replays share a fingerprint")
	}
}

func TestCanonicalAndUnknown(t *testing.T) {
	m, err := Open("canonical", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := sets()[1].Samples
	if got, err := m.Answer(t.Context(), &s[0], 3); err != nil || got.Text != "c11" || m.Attempts(&s[0]) != Any {
		t.Errorf("got %+v, %v", got, err)
	}
	if n := m.Attempts(&s[1]); n != 0 {
		t.Errorf("a task without an answer has %d attempts", n)
	}
	if _, err := Open("canonicl", nil); cupel.KindOf(err) != cupel.Invalid || !strings.Contains(err.Error(), "did you mean canonical") {
		t.Errorf("an unknown model: %v", err)
	}
}

func FuzzReplay(f *testing.F) {
	f.Add([]byte(`{"task_id": "11", "completion": "x"}` + "\n" + `{"task_id": 11, "reply": "x"}`))
	tasks := index(sets())
	f.Fuzz(func(t *testing.T, content []byte) {
		r, err := parse("r", content, sets())
		if err != nil {
			if cupel.KindOf(err) != cupel.Invalid {
				t.Errorf("kind %s: %v", cupel.KindOf(err), err)
			}
			return
		}
		for k := range r.answers {
			if len(tasks[k.id]) == 0 {
				t.Errorf("an unknown task was accepted: %v", k)
			}
		}
	})
}
