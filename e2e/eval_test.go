//go:build linux

package e2e

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// dataFile is a public benchmark's file, copied to where the user may read it.
func dataFile(t *testing.T, user *host, name string) string {
	t.Helper()
	dir := os.Getenv("CUPEL_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	from := filepath.Join(dir, name)
	if _, err := os.Stat(from); err != nil {
		t.Skipf("no benchmark data: set CUPEL_TEST_DATA to a folder with %s", name)
	}
	to := user.path(name)
	copyFile(t, from, to)
	return to
}

// humanEvalIDs are the tasks of the dataset.
func humanEvalIDs(t *testing.T, file string) (ids, canonical []string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var row struct {
			TaskID    string `json:"task_id"`
			Canonical string `json:"canonical_solution"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		ids, canonical = append(ids, row.TaskID), append(canonical, row.Canonical)
	}
	return ids, canonical
}

// replayFile writes answers for --model replay:FILE.
func replayFile(t *testing.T, user *host, name string, ids []string, completion func(i int) string) string {
	t.Helper()
	file := user.path(name)
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	enc := json.NewEncoder(f)
	for i, id := range ids {
		if err := enc.Encode(map[string]string{"task_id": id, "completion": completion(i)}); err != nil {
			t.Fatal(err)
		}
	}
	return "replay:" + file
}

// HumanEval, as root and as a plain user: the dataset's own answers all pass,
// empty bodies and those that leave with exit status 0 first never do.
func TestHumanEval(t *testing.T) {
	cupel := cupelBinary(t)
	uids := []int{os.Geteuid()}
	if uids[0] == 0 {
		uids = append(uids, plainUser)
	}
	for i, uid := range uids {
		t.Run([]string{"self", "plain user"}[i], func(t *testing.T) {
			user := as(t, uid)
			data := dataFile(t, user, "HumanEval.jsonl.gz")
			ids, canonical := humanEvalIDs(t, data)
			for _, c := range []struct {
				name, model string
				passed      int
			}{
				{"canonical", "canonical", 164},
				{"pass", replayFile(t, user, "pass.jsonl", ids, func(int) string { return "    pass\n" }), 0},
				{"exit", replayFile(t, user, "exit.jsonl", ids, func(i int) string { return "    import sys; sys.exit(0)\n" + canonical[i] }), 0},
				{"exit at once", replayFile(t, user, "once.jsonl", ids, func(i int) string {
					return canonical[i] + "\nimport sys; sys.exit(0)\n"
				}), 0},
			} {
				t.Run(c.name, func(t *testing.T) {
					score(t, user, cupel, c.passed, "--datasets=humaneval", "--data="+data, "--model="+c.model)
				})
			}
			left(t, user)
		})
	}
}

// MBPP: the dataset's own answers pass, in EvalScope's split, in all of it and
// in the sanitized file.
func TestMBPP(t *testing.T) {
	cupel := cupelBinary(t)
	for _, c := range []struct {
		name, file, split string
		rows              int
	}{
		{"test split", "mbpp.jsonl.gz", "test", 500},
		{"all", "mbpp.jsonl.gz", "all", 974},
		{"sanitized", "sanitized-mbpp.json.gz", "all", 427},
	} {
		t.Run(c.name, func(t *testing.T) {
			user := as(t, os.Geteuid())
			data := dataFile(t, user, c.file)
			d := score(t, user, cupel, c.rows, "--datasets=mbpp", "--data="+data, "--model=canonical",
				`--dataset-args={"mbpp": {"eval_split": "`+c.split+`"}}`)
			if d.Attempts != c.rows {
				t.Errorf("%d attempts, want %d", d.Attempts, c.rows)
			}
			left(t, user)
		})
	}
}

type dataset struct{ Attempts, Passed, Errored int }

// score runs an evaluation of one dataset and compares how many passed.
func score(t *testing.T, user *host, cupel string, passed int, args ...string) dataset {
	t.Helper()
	out := runIn(t, user, cupel, append([]string{"eval", "--json", "--work-dir=" + user.path("data")}, args...)...)
	doc := decodeJSON[struct{ Datasets []dataset }](t, out)
	if len(doc.Datasets) != 1 || out.status != 0 {
		t.Fatalf("exit %d, %d datasets\n%s%s", out.status, len(doc.Datasets), clip(out.stdout), clip(out.stderr))
	}
	d := doc.Datasets[0]
	if d.Passed != passed || d.Errored != 0 {
		t.Errorf("%d of %d passed, %d errored; want %d passed", d.Passed, d.Attempts, d.Errored, passed)
	}
	return d
}
