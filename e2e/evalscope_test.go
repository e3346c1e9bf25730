//go:build linux

package e2e

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Rows of each dataset that are evaluated: enough for each kind of answer.
const (
	humanEvalRows = 40
	mbppRows      = 16
)

// The real EvalScope evaluates HumanEval and MBPP, from local copies in the
// form that its loader reads, with our server in place of ms-enclave's. The
// model is a stub whose answers are right, wrong, raise, leave early and loop
// for ever, in known places. EvalScope's own reports show exactly the score
// that follows, and it exits by itself.
func TestEvalScope(t *testing.T) {
	v := python(t, "evalscope")
	me := as(t, os.Geteuid())
	model := &stubModel{replies: map[string]string{}}
	humanEval, mbpp := humanEvalFolder(t, me, model), mbppFolder(t, me, model)
	api := httptest.NewServer(model)
	t.Cleanup(api.Close)
	before := lookAround(t)
	t.Cleanup(func() { before.compare(t) })
	s := startCupel(t, me)

	work := me.path("evalscope")
	config := map[string]any{
		"model": "stub", "api_url": api.URL + "/v1", "api_key": "none", "eval_type": "openai_api",
		"datasets": []string{"humaneval", "mbpp"},
		"dataset_args": map[string]any{
			"humaneval": map[string]any{"local_path": humanEval.dir},
			"mbpp":      map[string]any{"local_path": mbpp.dir, "few_shot_num": 0, "review_timeout": 5},
		},
		"eval_batch_size": 4, "work_dir": work, "no_timestamp": true,
		"sandbox": map[string]any{"enabled": true, "engine": "docker", "manager_config": map[string]any{"base_url": s.url}},
	}
	began := time.Now()
	evaluate(t, me, v, config)
	t.Logf("EvalScope took %v", time.Since(began).Round(time.Second))
	for _, d := range []folder{humanEval, mbpp} {
		r := readReport(t, filepath.Join(work, "reports", "stub", d.name+".json"))
		want := float64(d.right) / float64(d.rows)
		if r.Num != d.rows || r.ExecutionSummary.Succeeded != d.rows || r.ExecutionSummary.Errored != 0 {
			t.Errorf("%s: %d rows, %+v; want %d, none errored", d.name, r.Num, r.ExecutionSummary, d.rows)
		}
		if len(r.Metrics) == 0 {
			t.Errorf("%s: no metric", d.name)
		}
		for _, m := range r.Metrics {
			if diff := m.Score - want; diff > 0.00005 || diff < -0.00005 || m.Num != d.rows {
				t.Errorf("%s: %s is %v of %d, want %v of %d", d.name, m.Identity.Name, m.Score, m.Num, want, d.rows)
			}
		}
		t.Logf("%s: %d of %d right, EvalScope says %v", d.name, d.right, d.rows, r.Metrics[0].Score)
	}
	if asked := model.asked.Load(); asked != humanEvalRows+mbppRows {
		t.Errorf("the model was asked %d times, want %d", asked, humanEvalRows+mbppRows)
	}
	if unknown := model.unknown.Load(); unknown != 0 {
		t.Errorf("%d questions were not recognized", unknown)
	}
}

