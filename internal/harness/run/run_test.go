package run

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/dataset"
	"cupel.dev/cupel/internal/harness/model"
	"cupel.dev/cupel/internal/harness/report"
)

// fakeJudge passes answers whose text is "pass" and counts what it judged.
type fakeJudge struct {
	pause time.Duration
	// fail is asked before each verdict, with how often that task was tried.
	fail func(taskID string, try int) error

	judged atomic.Int64
	mu     sync.Mutex
	tries  map[string]int
}

func (f *fakeJudge) Judge(ctx context.Context, s *dataset.Sample, a model.Answer) (harness.Attempt, error) {
	f.judged.Add(1)
	if f.pause > 0 {
		time.Sleep(f.pause)
	}
	f.mu.Lock()
	if f.tries == nil {
		f.tries = map[string]int{}
	}
	f.tries[s.TaskID]++
	try := f.tries[s.TaskID]
	f.mu.Unlock()
	if f.fail != nil {
		if err := f.fail(s.TaskID, try); err != nil {
			return harness.Attempt{}, err
		}
	}
	if a.Text == "pass" {
		return harness.Attempt{Verdict: harness.Passed, Proof: harness.ProofData, Status: cupel.StatusOK, Stdout: "out"}, nil
	}
	return harness.Attempt{Verdict: harness.Failed, Reason: "wrong answer", Proof: harness.ProofData, Status: cupel.StatusOK}, nil
}

// fakeModel gives attempts answers each; every third one fails.
type fakeModel struct{ attempts int }

func (fakeModel) Name() string                     { return "fake" }
func (m fakeModel) Fingerprint() string            { return "fake" }
func (m fakeModel) Attempts(s *dataset.Sample) int { return m.attempts }
func (m fakeModel) Answer(_ context.Context, s *dataset.Sample, attempt int) (model.Answer, error) {
	if (len(s.TaskID)+int(s.TaskID[len(s.TaskID)-1])+attempt)%3 == 0 {
		return model.Answer{Text: "fail"}, nil
	}
	return model.Answer{Text: "pass"}, nil
}

func fakeSet(tasks int) *dataset.Set {
	set := &dataset.Set{Name: "fake", Subset: "all", SHA256: "00", Args: map[string]string{"eval_split": "test"}}
	for n := range tasks {
		set.Samples = append(set.Samples, dataset.Sample{
			Dataset: "fake", Subset: "all", TaskID: fmt.Sprintf("fake/%d", n), Language: "python",
		})
	}
	return set
}

func fakeConfig(dir string, j Judge, tasks, attempts int) Config {
	return Config{
		Dir: dir, Sets: []*dataset.Set{fakeSet(tasks)}, Model: fakeModel{attempts}, Judge: j,
		Concurrency: 4, Fingerprint: map[string]string{"grading": "strict 1"}, Engine: "fake", Grading: "strict",
		Backoff: time.Millisecond,
	}
}

// lines reads attempts.jsonl.
func lines(t *testing.T, dir string) []harness.Attempt {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, attemptsFile))
	if err != nil {
		t.Fatal(err)
	}
	var all []harness.Attempt
	for line := range strings.Lines(string(raw)) {
		var a harness.Attempt
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		all = append(all, a)
	}
	return all
}

// timeless is a report without what differs from run to run.
func timeless(r *report.Report) report.Report {
	out := *r
	out.Started, out.Finished = time.Time{}, time.Time{}
	out.Datasets = slices.Clone(r.Datasets)
	for i := range out.Datasets {
		out.Datasets[i].WallS = 0
	}
	return out
}

func TestRunWritesReportAndResumesForFree(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "by", "run")
	j := &fakeJudge{}
	rep, err := Run(t.Context(), fakeConfig(dir, j, 9, 2))
	if err != nil {
		t.Fatal(err)
	}
	d := rep.Datasets[0]
	if d.Tasks != 9 || d.Attempts != 18 || d.Passed+d.Failed != 18 || d.Passed != 12 || d.PassAtK["2"].Value != 1 {
		t.Errorf("unexpected report: %+v", d)
	}
	onDisk, err := report.Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(timeless(rep), timeless(onDisk)); diff != "" {
		t.Errorf("report.json differs from the report: %s", diff)
	}
	again, err := Run(t.Context(), fakeConfig(dir, j, 9, 2))
	if err != nil {
		t.Fatal(err)
	}
	if n := j.judged.Load(); n != 18 {
		t.Errorf("judged %d attempts, want 18: the second run has nothing to do", n)
	}
	if diff := cmp.Diff(timeless(rep), timeless(again)); diff != "" {
		t.Errorf("the recomputed report differs: %s", diff)
	}
	if !again.Started.Equal(rep.Started) || again.Datasets[0].WallS != rep.Datasets[0].WallS {
		t.Errorf("start or time judged changed: %v %v, %v %v", rep.Started, rep.Datasets[0].WallS, again.Started, again.Datasets[0].WallS)
	}
}

func TestLimitAndRepeats(t *testing.T) {
	dir := t.TempDir()
	j := &fakeJudge{}
	cfg := fakeConfig(dir, j, 10, model.Any)
	cfg.Repeats = 3
	cfg.Limit, _ = dataset.ParseLimit("0.5")
	rep, err := Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if d := rep.Datasets[0]; d.Tasks != 5 || d.Attempts != 15 || len(d.PassAtK) != 3 {
		t.Errorf("limit 0.5 and 3 repeats of 10 tasks gave %+v", d)
	}
	cfg.Limit = dataset.Limit{}
	if rep, err = Run(t.Context(), cfg); err != nil || rep.Datasets[0].Attempts != 30 || j.judged.Load() != 30 {
		t.Errorf("a larger limit gave %+v after %d judged, err %v", rep, j.judged.Load(), err)
	}
}

