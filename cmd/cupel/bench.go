package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/bench"
	"cupel.dev/cupel/internal/harness/judge"
	"cupel.dev/cupel/internal/harness/report"
	"cupel.dev/cupel/internal/nearest"
	"cupel.dev/cupel/service"
)

// benchOptions are the flags of cupel bench.
type benchOptions struct {
	runs    int
	workers int
	only    []string
	data    string
	engine  string
}

// partEvaluation is the part that is a whole evaluation, grading included.
const partEvaluation = "evaluation"

func newBench(a *app) *cobra.Command {
	var opts benchOptions
	parts := append(bench.Parts(), partEvaluation)
	cmd := &cobra.Command{
		Use:     "bench",
		Short:   "Measure what a sandbox costs on this machine",
		GroupID: groupMachine,
		Long: `Run a program that does nothing, and one as large as a HumanEval check, in sandboxes, by
plain fork and exec, and with bwrap and crun where they are installed. All take turns, one
run each, so that a busy machine is as slow for one as for the other: read the ratios.

cupel cold makes a sandbox, runs the program and removes the sandbox. cupel warm runs it in
a sandbox that waited; its reset is shown apart. With --data a whole graded evaluation of
HumanEval's own answers is timed too.`,
		Example: "  cupel bench\n  cupel bench --only true --runs 500\n  cupel bench --data HumanEval.jsonl.gz --json",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.runBench(cmd.Context(), opts) },
	}
	f := cmd.Flags()
	f.IntVar(&opts.runs, "runs", 200, "runs of each program each way")
	f.IntVar(&opts.workers, "workers", runtime.GOMAXPROCS(0), "programs at once, where checks a second are measured")
	f.StringSliceVar(&opts.only, "only", nil, "measure only these: "+strings.Join(parts, ", "))
	f.StringVar(&opts.data, "data", "", "HumanEval.jsonl.gz, for the whole evaluation")
	f.StringVar(&opts.engine, "engine", "", "sandbox engine")
	f.BoolVar(&a.json, "json", false, "print one JSON document instead of tables")
	suggest(cmd, "only", parts...)
	return cmd
}

// benchJSON is what cupel bench --json prints.
type benchJSON struct {
	*bench.Report
	// Evaluation is null where no data was given.
	Evaluation *benchEvaluation `json:"evaluation"`
}

// benchEvaluation is a graded evaluation of a dataset's own answers.
type benchEvaluation struct {
	Dataset  string  `json:"dataset"`
	Workers  int     `json:"workers"`
	Attempts int     `json:"attempts"`
	Passed   int     `json:"passed"`
	WallS    float64 `json:"wall_s"`
	// PerSecond is attempts judged a second, planning and grading included.
	PerSecond float64 `json:"per_second"`
}

// runBench measures and prints.
func (a *app) runBench(ctx context.Context, opts benchOptions) error {
	const most = 1_000_000
	if opts.runs < 1 || opts.runs > most {
		return cupel.Invalidf("--runs", fmt.Sprint(opts.runs), fmt.Sprintf("give a number from 1 to %d", most))
	}
	if opts.workers < 1 || opts.workers > 1024 {
		return cupel.Invalidf("--workers", fmt.Sprint(opts.workers), "give a number from 1 to 1024")
	}
	for _, part := range opts.only {
		if known := append(bench.Parts(), partEvaluation); !slices.Contains(known, part) {
			return cupel.Invalidf("--only", part, nearest.Fix(part, known))
		}
	}
	parts, whole := opts.parts()
	if whole && opts.data == "" && len(opts.only) > 0 {
		return cupel.Invalidf("--only", partEvaluation, "name HumanEval.jsonl.gz with --data")
	}
	doc := benchJSON{Report: &bench.Report{}}
	var err error
	if len(parts) > 0 || len(opts.only) == 0 {
		doc.Report, err = bench.Run(ctx, bench.Config{
			Runs: opts.runs, Only: parts, Workers: opts.workers, Engine: opts.engine,
			Progress: func(what string) { a.notef("measuring %s", what) },
		})
		if err != nil {
			return err
		}
	}
	if whole && opts.data != "" {
		a.notef("measuring a whole evaluation")
		if doc.Evaluation, err = a.benchEvaluation(ctx, opts); err != nil {
			return err
		}
	}
	if a.json {
		return a.printJSON(doc)
	}
	return a.printBench(doc)
}

