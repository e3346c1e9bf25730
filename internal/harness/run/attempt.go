package run

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/model"
)

// judgeAll judges the jobs, some at a time, and writes each down as it ends.
// The first failure that is not one attempt's own ends the run.
func (cfg *Config) judgeAll(ctx context.Context, st *state, jobs []job) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(cfg.Concurrency, len(jobs)) {
		workers.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(jobs) {
					return
				}
				if err := cfg.judgeOne(ctx, st, jobs[i]); err != nil {
					cancel(err)
				}
			}
		})
	}
	workers.Wait()
	if ctx.Err() == nil {
		return nil
	}
	err := context.Cause(ctx)
	//nolint:errorlint // the context's own end, and no attempt's failure that wraps one
	if err == context.Canceled || err == context.DeadlineExceeded {
		return cupel.Errorf(cupel.Canceled, "evaluate", "interrupted; what was finished is kept").
			WithHint("the same command goes on from there")
	}
	return err
}

// judgeOne judges one attempt and writes it down. Its error ends the run.
func (cfg *Config) judgeOne(ctx context.Context, st *state, j job) error {
	started := time.Now()
	a, err := cfg.try(ctx, j)
	if err != nil {
		return err
	}
	a.Key = j.key(j.attempt)
	a.Language = j.sample.Language
	a.Started, a.Finished = started.UTC(), time.Now().UTC()
	if a.LimitsHit == nil {
		a.LimitsHit = []cupel.LimitName{}
	}
	a.Stdout, a.StdoutTruncated = kept(a.Stdout, a.StdoutTruncated)
	a.Stderr, a.StderrTruncated = kept(a.Stderr, a.StderrTruncated)
	if err := st.record(a); err != nil {
		return err
	}
	cfg.Progress.Done(a)
	return nil
}

// try asks the model and the judge until both did their part, or often enough.
// Its error is that ctx ended or that no further attempt makes sense.
func (cfg *Config) try(ctx context.Context, j job) (harness.Attempt, error) {
	var sum string
	pause := cfg.Backoff
	for n := 1; ; n++ {
		answer, err := cfg.Model.Answer(ctx, j.sample, j.attempt)
		var a harness.Attempt
		if err == nil {
			sum = hash(answer)
			a, err = cfg.Judge.Judge(ctx, j.sample, answer)
		}
		a.CompletionSHA256, a.Tries = sum, n
		switch {
		case err == nil:
			return a, nil
		case ctx.Err() != nil:
			return a, ctx.Err()
		case cupel.KindOf(err) == cupel.Closed:
			return a, err
		case n >= cfg.Tries || final(err):
			return errored(a, err), nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return a, ctx.Err()
		}
		pause *= 2
	}
}

// final reports whether trying again can't help.
func final(err error) bool {
	switch cupel.KindOf(err) {
	case cupel.Invalid, cupel.Unsupported, cupel.NotFound:
		return true
	}
	return false
}

// errored makes an attempt of a failure: it says what failed, and nothing
// about the answer.
func errored(a harness.Attempt, err error) harness.Attempt {
	reason := err.Error()
	if cupel.KindOf(err) == cupel.Unsupported {
		reason = "unsupported: " + reason
		if hint := cupel.HintOf(err); hint != "" {
			reason = "unsupported: " + hint
		}
	}
	const most = 500
	if len(reason) > most {
		reason = strings.ToValidUTF8(reason[:most], "") + "…"
	}
	return harness.Attempt{
		Verdict: harness.Errored, Reason: reason,
		CompletionSHA256: a.CompletionSHA256, Tries: a.Tries,
	}
}

// kept cuts a stream to what an attempt keeps and makes it valid UTF-8.
func kept(s string, truncated bool) (string, bool) {
	if len(s) > harness.OutputKept {
		s, truncated = s[:harness.OutputKept], true
	}
	return strings.ToValidUTF8(s, "\uFFFD"), truncated
}

func hash(a model.Answer) string {
	sum := sha256.Sum256([]byte(a.Text))
	return hex.EncodeToString(sum[:])
}
