package main

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"cupel.dev/cupel"
	"cupel.dev/cupel/engines"
	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/dataset"
	"cupel.dev/cupel/internal/harness/judge"
	"cupel.dev/cupel/internal/harness/model"
	"cupel.dev/cupel/internal/harness/report"
	"cupel.dev/cupel/internal/harness/run"
	"cupel.dev/cupel/service"
)

func newDemo(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "demo",
		Short:   "See cupel judge a small benchmark, offline",
		GroupID: groupJudge,
		Long: `Judge a small set of answers whose worth is known: right and wrong ones, and ones that
loop, crash, flood, exhaust memory, fork without end and cheat. Nothing is needed but
this binary; answers in a language whose toolchain is missing are shown as such.

Exit status: 0 when every answer that could run was judged right, else 1.`,
		Example: "  cupel demo\n  cupel demo --json | jq .judged_right",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.runDemo(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&a.json, "json", false, "print one JSON document instead of the table")
	return cmd
}

// runDemo judges the bundled answers and compares the verdicts with their
// worth.
func (a *app) runDemo(ctx context.Context) error {
	set, err := dataset.Open(dataset.Bundled, dataset.Options{})
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "cupel-demo-")
	if err != nil {
		return cupel.Errorf(cupel.Unavailable, "make a folder for the run", "%w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	var isolation cupel.Isolation
	ref := service.EngineRef{Name: engines.Default}
	workers := runtime.GOMAXPROCS(0)
	svc := service.New(service.Config{Open: func(ctx context.Context, ref service.EngineRef) (cupel.Engine, error) {
		e, err := openEngine(ctx, ref.Name, ref.Config)
		if is, ok := e.(cupel.Isolator); ok && err == nil {
			isolation = is.Isolation()
		}
		return e, err
	}})
	j := judge.New(judge.Config{Sandboxes: judge.Pools(svc, ref, workers)})
	seen := &verdicts{Progress: report.Silent}
	if isTerminal(a.stderr) {
		seen.Progress = report.NewProgress(report.ProgressConfig{To: a.stderr, Terminal: true, Color: colors(a.stderr)})
	}
	began := time.Now()
	_, err = run.Run(ctx, run.Config{
		Dir: dir, Sets: []*dataset.Set{set}, Model: model.Known(), Judge: j, Concurrency: workers, Progress: seen,
	})
	took := time.Since(began)
	if err := errors.Join(err, j.Close(), svc.Close()); err != nil {
		return err
	}
	doc := newDemoJSON(set, seen.all, isolation, took)
	if a.json {
		err = a.printJSON(doc)
	} else {
		err = a.printDemo(doc)
	}
	if err == nil && doc.JudgedWrong > 0 {
		err = errNotHeld
	}
	return err
}

// verdicts keeps what a run's progress reports.
type verdicts struct {
	report.Progress
	mu  sync.Mutex
	all map[harness.Key]harness.Attempt
}

func (v *verdicts) Done(at harness.Attempt) {
	v.mu.Lock()
	if v.all == nil {
		v.all = map[harness.Key]harness.Attempt{}
	}
	v.all[at.Key] = at
	v.mu.Unlock()
	v.Progress.Done(at)
}

// demoJSON is what cupel demo --json prints.
type demoJSON struct {
	Schema int `json:"schema"`
	// Answers that were judged right and wrong, and those that could not run
	// for want of a toolchain.
	JudgedRight int           `json:"judged_right"`
	JudgedWrong int           `json:"judged_wrong"`
	Unsupported int           `json:"unsupported"`
	WallS       float64       `json:"wall_s"`
	ChecksPerS  float64       `json:"checks_per_s"`
	Engine      string        `json:"engine"`
	Isolation   isolationJSON `json:"isolation"`
	Answers     []demoAnswer  `json:"answers"`
}

type demoAnswer struct {
	TaskID   string `json:"task_id"`
	Language string `json:"language"`
	Kind     string `json:"kind"`
	Does     string `json:"does"`
	// Said is cupel's verdict: "passed", or why not.
	Said     string          `json:"said"`
	Verdict  harness.Verdict `json:"verdict"`
	Expected string          `json:"expected"`
	// JudgedRight is null where the answer could not run.
	JudgedRight *bool        `json:"judged_right"`
	Status      cupel.Status `json:"status"`
}

func newDemoJSON(set *dataset.Set, seen map[harness.Key]harness.Attempt, is cupel.Isolation, took time.Duration) demoJSON {
	doc := demoJSON{
		Schema: 1, WallS: report.Round(took.Seconds(), 3), Engine: engines.Default, Isolation: newIsolationJSON(is),
		Answers: []demoAnswer{},
	}
	for i := range set.Samples {
		s := &set.Samples[i]
		for n, answer := range s.Answers {
			at := seen[harness.Key{Dataset: s.Dataset, Subset: s.Subset, TaskID: s.TaskID, Attempt: n}]
			doc.add(newDemoAnswer(s, answer, at))
		}
	}
	doc.ChecksPerS = report.Round(float64(doc.JudgedRight+doc.JudgedWrong)/took.Seconds(), 1)
	return doc
}

func (d *demoJSON) add(a demoAnswer) {
	switch {
	case a.JudgedRight == nil:
		d.Unsupported++
	case *a.JudgedRight:
		d.JudgedRight++
	default:
		d.JudgedWrong++
	}
	d.Answers = append(d.Answers, a)
}

func newDemoAnswer(s *dataset.Sample, answer dataset.Answer, at harness.Attempt) demoAnswer {
	row := demoAnswer{
		TaskID: s.TaskID, Language: s.Language, Kind: answer.Kind, Does: does(answer),
		Said: at.Reason, Verdict: at.Verdict, Expected: expected(answer), Status: at.Status,
	}
	if at.Verdict == harness.Passed {
		row.Said = "passed"
	}
	if at.Verdict == harness.Errored && strings.HasPrefix(at.Reason, "unsupported: ") {
		return row
	}
	right := judgedRight(answer, at)
	row.JudgedRight = &right
	return row
}

// expected is what cupel should say: where there are several ways to fail, just
// that it does.
func expected(answer dataset.Answer) string {
	switch {
	case answer.Passes:
		return "passed"
	case len(answer.Reasons) == 1:
		return answer.Reasons[0]
	}
	return "not passed"
}

// judgedRight compares a verdict with what the answer is worth.
func judgedRight(answer dataset.Answer, at harness.Attempt) bool {
	if answer.Passes {
		return at.Verdict == harness.Passed
	}
	return at.Verdict == harness.Failed && (len(answer.Reasons) == 0 ||
		slices.ContainsFunc(answer.Reasons, func(r string) bool { return strings.HasPrefix(at.Reason, r) }))
}

// kinds says in words what an answer of a kind does.
var kinds = map[string]string{
	"right": "is right", "wrong": "is wrong", "compile": "doesn't compile", "loop": "loops for ever",
	"sleep": "sleeps for ever", "crash": "crashes", "flood": "floods its output", "memory": "exhausts memory",
	"forkbomb": "forks without end", "disk": "fills the disk", "cheat": "cheats",
}

// does is what an answer does: "cheats: exits early".
func does(answer dataset.Answer) string {
	text, ok := kinds[answer.Kind]
	if !ok {
		text = answer.Kind
	}
	if answer.Name != "" {
		text += ": " + answer.Name
	}
	return text
}