// evaluate runs EvalScope to its end, which must come by itself.
func evaluate(t *testing.T, me *host, v *venv, config map[string]any) {
	t.Helper()
	file := me.path("task.json")
	writeJSON(t, file, config)
	script, err := filepath.Abs(filepath.Join("testdata", "python", "evalscope_task.py"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := me.command(ctx, t, v.program("python"), script, file)
	// Nothing is to be looked up on the network.
	cmd.Env = append(cmd.Env, "HF_HUB_OFFLINE=1", "HF_DATASETS_OFFLINE=1", "NO_PROXY=127.0.0.1", "no_proxy=127.0.0.1")
	if out := run(t, cmd); out.status != 0 {
		t.Fatalf("EvalScope: exit %d\n%s\n%s", out.status, clip(out.stdout), clip(out.stderr))
	}
}

// report is what this test reads of EvalScope's.
type report struct {
	Num     int
	Metrics []struct {
		Identity struct{ Name string }
		Num      int
		Score    float64
	}
	ExecutionSummary struct{ Requested, Succeeded, Errored int } `json:"execution_summary"`
}

func readReport(t *testing.T, file string) (r report) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// folder is a dataset as EvalScope's loader reads it.
type folder struct {
	name, dir   string
	rows, right int
}

// stubModel answers the OpenAI way: each question that contains a key gets its
// reply.
type stubModel struct {
	replies        map[string]string
	asked, unknown atomic.Int64
}

func (m *stubModel) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var ask struct {
		Messages []struct{ Content json.RawMessage }
	}
	if err := json.Unmarshal(body, &ask); err != nil || len(ask.Messages) == 0 {
		http.Error(w, "no chat completion", http.StatusBadRequest)
		return
	}
	m.asked.Add(1)
	content := ask.Messages[len(ask.Messages)-1].Content
	var question string
	var parts []struct{ Text string }
	if json.Unmarshal(content, &question) != nil && json.Unmarshal(content, &parts) == nil {
		for _, p := range parts {
			question += p.Text
		}
	}
	reply := ""
	for key, r := range m.replies {
		if strings.Contains(question, key) {
			reply = r
		}
	}
	if reply == "" {
		m.unknown.Add(1)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"id": "stub", "object": "chat.completion", "created": 1, "model": "stub",
		"choices": []any{map[string]any{"index": 0, "finish_reason": "stop", "message": map[string]any{"role": "assistant", "content": reply}}},
		"usage":   map[string]any{"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
	})
}

// answers are the ways to answer, by the row's number; which of them pass.
func answer(row int, canonical string) (code string, right bool) {
	switch {
	case row == 7 || row == 12:
		return "while True:\n    pass\n", false
	case row == 9:
		return "import time\ntime.sleep(1000)\n", false
	case row%8 == 3:
		return "raise RuntimeError('no answer')\n", false
	case row%8 == 5:
		return "def nothing_asked_for():\n    return None\n", false
	case row%8 == 6:
		return "import sys\nsys.exit(3)\n", false
	}
	return canonical, true
}

func fenced(code string) string {
	return "Here it is:\n```python\n" + strings.TrimSpace(code) + "\n```\n"
}

func humanEvalFolder(t *testing.T, me *host, model *stubModel) folder {
	t.Helper()
	d := folder{name: "humaneval", dir: me.path("humaneval"), rows: humanEvalRows}
	rows := readRows(t, dataFile(t, me, "HumanEval.jsonl.gz"), d.rows)
	for i, row := range rows {
		prompt, canonical := row["prompt"].(string), row["canonical_solution"].(string)
		code, right := answer(i, prompt+canonical)
		model.replies[prompt] = fenced(code)
		if right {
			d.right++
		}
	}
	writeFolder(t, d.dir, "openai_humaneval", rows)
	return d
}

func mbppFolder(t *testing.T, me *host, model *stubModel) folder {
	t.Helper()
	d := folder{name: "mbpp", dir: me.path("mbpp"), rows: mbppRows}
	rows := readRows(t, dataFile(t, me, "mbpp.jsonl.gz"), 10+d.rows)[10:]
	for i, row := range rows {
		code, right := answer(i, row["code"].(string))
		tests := row["test_list"].([]any)
		model.replies[tests[0].(string)] = fenced(code)
		if right {
			d.right++
		}
	}
	writeFolder(t, d.dir, "full", rows)
	return d
}

// readRows reads the first rows of a compressed JSONL file.
func readRows(t *testing.T, file string, n int) (rows []map[string]any) {
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
	for dec := json.NewDecoder(z); len(rows) < n; {
		var row map[string]any
		if err := dec.Decode(&row); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, row)
	}
	return rows
}

// writeFolder writes rows as a dataset with one subset, whose only split is
// "test".
func writeFolder(t *testing.T, dir, subset string, rows []map[string]any) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	card := fmt.Sprintf("---\nconfigs:\n- config_name: %s\n  data_files:\n  - split: test\n    path: test.jsonl\n---\n", subset)
	if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte(card), 0o600); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	enc := json.NewEncoder(&text)
	for _, row := range rows {
		if err := enc.Encode(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "test.jsonl"), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeJSON(t *testing.T, file string, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
