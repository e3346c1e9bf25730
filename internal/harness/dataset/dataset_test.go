package dataset

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cupel.dev/cupel"
)

// data returns the path of a benchmark's file, or skips the test.
func data(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("CUPEL_TEST_DATA")
	if dir == "" {
		dir = "../../../../shared/data"
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no benchmark data: set CUPEL_TEST_DATA to a folder with %s (%v)", name, err)
	}
	return path
}

func rawArgs(t *testing.T, doc string) map[string]json.RawMessage {
	t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(doc), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRealData(t *testing.T) {
	for _, tc := range []struct {
		name, file, args, subset string
		samples                  int
		first, last              string
		cpu, wall                time.Duration
	}{
		{"humaneval", "HumanEval.jsonl.gz", `{}`, "openai_humaneval", 164, "HumanEval/0", "HumanEval/163", 4 * time.Second, 12 * time.Second},
		{"humaneval", "example_problem.jsonl", `{"review_timeout": 1.5}`, "openai_humaneval", 1, "test/0", "test/0", 1500 * time.Millisecond, 10 * time.Second},
		{"mbpp", "mbpp.jsonl.gz", `{}`, "full", 500, "11", "510", 20 * time.Second, time.Minute},
		{"mbpp", "mbpp.jsonl.gz", `{"eval_split": "all"}`, "full", 974, "1", "974", 20 * time.Second, time.Minute},
		{"mbpp", "mbpp.jsonl.gz", `{"eval_split": "prompt", "few_shot_num": 0}`, "full", 10, "1", "10", 20 * time.Second, time.Minute},
		{"mbpp", "sanitized-mbpp.json.gz", `{}`, "sanitized", 427, "2", "809", 20 * time.Second, time.Minute},
		{"mbpp", "sanitized-mbpp.json.gz", `{"eval_split": "test"}`, "sanitized", 257, "11", "477", 20 * time.Second, time.Minute},
	} {
		t.Run(tc.file+tc.args, func(t *testing.T) {
			set, err := Open(tc.name, Options{Path: data(t, tc.file), Args: rawArgs(t, tc.args)})
			if err != nil {
				t.Fatal(err)
			}
			n := len(set.Samples)
			if n != tc.samples || set.Subset != tc.subset || len(set.SHA256) != 64 {
				t.Fatalf("%d samples of subset %s, hash %q; want %d of %s", n, set.Subset, set.SHA256, tc.samples, tc.subset)
			}
			first, last := set.Samples[0], set.Samples[n-1]
			if first.TaskID != tc.first {
				t.Errorf("first task is %s, want %s", first.TaskID, tc.first)
			}
			if tc.last != "809" && tc.last != "477" && last.TaskID != tc.last {
				t.Errorf("last task is %s, want %s", last.TaskID, tc.last)
			}
			if first.CPULimit != tc.cpu || first.WallLimit != tc.wall {
				t.Errorf("limits %v and %v, want %v and %v", first.CPULimit, first.WallLimit, tc.cpu, tc.wall)
			}
			for _, s := range set.Samples {
				if s.Canonical == "" || s.Python == nil || s.Python.Test == "" || s.Dataset != tc.name || s.Subset != tc.subset {
					t.Errorf("task %s is not whole: %+v", s.TaskID, s)
				}
			}
		})
	}
}

func TestRealHelpers(t *testing.T) {
	set, err := Open("humaneval", Options{Path: data(t, "HumanEval.jsonl.gz")})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[int]string{0: "from typing import List", 32: "def poly(", 38: "def encode_cyclic(", 50: "def encode_shift(", 10: "def is_palindrome("} {
		s := set.Samples[id]
		if !strings.Contains(s.Python.Preamble, want) || strings.Contains(s.Python.Preamble, "def "+s.Python.EntryPoint+"(") {
			t.Errorf("%s: preamble %q, want it to have %q and not the entry point", s.TaskID, s.Python.Preamble, want)
		}
	}
	mbpp, err := Open("mbpp", Options{Path: data(t, "mbpp.jsonl.gz"), Args: rawArgs(t, `{"eval_split": "all"}`)})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range mbpp.Samples {
		if (s.Python.Setup != "") != (s.TaskID == "367" || s.TaskID == "927") {
			t.Errorf("task %s has set-up %q", s.TaskID, s.Python.Setup)
		}
	}
}

const humanEvalRowText = `{"task_id": "x/0", "prompt": "def f():\n", "canonical_solution": "    return 1", "entry_point": "f", "test": "def check(c): pass"}`

func TestBrokenData(t *testing.T) {
	row := humanEvalRowText
	for _, tc := range []struct{ name, dataset, content, want string }{
		{"cut short", "humaneval", row + "\n" + row[:40], ":2:41: the data ends in the middle"},
		{"syntax", "humaneval", row + "\n\n" + `{"task_id": "é", x}`, ":3:18: invalid character 'x'"},
		{"wrong type", "humaneval", `{"task_id": "a", "prompt": 7}`, `:1:28: field "prompt" is a JSON number where a string belongs`},
		{"no test", "humaneval", `{"task_id": "a", "prompt": "", "entry_point": "f"}`, `:1:1: field "test" is missing`},
		{"no id", "humaneval", `{"prompt": "", "entry_point": "f", "test": "x"}`, `field "task_id" is missing`},
		{"entry point", "humaneval", strings.Replace(row, `"f"`, `"f()"`, 1), `field "entry_point" is missing`},
		{"twice", "humaneval", row + "\r\n" + row, `:2:1: task "x/0" was there already, on line 1`},
		{"empty", "humaneval", "\n\n", "no task of dataset humaneval"},
		{"no object", "humaneval", "7", "a JSON number where an object belongs"},
		{"array cut short", "mbpp", "[\n" + `{"task_id": 1, "prompt": "p", "test_list": ["assert 1"]},` + "\n", "ends in the middle"},
		{"array row", "mbpp", "[\n" + `  {"task_id": 1, "prompt": "p", "test_list": []}]`, ":2:3: field \"test_list\" is missing"},
		{"array syntax", "mbpp", "[\n{\"task_id\": 1,,}]", ":2:15: invalid character ','"},
		{"after the array", "mbpp", `[{"task_id": 1, "prompt": "p", "test_list": ["assert 1"]}] x`, "invalid character 'x'"},
		{"id of another type", "mbpp", `{"task_id": [1], "text": "t", "test_list": ["assert 1"]}`, "neither a string nor a number"},
		{"gzip", "mbpp", "\x1f\x8b broken", "broken gzip"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data.jsonl")
			if err := os.WriteFile(path, []byte(tc.content), 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := Open(tc.dataset, Options{Path: path})
			if cupel.KindOf(err) != cupel.Invalid || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want it to say %q", err, tc.want)
			}
			if err != nil && !strings.Contains(err.Error(), path) {
				t.Errorf("%v doesn't name the file", err)
			}
		})
	}
}

