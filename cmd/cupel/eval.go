package main

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"cupel.dev/cupel"
	"cupel.dev/cupel/engines"
	"cupel.dev/cupel/internal/harness/dataset"
	"cupel.dev/cupel/internal/harness/grade"
	"cupel.dev/cupel/internal/harness/judge"
	"cupel.dev/cupel/internal/harness/report"
	"cupel.dev/cupel/internal/harness/run"
	"cupel.dev/cupel/service"
)

// evalOptions are what a user asks cupel eval for, as flags give it.
type evalOptions struct {
	model                   string
	datasets                []string
	datasetArgs, data       string
	limit                   string
	repeats, batch          int
	seed                    uint64
	workDir, out, useCache  string
	engine, image           string
	grading                 string
	useSandbox, rejudge     bool
	sandboxType, sandboxDoc string
	managerDoc              string
}

func newEval(a *app) *cobra.Command {
	var opts evalOptions
	cmd := &cobra.Command{
		Use:     "eval --datasets D… --model M [flags]",
		Short:   "Judge a benchmark's answers",
		GroupID: groupJudge,
		Long: `Judge the answers that a model gave to a benchmark, each in a fresh sandbox, and write
the scores, report.json and attempts.jsonl. Answers never see a check or an expected
value. An interrupted run goes on with the same command: give it --out DIR.

Datasets: humaneval, mbpp (each with --data, your copy of it) and demo.
Models: canonical (the dataset's own answers) and replay:FILE (JSON lines, each with
task_id and completion, or with reply for a whole chat answer).
Flags are EvalScope's; dashes and underscores are alike.

Exit status: 0 when every answer was judged, whatever the score; 1 when some could not
be; 2 when the request is wrong; 3 when the machine failed; 130 or 143 when interrupted.`,
		Example: `  cupel eval --datasets humaneval --data HumanEval.jsonl.gz --model canonical
  cupel eval --datasets mbpp --data mbpp.jsonl --model replay:answers.jsonl --out runs/1
  cupel eval --datasets humaneval mbpp --model canonical --limit 20 \
    --dataset-args '{"humaneval": {"local_path": "he.jsonl"}, "mbpp": {"local_path": "mbpp.jsonl"}}'`,
		Args: noConfigFile,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.runEval(cmd.Context(), opts) },
	}
	a.addEvalFlags(cmd, &opts)
	return cmd
}

func (a *app) addEvalFlags(cmd *cobra.Command, opts *evalOptions) {
	f := cmd.Flags()
	f.SortFlags = false
	f.SetNormalizeFunc(evalFlagName)
	f.StringSliceVar(&opts.datasets, "datasets", nil, "datasets to judge")
	f.StringVar(&opts.data, "data", "", "local copy of the one dataset named, plain or gzip")
	f.StringVar(&opts.model, "model", "", "canonical or replay:FILE")
	f.StringVar(&opts.datasetArgs, "dataset-args", "", `arguments of datasets, as JSON: {"mbpp": {"eval_split": "all"}}`)
	f.StringVar(&opts.limit, "limit", "", "judge that many tasks of each dataset, or a fraction such as 0.1 (default all)")
	f.IntVar(&opts.repeats, "repeats", 0, "answers to each task (default 1, or all that a replay has)")
	f.IntVar(&opts.batch, "eval-batch-size", 0, "answers judged at once (default the number of cores)")
	f.StringVar(&opts.grading, "grading", "strict", "strict, or upstream for EvalScope's rule")
	f.StringVar(&opts.out, "out", "", "folder of the run; the same command resumes it (default a dated one in --work-dir)")
	f.StringVar(&opts.workDir, "work-dir", "outputs", "where dated folders are made")
	f.StringVar(&opts.useCache, "use-cache", "", "folder of an earlier run to go on with")
	f.BoolVar(&opts.rejudge, "rejudge", false, "judge everything in the folder again")
	f.Uint64Var(&opts.seed, "seed", 42, "seed of the intervals' bootstrap")
	f.StringVar(&opts.engine, "engine", "", "what makes sandboxes (default native)")
	f.StringVar(&opts.image, "image", "host", "root file system of answers: host, dir:PATH, tar:PATH, or a server's name of it")
	f.BoolVar(&a.json, "json", false, "print report.json instead of tables")
	f.BoolVar(&opts.useSandbox, "use-sandbox", true, "accepted and always on")
	f.StringVar(&opts.sandboxType, "sandbox-type", "", "EvalScope's old name of --engine")
	f.StringVar(&opts.sandboxDoc, "sandbox", "", `EvalScope's sandbox config, as JSON: {"manager_config": {"base_url": "http://…"}}`)
	f.StringVar(&opts.managerDoc, "sandbox-manager-config", "", "EvalScope's old name of manager_config in --sandbox")
	suggest(cmd, "datasets", dataset.Names()...)
	suggest(cmd, "grading", string(judge.Strict), string(judge.Upstream))
	for _, old := range []string{"use-sandbox", "sandbox-type", "sandbox-manager-config"} {
		_ = f.MarkHidden(old)
	}
}

