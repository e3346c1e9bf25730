// Package run is the engine of an evaluation: every task's answers, judged by
// some at a time and written down so that a run can be ended at any moment and
// go on later.
//
// # The folder of a run
//
//	.lock            held with flock while a run works there
//	run.json         {"schema": 1, "started": …, "fingerprint": {…}}, written first
//	attempts.jsonl   a harness.Attempt a line, appended by one write each
//	report.json      a report.Report, replaced atomically at the end
//
// attempts.jsonl is the truth and the rest is derived or compared with it. Its
// lines are in the order of completion. A last line without its line break was
// torn by a kill and is cut off; any other broken line is an error. Attempts
// that are there are not judged again, but for errored ones: the newest line
// of a key wins, so that a key has one line more for each time it errored.
//
// run.json's fingerprint holds what verdicts depend on. A run under another
// one is refused, naming the difference.
package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/dataset"
	"cupel.dev/cupel/internal/harness/model"
	"cupel.dev/cupel/internal/harness/report"
)

// Judge gives verdicts. It is safe for concurrent use.
type Judge interface {
	// Judge runs and grades one answer. Of the Attempt it fills in Verdict,
	// Reason, Proof, Status, output and usage. An error is a failure of the
	// machine: of kind Invalid, Unsupported or NotFound it would only happen
	// again; any other is tried again, then recorded as errored.
	Judge(ctx context.Context, s *dataset.Sample, a model.Answer) (harness.Attempt, error)
}

// Checker is a Judge that can say beforehand whether it could judge answers in
// a language.
type Checker interface {
	// Check returns nil, or why not: kind Unsupported, with a hint, when a
	// toolchain is missing.
	Check(ctx context.Context, language string) error
}

// Config is one run.
type Config struct {
	// Dir is where the run is kept; it is made if missing.
	Dir  string
	Sets []*dataset.Set
	// Limit is how many rows of each set are judged. Default: all.
	Limit dataset.Limit
	Model model.Model
	Judge Judge
	// Repeats is the number of attempts a task. Default: 1, or all that the
	// model has recorded.
	Repeats int
	// Concurrency is how many attempts are judged at once. Default: 1.
	Concurrency int
	// Fingerprint names what verdicts depend on, besides the model and the
	// sets, which are added: the grading and its version, the engine, the
	// image, the toolchain, limits.
	Fingerprint map[string]string
	// Engine and Grading are named in the report.
	Engine, Grading string
	// Seed is the bootstrap's.
	Seed uint64
	// Rejudge judges everything again. What was there is kept beside, as
	// attempts.old.jsonl, and may be of another fingerprint.
	Rejudge bool
	// Progress is told what happens; nil tells no one.
	Progress report.Progress
	// Tries is how often an attempt is tried when the machine fails.
	// Default 3. Backoff is the pause before the second try, doubled before
	// each further one. Default 200 ms.
	Tries   int
	Backoff time.Duration
}

// Run judges what is not judged yet and returns the report, which it also
// writes to Dir. When ctx ends, what was finished is kept, no report is
// written and the error is of kind Canceled; the same Config goes on later.
//
// Other errors: Invalid (a broken file in Dir), Exists (Dir belongs to a run
// with another fingerprint), Unavailable (another run works in Dir), what
// Checker says when no sample can be judged, and failures to write.
func Run(ctx context.Context, cfg Config) (*report.Report, error) {
	cfg.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	st, err := openState(cfg.Dir, cfg.fingerprint(), cfg.Rejudge)
	if err != nil {
		return nil, err
	}
	rep, err := cfg.run(ctx, st)
	if cerr := st.close(); err == nil && cerr != nil {
		return nil, cerr
	}
	return rep, err
}

func (cfg *Config) run(ctx context.Context, st *state) (*report.Report, error) {
	tasks := cfg.plan()
	pending := pending(tasks, st.done)
	if err := cfg.check(ctx, pending); err != nil {
		return nil, err
	}
	cfg.Progress.Start(st.before(tasks))
	err := cfg.judgeAll(ctx, st, pending)
	cfg.Progress.Finish()
	if err != nil {
		return nil, err
	}
	if err := st.log.sync(); err != nil {
		return nil, err
	}
	rep := cfg.report(tasks, st)
	return rep, rep.Save(cfg.Dir)
}