func TestGzipIsSeenByContent(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	_, _ = w.Write([]byte("\ufeff" + humanEvalRowText + "\n"))
	_ = w.Close()
	dir := t.TempDir()
	packed, plain := filepath.Join(dir, "a.jsonl"), filepath.Join(dir, "b.gz")
	if err := os.WriteFile(packed, z.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(plain, []byte("\ufeff"+humanEvalRowText+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	a, err := Open("humaneval", Options{Path: packed})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open("humaneval", Options{Path: plain})
	if err != nil {
		t.Fatal(err)
	}
	if a.SHA256 != b.SHA256 {
		t.Error("the hash depends on the compression")
	}
}

func TestOpenRefuses(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.jsonl")
	for _, tc := range []struct {
		name    string
		options Options
		kind    cupel.Kind
		want    string
	}{
		{"humanevl", Options{}, cupel.Invalid, "did you mean humaneval?"},
		{"humaneval", Options{}, cupel.Invalid, "no data file"},
		{"humaneval", Options{Path: missing}, cupel.NotFound, missing},
		{"humaneval", Options{Path: t.TempDir()}, cupel.Invalid, "directory"},
		{"mbpp", Options{Path: missing, Args: rawArgs(t, `{"eval_spilt": "all"}`)}, cupel.Invalid, "did you mean eval_split?"},
		{"mbpp", Options{Path: missing, Args: rawArgs(t, `{"eval_split": "tset"}`)}, cupel.Invalid, "did you mean test?"},
		{"mbpp", Options{Path: missing, Args: rawArgs(t, `{"eval_split": 7}`)}, cupel.Invalid, "give a string"},
		{"mbpp", Options{Path: missing, Args: rawArgs(t, `{"review_timeout": -1}`)}, cupel.Invalid, "number of seconds"},
		{"mbpp", Options{Path: missing, Args: rawArgs(t, `{"review_timeout": 1e9}`)}, cupel.Invalid, "number of seconds"},
		{"humaneval", Options{Path: missing, Args: rawArgs(t, `{"eval_split": "train"}`)}, cupel.Invalid, "only the split test"},
		{"demo", Options{Path: missing}, cupel.Invalid, "takes no file"},
	} {
		_, err := Open(tc.name, tc.options)
		if cupel.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("Open(%s, %+v) = %v, want kind %s and %q", tc.name, tc.options, err, tc.kind, tc.want)
		}
	}
}

func TestMBPPFileWithoutTheTestSplit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "m.jsonl")
	content := `{"task_id": 700, "text": "t", "code": "c", "test_list": ["assert 1", "assert 2"]}
{"task_id": 3, "text": "t", "code": "c", "test_list": ["assert 1"]}
`
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	set, err := Open("mbpp", Options{Path: path})
	if err != nil || len(set.Samples) != 2 || set.Args["eval_split"] != "all" {
		t.Fatalf("got %+v, %v", set, err)
	}
	if set.Samples[0].Python.Test != "assert 1\nassert 2" {
		t.Errorf("test is %q", set.Samples[0].Python.Test)
	}
	if _, err := Open("mbpp", Options{Path: path, Args: rawArgs(t, `{"eval_split": "test"}`)}); err == nil {
		t.Error("an empty split that was asked for is no error")
	}
}

