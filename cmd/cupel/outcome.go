package main

import (
	"strings"
	"time"
	"unicode/utf8"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/lang"
)

// programEnded is how cupel run ends when the program did not exit with 0. It
// is no failure of cupel's: everything is printed by then.
type programEnded struct{ result cupel.Result }

func (p programEnded) Error() string { return "the program ended: " + string(p.result.Status) }

// The statuses that cupel run passes on where the program has none of its own.
const (
	statusCompileError = 121
	statusOtherLimit   = 122
	statusTimeLimit    = 124
	statusMemoryLimit  = 137
)

// programStatus is the exit status that tells a script how a program ended.
func programStatus(res cupel.Result) int {
	switch res.Status {
	case cupel.StatusOK, cupel.StatusNonzero:
		return res.ExitCode
	case cupel.StatusSignaled:
		return statusSignal + signalNumber(res.Signal)
	case cupel.StatusTimeLimit, cupel.StatusCPULimit:
		return statusTimeLimit
	case cupel.StatusMemoryLimit:
		return statusMemoryLimit
	case cupel.StatusCompileError:
		return statusCompileError
	}
	return statusOtherLimit
}

// resultJSON is what cupel run --json prints, and the compile step in it.
type resultJSON struct {
	Status          cupel.Status      `json:"status"`
	ExitCode        *int              `json:"exit_code"`
	Signal          string            `json:"signal"`
	LimitsHit       []cupel.LimitName `json:"limits_hit"`
	Stdout          string            `json:"stdout"`
	Stderr          string            `json:"stderr"`
	StdoutBase64    []byte            `json:"stdout_base64,omitempty"`
	StderrBase64    []byte            `json:"stderr_base64,omitempty"`
	StdoutTruncated bool              `json:"stdout_truncated"`
	StderrTruncated bool              `json:"stderr_truncated"`
	Usage           usageJSON         `json:"usage"`
	Compile         *resultJSON       `json:"compile"`
	Engine          string            `json:"engine"`
	Isolation       isolationJSON     `json:"isolation"`
	Startup         cupel.Startup     `json:"startup"`
}

type usageJSON struct {
	WallMS          float64           `json:"wall_ms"`
	CPUUserMS       float64           `json:"cpu_user_ms"`
	CPUSysMS        float64           `json:"cpu_sys_ms"`
	MemoryPeakBytes int64             `json:"memory_peak_bytes"`
	ProcessesPeak   int               `json:"processes_peak"`
	Unobserved      []cupel.LimitName `json:"unobserved,omitempty"`
}

type isolationJSON struct {
	Tier    cupel.Tier `json:"tier"`
	Missing []string   `json:"missing"`
}

// outcomeJSON describes a run. A program that does not compile wrote nothing
// and exited nowhere: the compile step's own is below "compile".
func outcomeJSON(out lang.Outcome, engine string, is cupel.Isolation, stdout, stderr []byte) *resultJSON {
	doc := newResultJSON(out.Result, engine, is, stdout, stderr)
	if out.Compile != nil {
		doc.Compile = newResultJSON(*out.Compile, engine, is, out.CompileStdout, out.CompileStderr)
	}
	if out.Result.Status == cupel.StatusCompileError {
		doc.ExitCode, doc.Signal = nil, ""
		doc.StdoutTruncated, doc.StderrTruncated = false, false
	}
	return doc
}

func newResultJSON(res cupel.Result, engine string, is cupel.Isolation, stdout, stderr []byte) *resultJSON {
	doc := &resultJSON{
		Status: res.Status, Signal: res.Signal, LimitsHit: res.LimitsHit,
		StdoutTruncated: res.StdoutTruncated, StderrTruncated: res.StderrTruncated,
		Usage: newUsageJSON(res.Usage), Engine: engine, Isolation: newIsolationJSON(is), Startup: res.Startup,
	}
	if res.ExitCode >= 0 {
		doc.ExitCode = &res.ExitCode
	}
	if doc.LimitsHit == nil {
		doc.LimitsHit = []cupel.LimitName{}
	}
	doc.Stdout, doc.StdoutBase64 = textOrBytes(stdout)
	doc.Stderr, doc.StderrBase64 = textOrBytes(stderr)
	return doc
}

func newUsageJSON(u cupel.Usage) usageJSON {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return usageJSON{
		WallMS: ms(u.Wall), CPUUserMS: ms(u.CPUUser), CPUSysMS: ms(u.CPUSys),
		MemoryPeakBytes: int64(u.MemoryPeak), ProcessesPeak: u.ProcessesPeak, Unobserved: u.Unobserved,
	}
}

func newIsolationJSON(is cupel.Isolation) isolationJSON {
	if is.Missing == nil {
		is.Missing = []string{}
	}
	return isolationJSON{is.Tier, is.Missing}
}

// textOrBytes returns output as text, and beside it the exact bytes where the
// text had to be changed.
func textOrBytes(b []byte) (text string, exact []byte) {
	if utf8.Valid(b) {
		return string(b), nil
	}
	return strings.ToValidUTF8(string(b), "\uFFFD"), b
}