func (cfg *Config) setDefaults() {
	cfg.Concurrency = max(cfg.Concurrency, 1)
	if cfg.Tries <= 0 {
		cfg.Tries = 3
	}
	if cfg.Backoff <= 0 {
		cfg.Backoff = 200 * time.Millisecond
	}
	if cfg.Progress == nil {
		cfg.Progress = report.Silent
	}
}

// validate refuses a dataset that is given twice: its attempts would be, too.
func (cfg *Config) validate() error {
	seen := map[string]bool{}
	for _, set := range cfg.Sets {
		if seen[set.Name] {
			return cupel.Invalidf("dataset", set.Name, "it is given twice; name it once")
		}
		seen[set.Name] = true
	}
	return nil
}

func (cfg *Config) fingerprint() map[string]string {
	fp := maps.Clone(cfg.Fingerprint)
	if fp == nil {
		fp = map[string]string{}
	}
	fp["model"] = cfg.Model.Fingerprint()
	for _, set := range cfg.Sets {
		fp["dataset "+set.Name] = "sha256:" + set.SHA256
		for k, v := range set.Args {
			fp["dataset "+set.Name+" "+k] = v
		}
	}
	return fp
}

// task is a sample and how many attempts of it are judged.
type task struct {
	sample   *dataset.Sample
	attempts int
}

func (t task) key(attempt int) harness.Key {
	return harness.Key{Dataset: t.sample.Dataset, Subset: t.sample.Subset, TaskID: t.sample.TaskID, Attempt: attempt}
}

// plan lists the tasks of each set, in order.
func (cfg *Config) plan() [][]task {
	all := make([][]task, len(cfg.Sets))
	for i, set := range cfg.Sets {
		samples := cfg.Limit.Apply(set.Samples)
		all[i] = make([]task, len(samples))
		for j := range samples {
			n := cfg.Model.Attempts(&samples[j])
			switch {
			case n == model.Any:
				n = max(cfg.Repeats, 1)
			case cfg.Repeats > 0:
				n = min(n, cfg.Repeats)
			}
			all[i][j] = task{&samples[j], n}
		}
	}
	return all
}

// job is one attempt to be judged.
type job struct {
	task
	attempt int
}

func pending(sets [][]task, done map[harness.Key]harness.Attempt) []job {
	var jobs []job
	for _, tasks := range sets {
		for _, t := range tasks {
			for n := range t.attempts {
				if !judged(done, t.key(n)) {
					jobs = append(jobs, job{t, n})
				}
			}
		}
	}
	return jobs
}

// judged reports whether an attempt has a verdict on its answer.
func judged(done map[harness.Key]harness.Attempt, key harness.Key) bool {
	a, ok := done[key]
	return ok && a.Verdict != harness.Errored
}

// check asks the judge about each language that is needed. When it can judge
// none of them the run doesn't start; when it lacks some, their attempts end
// as errored.
func (cfg *Config) check(ctx context.Context, jobs []job) error {
	c, ok := cfg.Judge.(Checker)
	if !ok || len(jobs) == 0 {
		return nil
	}
	asked := map[string]bool{}
	var failures []error
	for _, j := range jobs {
		if language := j.sample.Language; !asked[language] {
			asked[language] = true
			err := c.Check(ctx, language)
			if err != nil && cupel.KindOf(err) != cupel.Unsupported {
				return err
			}
			if err != nil {
				failures = append(failures, err)
			}
		}
	}
	if len(failures) < len(asked) {
		return nil
	}
	if len(failures) == 1 {
		return failures[0]
	}
	return &cupel.Error{
		Kind: cupel.Unsupported, Op: "judge", Hint: cupel.HintOf(failures[0]),
		Err: fmt.Errorf("no language of these tasks can be run here: %w", errors.Join(failures...)),
	}
}
