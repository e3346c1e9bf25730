// Package judge runs and grades one answer: by its output where a task has
// cases, and by package grade where it has a Python test.
package judge

import (
	"context"
	"sync"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/dataset"
	"cupel.dev/cupel/internal/harness/extract"
	"cupel.dev/cupel/internal/harness/grade"
	"cupel.dev/cupel/internal/harness/model"
	"cupel.dev/cupel/internal/lang"
	"cupel.dev/cupel/internal/nearest"
)

// Grading is the rule by which answers are judged.
type Grading string

// Strict keeps checks and expected values away from answers. Upstream is
// EvalScope's rule, the exit status of the assembled program: for comparing
// scores, not for trust. Tasks with cases are judged alike under both.
const (
	Strict   Grading = "strict"
	Upstream Grading = "upstream"
)

// ParseGrading reads a grading's name; "" is Strict.
func ParseGrading(s string) (Grading, error) {
	switch g := Grading(s); g {
	case "":
		return Strict, nil
	case Strict, Upstream:
		return g, nil
	}
	names := []string{string(Strict), string(Upstream)}
	return "", cupel.Invalidf("grading", s, nearest.Fix(s, names))
}

// Config configures a Judge. Only Sandboxes is needed.
type Config struct {
	// Sandboxes lends where answers run and, apart from those, where the
	// grader does unless there are Graders.
	Sandboxes Sandboxes
	// Grading defaults to Strict.
	Grading Grading
	// Spec is what answers' sandboxes are made from. Its limits are merged
	// under the sample's own.
	Spec cupel.Spec
	// Graders lends where graders run when that is elsewhere than where
	// answers do: a grader is talked to all its life, which not every engine
	// can. Default: Sandboxes.
	Graders Sandboxes
	// GraderSpec is what graders' sandboxes are made from where there are
	// Graders; its zero value is cupel.DefaultSpec. Without Graders it is
	// Spec.
	GraderSpec cupel.Spec
}

// Judge gives verdicts on answers. It is safe for concurrent use, and closed by
// its owner.
type Judge struct {
	cfg Config

	mu     sync.Mutex
	grader *grade.Grader
	closed bool

	toolchainsMu sync.Mutex
	toolchains   map[string]toolchain
}

// toolchain is what was found out about a language's, once.
type toolchain struct {
	version string
	err     error
}

// New makes a Judge. Nothing is started until it is asked something.
func New(cfg Config) *Judge {
	if cfg.Grading == "" {
		cfg.Grading = Strict
	}
	if cfg.Graders == nil {
		cfg.Graders, cfg.GraderSpec = cfg.Sandboxes, cfg.Spec
	}
	return &Judge{cfg: cfg, toolchains: map[string]toolchain{}}
}

// Judge runs and grades one answer. See run.Judge.
func (j *Judge) Judge(ctx context.Context, s *dataset.Sample, a model.Answer) (harness.Attempt, error) {
	if err := j.Check(ctx, s.Language); err != nil {
		return harness.Attempt{}, err
	}
	switch {
	case s.Python == nil:
		return j.cases(ctx, s, s.Program(code(a)))
	case j.cfg.Grading == Upstream:
		return j.python(ctx, s, upstreamProgram(s, a))
	}
	return j.python(ctx, s, s.Program(code(a)))
}

// code is the completion as it is, or what is taken from a reply.
func code(a model.Answer) string {
	if a.Reply {
		return extract.Code(a.Text)
	}
	return a.Text
}

// upstreamProgram is what EvalScope makes of an answer, before it appends the
// test. A completion is code that was extracted already: nothing is cut.
func upstreamProgram(s *dataset.Sample, a model.Answer) string {
	switch {
	case s.Python.Form == dataset.FormCheck && a.Reply:
		return s.Prompt + extract.HumanEval(a.Text)
	case s.Python.Form == dataset.FormCheck:
		return s.Prompt + a.Text
	case a.Reply:
		return extract.MBPP(a.Text, s.Python.Setup)
	}
	return s.Python.Setup + "\n" + a.Text
}

// Check says whether answers in a language can be run, looking once at the
// sandbox's toolchain: nil, or kind Unsupported with what to install.
func (j *Judge) Check(ctx context.Context, language string) error {
	_, err := j.Toolchain(ctx, language)
	return err
}

// Toolchain returns the version of a language's toolchain in the sandbox, for
// a run's fingerprint. Errors are Check's.
func (j *Judge) Toolchain(ctx context.Context, language string) (string, error) {
	l, err := lang.Lookup(language)
	if err != nil {
		return "", err
	}
	j.toolchainsMu.Lock()
	defer j.toolchainsMu.Unlock()
	if t, ok := j.toolchains[l.Name]; ok {
		return t.version, t.err
	}
	var t toolchain
	t.err = j.cfg.Sandboxes.Run(ctx, j.cfg.Spec, func(ctx context.Context, sb cupel.Sandbox) error {
		var err error
		t.version, err = lang.Available(ctx, sb, l)
		return err
	})
	if t.err == nil || cupel.KindOf(t.err) == cupel.Unsupported {
		j.toolchains[l.Name] = t
	}
	return t.version, t.err
}

// limits are what an answer's run may use.
func (j *Judge) limits(s *dataset.Sample) cupel.Limits {
	own := cupel.Limits{Time: s.WallLimit, CPUTime: s.CPULimit}
	return cupel.DefaultLimits().Merge(j.cfg.Spec.Limits).Merge(s.Limits).Merge(own)
}

// spec is a sandbox's in which the program fits.
func (j *Judge) spec(p lang.Program) cupel.Spec {
	spec := j.cfg.Spec
	spec.Limits = p.SpecLimits()
	return spec
}
