package main

import (
	"context"
	"errors"
	"os"
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
	seen := &verdicts{Progress: report.Silent, all: map[harness.Key]harness.Attempt{}}
	if isTerminal(a.stderr) {
		seen.Progress = report.NewProgress(report.ProgressConfig{To: a.stderr, Terminal: true, Color: colors(a.stderr)})
	}
	began := time.Now()
	isolation, err := judgeKnown(ctx, set, seen)
	if err != nil {
		return err
	}
	doc := newDemoJSON(set, seen.all, isolation, time.Since(began))
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

// judgeKnown judges a set's answers of known worth in the default engine and
// returns how that isolates. What the run keeps is removed at its end.
func judgeKnown(ctx context.Context, set *dataset.Set, to report.Progress) (is cupel.Isolation, err error) {
	dir, err := os.MkdirTemp("", "cupel-demo-")
	if err != nil {
		return is, cupel.Errorf(cupel.Unavailable, "make a folder for the run", "%w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	svc := service.New(service.Config{Open: func(ctx context.Context, ref service.EngineRef) (cupel.Engine, error) {
		e, err := openEngine(ctx, ref.Name, ref.Config)
		if i, ok := e.(cupel.Isolator); ok && err == nil {
			is = i.Isolation()
		}
		return e, err
	}})
	workers := svc.Programs()
	j := judge.New(judge.Config{
		Sandboxes: judge.Pools(svc, service.EngineRef{Name: engines.Default}, workers),
	})
	_, err = run.Run(ctx, run.Config{
		Dir: dir, Sets: []*dataset.Set{set}, Model: model.Known(), Judge: j, Concurrency: workers, Progress: to,
	})
	return is, errors.Join(err, j.Close(), svc.Close())
}

// verdicts keeps what a run's progress reports.
type verdicts struct {
	report.Progress
	mu  sync.Mutex
	all map[harness.Key]harness.Attempt
}

func (v *verdicts) Done(at harness.Attempt) {
	v.mu.Lock()
	v.all[at.Key] = at
	v.mu.Unlock()
	v.Progress.Done(at)
}
