package judge

import (
	"context"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/dataset"
	"cupel.dev/cupel/internal/harness/grade"
	"cupel.dev/cupel/service"
)

// python judges by a Python test, with a grader for each set of limits.
func (j *Judge) python(ctx context.Context, s *dataset.Sample, program string) (harness.Attempt, error) {
	g, err := j.pythonGrader()
	if err != nil {
		return harness.Attempt{}, err
	}
	out, err := g.Grade(ctx, j.task(s), grade.Attempt{Program: program})
	if err != nil {
		return harness.Attempt{}, err
	}
	a := harness.Attempt{
		Verdict: harness.Verdict(out.Verdict), Reason: out.Reason, Proof: harness.Proof(out.Proof),
	}
	end(&a, out.Result, out.Stdout, out.Stderr)
	return a, nil
}

// task is a sample as the grader sees it.
func (j *Judge) task(s *dataset.Sample) grade.Task {
	t := grade.Task{
		ID: s.TaskID, Dataset: s.Dataset, Form: grade.Form(s.Python.Form),
		EntryPoint: s.Python.EntryPoint, Test: s.Python.Test,
		CPULimit: s.CPULimit, WallLimit: s.WallLimit, Limits: j.limits(s),
	}
	if s.Python.Form == dataset.FormCheck {
		t.Setup = s.Python.Preamble
		return t
	}
	if j.cfg.Grading == Strict {
		// Upstream has the set-up code before the program already.
		t.Setup = s.Python.Setup
		if s.Python.Imports != "" {
			t.Setup = s.Python.Imports + "\n" + t.Setup
		}
	}
	return t
}

// graders is how many grading processes there may be. They keep their
// sandboxes until the judge is closed, so there is one Grader for all tasks.
const graders = 2

// pythonGrader returns the one Grader.
func (j *Judge) pythonGrader() (*grade.Grader, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, cupel.Errorf(cupel.Closed, "judge", "the judge is closed")
	}
	if j.grader != nil {
		return j.grader, nil
	}
	g, err := grade.New(grade.Config{
		Candidate: func(t grade.Task) grade.Runner {
			base := j.cfg.Spec
			base.Limits = t.Limits
			return runner{j.cfg.Sandboxes, grade.CandidateSpec(base, t.CPULimit, t.WallLimit), nil}
		},
		Grader:  runner{j.cfg.Graders, grade.GraderSpec(j.cfg.GraderSpec), service.AsHelper},
		Graders: graders,
		Mode:    grade.Mode(j.cfg.Grading),
	})
	j.grader = g
	return g, err
}

// runner lends sandboxes of one Spec.
type runner struct {
	sandboxes Sandboxes
	spec      cupel.Spec
	mark      func(context.Context) context.Context
}

func (r runner) Run(ctx context.Context, fn func(context.Context, cupel.Sandbox) error) error {
	if r.mark != nil {
		ctx = r.mark(ctx)
	}
	return r.sandboxes.Run(ctx, r.spec, fn)
}

// Close ends the grading processes. It is idempotent; Judge fails with kind
// Closed from then on where it needs one.
func (j *Judge) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closed = true
	g := j.grader
	j.grader = nil
	if g == nil {
		return nil
	}
	return g.Close()
}
