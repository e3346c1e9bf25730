package grade

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// row is a task with the dataset's own answer to it.
type row struct {
	task      Task
	entry     string // the function asked for
	canonical string // a whole program
	prompt    string // HumanEval's, or ""
}

func dataFile(t testing.TB, name string) []byte {
	t.Helper()
	dir := os.Getenv("CUPEL_TEST_DATA")
	if dir == "" {
		dir = "../../../../shared/data"
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Skip("no benchmark data here; set CUPEL_TEST_DATA:", err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(zr)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func jsonLines(t testing.TB, data []byte, each func(line []byte) error) {
	t.Helper()
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		if err := each(lines.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
}

func humanEval(t testing.TB) []row {
	t.Helper()
	var rows []row
	jsonLines(t, dataFile(t, "HumanEval.jsonl.gz"), func(line []byte) error {
		var r struct {
			TaskID     string `json:"task_id"`
			Prompt     string
			EntryPoint string `json:"entry_point"`
			Canonical  string `json:"canonical_solution"`
			Test       string
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		rows = append(rows, row{
			task: Task{ID: r.TaskID, Dataset: "humaneval", Form: FormCheck, Setup: r.Prompt, Test: r.Test,
				EntryPoint: r.EntryPoint, CPULimit: 4 * time.Second, WallLimit: 12 * time.Second},
			entry: r.EntryPoint, canonical: r.Prompt + r.Canonical, prompt: r.Prompt,
		})
		return nil
	})
	return rows
}

func mbpp(t testing.TB) []row {
	t.Helper()
	var rows []row
	jsonLines(t, dataFile(t, "mbpp.jsonl.gz"), func(line []byte) error {
		var r struct {
			TaskID int `json:"task_id"`
			Code   string
			Setup  string   `json:"test_setup_code"`
			Tests  []string `json:"test_list"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		rows = append(rows, row{
			task: Task{ID: fmt.Sprint(r.TaskID), Dataset: "mbpp", Form: FormAsserts, Setup: r.Setup,
				Test: join(r.Tests), CPULimit: 20 * time.Second, WallLimit: 60 * time.Second},
			entry: calledFirst(r.Tests[0]), canonical: r.Code,
		})
		return nil
	})
	return rows
}

func sanitized(t testing.TB) []row {
	t.Helper()
	var read []struct {
		TaskID  int `json:"task_id"`
		Code    string
		Imports []string `json:"test_imports"`
		Tests   []string `json:"test_list"`
	}
	if err := json.Unmarshal(dataFile(t, "sanitized-mbpp.json.gz"), &read); err != nil {
		t.Fatal(err)
	}
	var rows []row
	for _, r := range read {
		rows = append(rows, row{
			task: Task{ID: fmt.Sprint("sanitized/", r.TaskID), Dataset: "mbpp", Form: FormAsserts, Setup: join(r.Imports),
				Test: join(r.Tests), CPULimit: 20 * time.Second, WallLimit: 60 * time.Second},
			entry: calledFirst(r.Tests[0]), canonical: r.Code,
		})
	}
	return rows
}

var called = regexp.MustCompile(`([\w.]+)\s*\(`)

// calledFirst is the first function that an assert calls and that is not one
// of Python's.
func calledFirst(assert string) string {
	for _, m := range called.FindAllStringSubmatch(assert[len("assert"):], -1) {
		switch m[1] {
		case "set", "int", "not", "math.isclose", "sorted", "len", "tuple":
			continue
		}
		return m[1]
	}
	return ""
}
