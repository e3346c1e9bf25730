package grade

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"cupel.dev/cupel"
)

// Version is the grading version, part of a run's fingerprint. It changes
// whenever a verdict could.
const Version = "1"

// MaxRounds is how many times an answer is run while its test keeps making
// calls that depend on earlier answers.
const MaxRounds = 4

// Form says how a dataset's test asks.
type Form string

// The forms: a function check(candidate), as in HumanEval, and asserts that
// use the answer's names, as in MBPP.
const (
	FormCheck   Form = "check"
	FormAsserts Form = "asserts"
)

// Mode says what a verdict rests on.
type Mode string

// The modes. Strict judges by data; Upstream by the exit status of program and
// test in one process, as EvalScope does, for comparing scores.
const (
	Strict   Mode = "strict"
	Upstream Mode = "upstream"
)

// Proof says how a verdict was come by.
type Proof string

// The proofs, as they stand in attempts.jsonl.
const (
	ProofData       Proof = "data"
	ProofInProcess  Proof = "in_process"
	ProofExitStatus Proof = "exit_status"
)

// Verdict is what an attempt is worth. An attempt that could not be judged has
// no verdict but an error.
type Verdict string

// The verdicts.
const (
	Passed Verdict = "passed"
	Failed Verdict = "failed"
)

// Task is a dataset's row as the grader sees it. All code is Python.
type Task struct {
	// ID and Dataset are for log lines alone.
	ID, Dataset string
	// Form says how Test asks.
	Form Form
	// Setup belongs to the test. FormCheck: code whose names the test may
	// use, such as HumanEval's prompt; it runs in the grader. FormAsserts:
	// statements before the asserts, such as MBPP's test_setup_code; they
	// may use the answer's names.
	Setup string
	// Test is the text with check(candidate), or the asserts joined by
	// newlines.
	Test string
	// EntryPoint is the function that FormCheck hands to check. With
	// FormAsserts it may be empty.
	EntryPoint string
	// CPULimit and WallLimit bound each run of the answer. Zero leaves the
	// sandbox's own.
	CPULimit, WallLimit time.Duration
	// Limits are those of the sandbox, for Config.Candidate to go by.
	Limits cupel.Limits
}

// Attempt is one answer to a task.
type Attempt struct {
	// Program is the whole program, without tests.
	Program string
}

// Outcome is the judgment of an attempt.
type Outcome struct {
	Verdict Verdict
	// Reason says in a few words why it did not pass; empty when it did.
	Reason string
	Proof  Proof
	// Result is the answer's last run.
	Result cupel.Result
	// Stdout and Stderr are the beginning of what that run printed, up to
	// Config.KeepOutput bytes each, without the grader's messages.
	Stdout, Stderr []byte
}

// Runner lends a clean sandbox for one use. A service's pool is one. An error
// is fn's, or says that there was no sandbox to lend.
type Runner interface {
	Run(ctx context.Context, fn func(context.Context, cupel.Sandbox) error) error
}

// Config is what a Grader needs.
type Config struct {
	// Candidate says who lends a sandbox for each run of an answer to a task:
	// one whose limits allow the task's. See CandidateSpec.
	Candidate func(Task) Runner
	// Grader lends the sandbox of each grading process, which keeps it until
	// Close. It must not be one that answers run in. See GraderSpec.
	Grader Runner
	// Python is the interpreter inside both. Default "python3".
	Python string
	// Mode is Strict (default) or Upstream.
	Mode Mode
	// Graders is how many grading processes may run at once. They start when
	// needed; one serves several workers, since a check takes about a
	// millisecond. Default 2.
	Graders int
	// KeepOutput is how many bytes of each stream an Outcome keeps. Default
	// 64 KiB.
	KeepOutput int
	// Log gets a line when a grading process is started again. Default: none.
	Log *slog.Logger
}

// Grader judges attempts. It is safe for concurrent use.
type Grader struct {
	cfg   Config
	procs *procs

	mu     sync.Mutex
	plans  map[Task]*planned
	driver []byte
}

// New makes a Grader. Nothing is started until the first Grade.
func New(cfg Config) (*Grader, error) {
	if cfg.Candidate == nil {
		return nil, cupel.Invalidf("candidate runner", "", "give the pool that answers run in")
	}
	switch cfg.Mode {
	case "":
		cfg.Mode = Strict
	case Strict, Upstream:
	default:
		return nil, cupel.Invalidf("grading", string(cfg.Mode), "use strict or upstream")
	}
	if cfg.Mode == Strict && cfg.Grader == nil {
		return nil, cupel.Invalidf("grader runner", "", "give the pool that the grader runs in")
	}
	if cfg.Python == "" {
		cfg.Python = "python3"
	}
	if cfg.Graders <= 0 {
		cfg.Graders = 2
	}
	if cfg.KeepOutput <= 0 {
		cfg.KeepOutput = 64 << 10
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	g := &Grader{cfg: cfg, plans: map[Task]*planned{}}
	if cfg.Mode == Strict {
		g.procs = newProcs(cfg)
	}
	return g, nil
}

// Grade judges one attempt. Whatever the program can cause is a failed
// Outcome; the error is the machine's, an engine's or a grading process's that
// died and whose successor died too, and then there is no verdict.
func (g *Grader) Grade(ctx context.Context, task Task, attempt Attempt) (Outcome, error) {
	if task.Form != FormCheck && task.Form != FormAsserts {
		return Outcome{}, cupel.Invalidf("form", string(task.Form), "use check or asserts")
	}
	if g.cfg.Mode == Upstream {
		return g.gradeUpstream(ctx, task, attempt)
	}
	p, err := g.plan(ctx, task)
	if err != nil {
		return Outcome{}, err
	}
	if !p.byData {
		return g.gradeInProcess(ctx, task, attempt, p)
	}
	return g.gradeByData(ctx, task, attempt, p)
}

// Close ends the grading processes. Grades that still run fail with kind
// Closed. It is idempotent.
func (g *Grader) Close() error {
	if g.procs != nil {
		g.procs.close()
	}
	return nil
}