// parts splits --only into what package bench measures and the evaluation.
func (o benchOptions) parts() (parts []string, evaluation bool) {
	for _, p := range o.only {
		if p == partEvaluation {
			evaluation = true
		} else {
			parts = append(parts, p)
		}
	}
	return parts, evaluation || len(o.only) == 0
}

// benchEvaluation judges HumanEval's own answers, as cupel eval does.
func (a *app) benchEvaluation(ctx context.Context, opts benchOptions) (_ *benchEvaluation, err error) {
	dir, err := os.MkdirTemp("", "cupel-bench-")
	if err != nil {
		return nil, cupel.Errorf(cupel.Unavailable, "make a folder for the run", "%w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	e, err := evalOptions{
		datasets: []string{"humaneval"}, data: opts.data, model: "canonical", engine: opts.engine, image: "host",
		repeats: 1, batch: opts.workers, out: dir, useSandbox: true,
	}.read()
	if err != nil {
		return nil, err
	}
	svc := newService(service.Config{})
	j := judge.New(judge.Config{Sandboxes: judge.Pools(svc, e.engine, e.batch), Grading: e.grading, Spec: e.spec})
	rep, err := a.evaluate(ctx, e, j)
	if err = errors.Join(err, j.Close(), svc.Close()); err != nil {
		return nil, err
	}
	d := rep.Datasets[0]
	out := &benchEvaluation{Dataset: d.Name, Workers: opts.workers, Attempts: d.Attempts, Passed: d.Passed, WallS: d.WallS}
	if d.WallS > 0 {
		out.PerSecond = report.Round(float64(d.Attempts)/d.WallS, 1)
	}
	return out, nil
}

func (a *app) printBench(doc benchJSON) error {
	var b strings.Builder
	m := doc.Machine
	if doc.Runs > 0 {
		fmt.Fprintf(&b, "%s %s on %s, %d cores, load %.1f, uid %d; engine %s; %d runs each, taking turns\n",
			m.OS, m.Kernel, m.Arch, m.CPUs, m.LoadAvg, m.UID, doc.Engine, doc.Runs)
	}
	if len(doc.Latency) > 0 {
		b.WriteString(a.latencyTable(doc.Latency).Render() + "\n")
	}
	if len(doc.Throughput) > 0 {
		b.WriteString(a.rateTable(doc.Throughput).Render() + "\n")
	}
	if e := doc.Evaluation; e != nil {
		fmt.Fprintf(&b, "whole evaluation of %s, grading included: %d of %d passed in %.1f s, %.1f a second with %d workers\n",
			e.Dataset, e.Passed, e.Attempts, e.WallS, e.PerSecond, e.Workers)
	}
	for _, note := range doc.Notes {
		fmt.Fprintf(&b, "note: %s\n", note)
	}
	if _, err := fmt.Fprint(a.stdout, b.String()); err != nil {
		return cupel.Errorf(cupel.Internal, "write stdout", "%w", err)
	}
	return nil
}

// latencyTable shows the rows, a rule between programs.
func (a *app) latencyTable(rows []bench.Row) table.Writer {
	t := a.newTable(table.Row{"Program", "Way", "Median", "p95", "× plain", "Over plain", "Reset"})
	alignRight(t, 3, 7)
	var last string
	for _, r := range rows {
		name := r.Program
		if r.HeapMiB > 0 {
			name += fmt.Sprintf(", %d MiB heap", r.HeapMiB)
		}
		shown := ""
		if name != last {
			t.AppendSeparator()
			shown, last = name, name
		}
		reset := ""
		if r.After != nil {
			reset = millis(r.After.MedianMS)
		}
		t.AppendRow(table.Row{shown, r.Way, millis(r.MedianMS), millis(r.P95MS), fmt.Sprintf("%.2f", r.Ratio), millis(r.OverMS), reset})
	}
	return t
}

func (a *app) rateTable(rates []bench.Rate) table.Writer {
	t := a.newTable(table.Row{"Way", "Workers", "Checks/s", "× plain"})
	alignRight(t, 2, 4)
	for _, r := range rates {
		t.AppendRow(table.Row{r.Way, r.Workers, fmt.Sprintf("%.1f", r.PerSecond), fmt.Sprintf("%.2f", r.Ratio)})
	}
	return t
}

func alignRight(t table.Writer, from, to int) {
	var columns []table.ColumnConfig
	for n := from; n <= to; n++ {
		columns = append(columns, table.ColumnConfig{Number: n, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
}

func millis(v float64) string { return fmt.Sprintf("%.2f ms", v) }