// runEval judges what the options ask for. Whatever is wrong with them is
// found before anything is started.
func (a *app) runEval(ctx context.Context, opts evalOptions) error {
	e, err := opts.read()
	if err != nil {
		return err
	}
	svc := e.service()
	cfg := judge.Config{Sandboxes: judge.Pools(svc, e.engine, e.batch), Grading: e.grading, Spec: e.spec}
	if e.server != "" {
		// A grader is talked to all its life, which a server can't.
		cfg.Graders = judge.Pools(svc, service.EngineRef{Name: engines.Default}, e.batch)
	}
	j := judge.New(cfg)
	rep, err := a.evaluate(ctx, e, j)
	err = errors.Join(err, j.Close(), svc.Close())
	if err != nil {
		return err
	}
	return a.printReport(rep, e.dir)
}

func (a *app) evaluate(ctx context.Context, e *evaluation, j *judge.Judge) (*report.Report, error) {
	fingerprint, err := e.fingerprint(ctx, j)
	if err != nil {
		return nil, err
	}
	rep, err := run.Run(ctx, run.Config{
		Dir: e.dir, Sets: e.sets, Limit: e.limit, Model: e.model, Judge: j,
		Repeats: e.repeats, Concurrency: e.batch, Fingerprint: fingerprint,
		Engine: e.engine.Name, Grading: string(e.grading), Seed: e.seed, Rejudge: e.rejudge,
		Progress: report.NewProgress(report.ProgressConfig{
			To: a.stderr, Terminal: isTerminal(a.stderr), Color: colors(a.stderr),
		}),
	})
	if cause := context.Cause(ctx); err != nil && cause != nil {
		err = cupel.Errorf(cupel.Canceled, "", "%w; what was finished is kept in %s", cause, e.dir).
			WithHint("the same command with --out %s goes on from there", e.dir)
	}
	return rep, err
}

// fingerprint names what verdicts depend on besides data and model.
func (e *evaluation) fingerprint(ctx context.Context, j *judge.Judge) (map[string]string, error) {
	fp := map[string]string{
		"grading": string(e.grading), "grading version": grade.Version,
		"engine": e.engine.Name, "image": e.spec.Image,
	}
	if e.server != "" {
		fp["server"] = e.server
	}
	for _, language := range e.languages() {
		version, err := j.Toolchain(ctx, language)
		if cupel.KindOf(err) == cupel.Unsupported {
			version = "missing"
		} else if err != nil {
			return nil, err
		}
		fp["toolchain "+language] = version
	}
	return fp, nil
}

func (a *app) printReport(rep *report.Report, dir string) error {
	var err error
	if a.json {
		var doc json.RawMessage
		if doc, err = rep.JSON(); err == nil {
			_, err = a.stdout.Write(doc)
		}
	} else {
		err = rep.Table(a.stdout, colors(a.stdout))
		a.notef("%s holds %s and attempts.jsonl", dir, report.File)
	}
	if err != nil {
		return cupel.Errorf(cupel.Internal, "write stdout", "%w", err)
	}
	if rep.Errored() > 0 {
		return errNotHeld
	}
	return nil
}

// dir is the run's folder: exactly --out or --use-cache, or a dated one.
func (o evalOptions) dir(now time.Time) (string, error) {
	if o.out != "" && o.useCache != "" && filepath.Clean(o.out) != filepath.Clean(o.useCache) {
		return "", cupel.Invalidf("--use-cache", o.useCache, "--out names another folder; give one of them")
	}
	for _, dir := range []string{o.out, o.useCache} {
		if dir != "" {
			return filepath.Clean(dir), nil
		}
	}
	return filepath.Join(o.workDir, now.Format("20060102_150405")), nil
}

func (o evalOptions) concurrency() int {
	if o.batch > 0 {
		return o.batch
	}
	return runtime.GOMAXPROCS(0)
}