func TestLimit(t *testing.T) {
	samples := make([]Sample, 7)
	for s, want := range map[string]int{"": 7, "0": 7, "3": 3, "100": 7, "0.5": 3, "1.0": 7, "0.0": 7} {
		l, err := ParseLimit(s)
		if err != nil || len(l.Apply(samples)) != want {
			t.Errorf("limit %q leaves %d, %v; want %d", s, len(l.Apply(samples)), err, want)
		}
	}
	for _, s := range []string{"-1", "1.5", "-0.5", "x", "NaN", "1e9", "Inf"} {
		if _, err := ParseLimit(s); cupel.KindOf(err) != cupel.Invalid {
			t.Errorf("limit %q: %v", s, err)
		}
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte(humanEvalRowText + "\n" + humanEvalRowText))
	f.Add([]byte("[" + humanEvalRowText + "]"))
	f.Add([]byte("\ufeff [{\"task_id\": 1, \"prompt\": \"\", \"test_list\": [\"a\"]} , {}]"))
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, read := range []func(*file, args) (*Set, error){readHumanEval, readMBPP} {
			set, err := read(newFile("f", content), args{dataset: "x"})
			if err != nil {
				if cupel.KindOf(err) != cupel.Invalid {
					t.Errorf("kind %s: %v", cupel.KindOf(err), err)
				}
				continue
			}
			seen := map[string]bool{}
			for _, s := range set.Samples {
				if s.TaskID == "" || seen[s.TaskID] || s.Python.Test == "" {
					t.Errorf("accepted %+v", s)
				}
				seen[s.TaskID] = true
			}
		}
	})
}