func TestMachineFailureIsRetriedThenErrored(t *testing.T) {
	dir := t.TempDir()
	down := true
	j := &fakeJudge{fail: func(id string, try int) error {
		switch {
		case id == "fake/1" && try < 3:
			return cupel.Errorf(cupel.Unavailable, "create sandbox", "no memory")
		case id == "fake/2" && down:
			return errors.New("broken pipe")
		case id == "fake/3" && down:
			return cupel.Errorf(cupel.Unsupported, "language", "no gcc").WithHint("apt install gcc")
		}
		return nil
	}}
	rep, err := Run(t.Context(), fakeConfig(dir, j, 5, 1))
	if err != nil {
		t.Fatal(err)
	}
	d := rep.Datasets[0]
	if d.Errored != 2 || d.Attempts != 5 || rep.Errored() != 2 || d.PassAtK["1"].Tasks != 3 {
		t.Errorf("want 2 errored outside the score, got %+v", d)
	}
	for _, a := range lines(t, dir) {
		switch {
		case a.TaskID == "fake/1" && (a.Verdict == harness.Errored || a.Tries != 3):
			t.Errorf("a failure that passed was not retried: %+v", a)
		case a.TaskID == "fake/2" && (a.Verdict != harness.Errored || a.Tries != 3 || a.Reason != "broken pipe"):
			t.Errorf("a lasting failure: %+v", a)
		case a.TaskID == "fake/3" && (a.Tries != 1 || a.Reason != "unsupported: apt install gcc"):
			t.Errorf("a missing toolchain: %+v", a)
		}
	}
	down = false
	j.judged.Store(0)
	if rep, err = Run(t.Context(), fakeConfig(dir, j, 5, 1)); err != nil {
		t.Fatal(err)
	}
	if n := j.judged.Load(); n != 2 || rep.Errored() != 0 {
		t.Errorf("resuming judged %d and left %d errored, want the 2 errored ones judged", n, rep.Errored())
	}
	fresh, err := Run(t.Context(), fakeConfig(t.TempDir(), &fakeJudge{}, 5, 1))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(timeless(fresh), timeless(rep)); diff != "" {
		t.Errorf("after the retry the report differs from an undisturbed one: %s", diff)
	}
}

func TestCancelKeepsWhatWasFinished(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	j := &fakeJudge{}
	j.fail = func(string, int) error {
		if j.judged.Load() >= 10 {
			cancel()
			return ctx.Err()
		}
		return nil
	}
	_, err := Run(ctx, fakeConfig(dir, j, 40, 1))
	if cupel.KindOf(err) != cupel.Canceled {
		t.Fatalf("got %v, want kind canceled", err)
	}
	if _, err := report.Load(dir); cupel.KindOf(err) != cupel.NotFound {
		t.Errorf("an interrupted run left a report: %v", err)
	}
	kept := len(lines(t, dir))
	if kept == 0 || kept >= 40 {
		t.Errorf("%d of 40 attempts kept", kept)
	}
	j = &fakeJudge{}
	rep, err := Run(t.Context(), fakeConfig(dir, j, 40, 1))
	if err != nil || rep.Datasets[0].Attempts != 40 || int(j.judged.Load()) != 40-kept {
		t.Errorf("resumed: %+v, judged %d after %d, err %v", rep, j.judged.Load(), kept, err)
	}
	for _, a := range lines(t, dir) {
		if a.Verdict == harness.Errored {
			t.Errorf("the interruption was recorded as errored: %+v", a)
		}
	}
}

// partJudge lacks languages.
type partJudge struct {
	fakeJudge
	lacks map[string]error
}

func (p *partJudge) Check(_ context.Context, language string) error { return p.lacks[language] }

func TestUnsupportedLanguages(t *testing.T) {
	missing := cupel.Errorf(cupel.Unsupported, "language python", "python3 is not in the sandbox").WithHint("apt install python3")
	j := &partJudge{lacks: map[string]error{"python": missing}}
	_, err := Run(t.Context(), fakeConfig(t.TempDir(), j, 3, 1))
	if cupel.KindOf(err) != cupel.Unsupported || cupel.HintOf(err) != "apt install python3" || j.judged.Load() != 0 {
		t.Errorf("nothing can be judged: got %v after %d", err, j.judged.Load())
	}
	cfg := fakeConfig(t.TempDir(), j, 3, 1)
	cfg.Sets[0].Samples[1].Language = "bash"
	if _, err := Run(t.Context(), cfg); err != nil {
		t.Errorf("one language is there: %v", err)
	}
	j.lacks["python"] = cupel.Errorf(cupel.Unavailable, "engine", "no daemon")
	if _, err := Run(t.Context(), fakeConfig(t.TempDir(), j, 3, 1)); cupel.KindOf(err) != cupel.Unavailable {
		t.Errorf("an engine that is down: got %v", err)
	}
}

func TestDatasetGivenTwice(t *testing.T) {
	cfg := fakeConfig(filepath.Join(t.TempDir(), "none"), &fakeJudge{}, 1, 1)
	cfg.Sets = append(cfg.Sets, cfg.Sets[0])
	if _, err := Run(t.Context(), cfg); cupel.KindOf(err) != cupel.Invalid {
		t.Errorf("got %v, want kind invalid", err)
	}
	if _, err := os.Stat(cfg.Dir); err == nil {
		t.Error("a refused run made its folder")
	}
}
