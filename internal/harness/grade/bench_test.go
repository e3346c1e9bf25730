package grade

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"cupel.dev/cupel"
)

// plainRunner runs commands with nothing around them, so that what is measured
// is the driver's cost alone.
type plainRunner struct{ processSandbox }

func (p *plainRunner) Run(ctx context.Context, fn func(context.Context, cupel.Sandbox) error) error {
	return fn(ctx, p)
}

func (p *plainRunner) Exec(ctx context.Context, cmd cupel.Cmd) (cupel.Result, error) {
	c := exec.CommandContext(ctx, cmd.Args[0], cmd.Args[1:]...)
	c.Dir, c.Stdin, c.Stdout, c.Stderr = p.dir, cmd.Stdin, cmd.Stdout, cmd.Stderr
	return cupel.Result{Status: cupel.StatusOK}, c.Run()
}

// BenchmarkCandidateRun reports the run of an answer beside the driver against
// that of the program assembled with its test, interleaved, and what a check
// costs in the grader.
func BenchmarkCandidateRun(b *testing.B) {
	rows := humanEval(b)
	g := newGrader(b, Strict)
	dir := b.TempDir()
	g.cfg.Candidate = always(&plainRunner{processSandbox{dir: dir}})
	file := filepath.Join(dir, "main.py")
	var plain, beside, judging time.Duration
	for i := 0; b.Loop(); i++ {
		r := rows[i%len(rows)]
		p, err := g.plan(b.Context(), r.task)
		if err != nil {
			b.Fatal(err)
		}
		text := r.canonical + "\n" + r.task.Test + "\ncheck(" + r.entry + ")"
		start := time.Now()
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
		cmd := exec.Command(g.cfg.Python, file)
		cmd.Dir = dir
		if err := cmd.Run(); err != nil {
			b.Fatal(err)
		}
		plain += time.Since(start)

		start = time.Now()
		run, err := g.execute(b.Context(), r.task, r.canonical, howCalls, p.calls)
		if err != nil || run.fault() != "" {
			b.Fatal(err, run.fault())
		}
		beside += time.Since(start)

		start = time.Now()
		length := appendField(nil, p.calls)
		rep, err := g.procs.ask(b.Context(), taskRequest("check", r.task), length, run.body)
		if err != nil || rep.Verdict != "passed" {
			b.Fatal(err, rep)
		}
		judging += time.Since(start)
	}
	b.ReportMetric(float64(beside)/float64(plain), "x-plain")
	b.ReportMetric(float64(plain.Microseconds())/1000/float64(b.N), "plain-ms")
	b.ReportMetric(float64(judging.Microseconds())/1000/float64(b.N), "check-ms")
}
