package judge

import (
	"context"
	"errors"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/dataset"
	"cupel.dev/cupel/internal/harness/grade"
	"cupel.dev/cupel/service"
)

// python judges by a Python test, with a grader for each set of limits.
func (j *Judge) python(ctx context.Context, s *dataset.Sample, program string) (harness.Attempt, error) {
	g, err := j.grader(s)
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
		CPULimit: s.CPULimit, WallLimit: s.WallLimit,
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

// grader returns the grader whose answers run within the sample's limits.
func (j *Judge) grader(s *dataset.Sample) (*grade.Grader, error) {
	limits := j.limits(s)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, cupel.Errorf(cupel.Closed, "judge", "the judge is closed")
	}
	if g, ok := j.graders[limits]; ok {
		return g, nil
	}
	base := j.cfg.Spec
	base.Limits = limits
	g, err := grade.New(grade.Config{
		Candidate: runner{j.cfg.Sandboxes, grade.CandidateSpec(base, s.CPULimit, s.WallLimit), nil},
		Grader:    runner{j.cfg.Sandboxes, grade.GraderSpec(j.cfg.Spec), service.AsHelper},
		Mode:      grade.Mode(j.cfg.Grading),
	})
	if err == nil {
		j.graders[limits] = g
	}
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
	var errs []error
	for _, g := range j.graders {
		errs = append(errs, g.Close())
	}
	clear(j.graders)
	return errors.Join(errs...)
}
