package judge

import (
	"bytes"
	"context"
	"strings"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/dataset"
	"cupel.dev/cupel/internal/lang"
)

// compileMemory is the least that a compiler gets, whatever its program may
// use.
const compileMemory = 512 * cupel.MiB

// cases runs a program on each case's input until one fails. The right output
// stays on this side: what the program writes is compared here.
func (j *Judge) cases(ctx context.Context, s *dataset.Sample, program string) (harness.Attempt, error) {
	l, err := lang.Lookup(s.Language)
	if err != nil {
		return harness.Attempt{}, err
	}
	p := lang.Program{Language: l, Source: []byte(program), Limits: j.limits(s)}
	p.CompileLimits.Memory = max(p.Limits.Memory, compileMemory)
	p.CompileLimits.Disk = max(p.Limits.Disk, cupel.DefaultLimits().Disk)
	a := harness.Attempt{Verdict: harness.Passed, Proof: harness.ProofData, Status: cupel.StatusOK}
	err = j.cfg.Sandboxes.Run(ctx, j.spec(p), func(ctx context.Context, sb cupel.Sandbox) error {
		return runCases(ctx, sb, p, s.Cases, &a)
	})
	return a, err
}

func runCases(ctx context.Context, sb cupel.Sandbox, p lang.Program, cases []dataset.Case, a *harness.Attempt) error {
	built, err := lang.Build(ctx, sb, p)
	if err != nil {
		return err
	}
	if built.Result.Status == cupel.StatusCompileError {
		end(a, built.Result, built.CompileStdout, built.CompileStderr)
		a.Verdict, a.Reason = harness.Failed, Reason(built.Result)
		return nil
	}
	var usage cupel.Usage
	for _, c := range cases {
		var stdout, stderr bytes.Buffer
		p.Args, p.Stdin, p.Stdout, p.Stderr = c.Args, strings.NewReader(c.Stdin), &stdout, &stderr
		res, err := lang.Exec(ctx, sb, p)
		if err != nil {
			return err
		}
		usage = add(usage, res.Usage)
		res.Usage = usage
		end(a, res, stdout.Bytes(), stderr.Bytes())
		if a.Reason = caseReason(res, stdout.String(), c.Want); a.Reason != "" {
			a.Verdict = harness.Failed
			return nil
		}
	}
	return nil
}

// caseReason says why a case did not pass, "" if it did: the program has to
// exit with 0 and write what is wanted.
func caseReason(res cupel.Result, got, want string) string {
	if reason := Reason(res); reason != "" {
		return reason
	}
	switch {
	case same(got, want):
		return ""
	case res.StdoutTruncated:
		return "output limit"
	}
	return "wrong answer"
}

// same compares output, white space at the end of lines and of the whole
// ignored.
func same(got, want string) bool {
	got, want = strings.TrimRight(got, blank), strings.TrimRight(want, blank)
	for {
		g, gRest, gMore := strings.Cut(got, "\n")
		w, wRest, wMore := strings.Cut(want, "\n")
		if strings.TrimRight(g, blank) != strings.TrimRight(w, blank) || gMore != wMore {
			return false
		}
		if !gMore {
			return true
		}
		got, want = gRest, wRest
	}
}

const blank = " \t\r\n\v\f"

// end notes how a run ended.
func end(a *harness.Attempt, res cupel.Result, stdout, stderr []byte) {
	a.Status, a.LimitsHit, a.Usage = res.Status, res.LimitsHit, harness.UsageOf(res.Usage)
	a.Stdout, a.Stderr = string(stdout), string(stderr)
	a.StdoutTruncated, a.StderrTruncated = res.StdoutTruncated, res.StderrTruncated
}

// add sums up the usage of an answer's runs, peaks being the highest.
func add(a, b cupel.Usage) cupel.Usage {
	a.Wall += b.Wall
	a.CPUUser += b.CPUUser
	a.CPUSys += b.CPUSys
	a.MemoryPeak = max(a.MemoryPeak, b.MemoryPeak)
	a.ProcessesPeak = max(a.ProcessesPeak, b.ProcessesPeak)
	return a
}
