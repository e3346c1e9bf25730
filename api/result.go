package api

import (
	"strings"
	"time"
	"unicode/utf8"

	"cupel.dev/cupel"
)

// Result is what a program did, and the compile step in it.
type Result struct {
	// Status is "" only in what was seen of a program that was cancelled.
	Status cupel.Status `json:"status"`
	// ExitCode is nil unless the program exited by itself.
	ExitCode *int `json:"exit_code"`
	// Signal is "SIGSEGV"-style, or "".
	Signal string `json:"signal"`
	// LimitsHit is never null; the limit that is the status comes first.
	LimitsHit []cupel.LimitName `json:"limits_hit"`
	// Stdout and Stderr are text, with U+FFFD where the output is not UTF-8;
	// only then the exact bytes are beside it.
	Stdout          string `json:"stdout"`
	Stderr          string `json:"stderr"`
	StdoutBase64    []byte `json:"stdout_base64,omitempty"`
	StderrBase64    []byte `json:"stderr_base64,omitempty"`
	StdoutTruncated bool   `json:"stdout_truncated"`
	StderrTruncated bool   `json:"stderr_truncated"`
	Usage           Usage  `json:"usage"`
	// Compile is the compile step of the same run, nil where there was none.
	Compile *Result `json:"compile"`
	// Engine is the name of the engine that ran it.
	Engine    string        `json:"engine"`
	Isolation Isolation     `json:"isolation"`
	Startup   cupel.Startup `json:"startup"`
}

// Usage is what the whole process tree used. Times are milliseconds.
type Usage struct {
	WallMS          float64           `json:"wall_ms"`
	CPUUserMS       float64           `json:"cpu_user_ms"`
	CPUSysMS        float64           `json:"cpu_sys_ms"`
	MemoryPeakBytes int64             `json:"memory_peak_bytes"`
	ProcessesPeak   int               `json:"processes_peak"`
	Unobserved      []cupel.LimitName `json:"unobserved,omitempty"`
}

// Isolation says what stood between the program and the host.
type Isolation struct {
	Tier cupel.Tier `json:"tier"`
	// Missing is never null.
	Missing []string `json:"missing"`
}

// NewResult describes what a program did and wrote.
func NewResult(res cupel.Result, engine string, is cupel.Isolation, stdout, stderr []byte) *Result {
	doc := &Result{
		Status: res.Status, Signal: res.Signal, LimitsHit: res.LimitsHit,
		StdoutTruncated: res.StdoutTruncated, StderrTruncated: res.StderrTruncated,
		Usage: NewUsage(res.Usage), Engine: engine, Isolation: NewIsolation(is), Startup: res.Startup,
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

// SetCompile adds the compile step. A program that does not compile wrote
// nothing and exited nowhere: what did is below "compile".
func (r *Result) SetCompile(step *Result) {
	r.Compile = step
	if r.Status == cupel.StatusCompileError {
		r.ExitCode, r.Signal = nil, ""
		r.StdoutTruncated, r.StderrTruncated = false, false
	}
}

// Cupel returns the Result in the root package's terms. Times keep the
// microseconds that the wire has.
func (r *Result) Cupel() cupel.Result {
	res := cupel.Result{
		Status: r.Status, ExitCode: -1, Signal: r.Signal,
		StdoutTruncated: r.StdoutTruncated, StderrTruncated: r.StderrTruncated,
		Usage:     r.Usage.Cupel(),
		Isolation: cupel.Isolation{Tier: r.Isolation.Tier, Missing: r.Isolation.Missing},
		Startup:   r.Startup,
	}
	if r.ExitCode != nil {
		res.ExitCode = *r.ExitCode
	}
	if len(r.LimitsHit) > 0 {
		res.LimitsHit = r.LimitsHit
	}
	return res
}

// Output returns the exact bytes that the program wrote, as far as they were
// kept.
func (r *Result) Output() (stdout, stderr []byte) {
	stdout, stderr = r.StdoutBase64, r.StderrBase64
	if stdout == nil {
		stdout = []byte(r.Stdout)
	}
	if stderr == nil {
		stderr = []byte(r.Stderr)
	}
	return stdout, stderr
}

// NewUsage describes what a program used.
func NewUsage(u cupel.Usage) Usage {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return Usage{
		WallMS: ms(u.Wall), CPUUserMS: ms(u.CPUUser), CPUSysMS: ms(u.CPUSys),
		MemoryPeakBytes: int64(u.MemoryPeak), ProcessesPeak: u.ProcessesPeak, Unobserved: u.Unobserved,
	}
}

// Cupel returns the Usage in the root package's terms.
func (u Usage) Cupel() cupel.Usage {
	d := func(ms float64) time.Duration {
		return time.Duration(ms * float64(time.Millisecond)).Round(time.Microsecond)
	}
	return cupel.Usage{
		Wall: d(u.WallMS), CPUUser: d(u.CPUUserMS), CPUSys: d(u.CPUSysMS),
		MemoryPeak: cupel.Size(u.MemoryPeakBytes), ProcessesPeak: u.ProcessesPeak, Unobserved: u.Unobserved,
	}
}

// NewIsolation describes what isolated a program.
func NewIsolation(is cupel.Isolation) Isolation {
	if is.Missing == nil {
		is.Missing = []string{}
	}
	return Isolation{is.Tier, is.Missing}
}

// textOrBytes returns output as text, and beside it the exact bytes where the
// text had to be changed. A run of bytes that are no UTF-8 is one U+FFFD.
func textOrBytes(b []byte) (text string, exact []byte) {
	if utf8.Valid(b) {
		return string(b), nil
	}
	return strings.ToValidUTF8(string(b), "\uFFFD"), b
}
