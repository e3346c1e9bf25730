package tool

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/wire/enclave"
)

// ran is a program that ran, in the protocol's terms.
type ran struct {
	cupel.Result
	stdout, stderr string
	// limit is the time limit that it had.
	limit timeout
}

// exec runs a program. The error is the machine's.
func (p Place) exec(ctx context.Context, limit timeout, dir string, args ...string) (ran, error) {
	var stdout, stderr bytes.Buffer
	limits := p.Limits
	limits.Time = limit.limit
	res, err := p.Sandbox.Exec(ctx, cupel.Cmd{Args: args, Dir: dir, Stdout: &stdout, Stderr: &stderr, Limits: limits})
	if err != nil {
		return ran{}, err
	}
	return ran{Result: res, stdout: decode(stdout.Bytes()), stderr: decode(stderr.Bytes()), limit: limit}, nil
}

// timedOut reports whether time ended it, the wall's or the processor's.
func (r ran) timedOut() bool {
	return r.Status == cupel.StatusTimeLimit || r.Status == cupel.StatusCPULimit
}

// timeoutText is what the caller reads of a program that ran out of time.
func (r ran) timeoutText() string {
	if r.Status == cupel.StatusCPULimit {
		return "Command ran out of CPU time"
	}
	if r.limit.given == "" {
		return "Command timed out"
	}
	return "Command timed out after " + r.limit.given + " seconds"
}

// status is the protocol's word for how the program ended.
func (r ran) status() enclave.ExecutionStatus {
	switch {
	case r.timedOut():
		return enclave.Timeout
	case r.Status == cupel.StatusOK:
		return enclave.Success
	}
	return enclave.Error
}

// killed is what a shell reports of a program that SIGKILL ended.
const killed = 128 + 9

// exitCode is the program's status as a shell would report it: 128 and the
// number for a signal, that of SIGKILL for a limit.
func (r ran) exitCode() int {
	switch {
	case r.Signal != "":
		return 128 + cupel.SignalNumber(r.Signal)
	case r.ExitCode < 0:
		return killed
	}
	return r.ExitCode
}

// limitText says which limit ended the program, or "".
func (r ran) limitText() string {
	switch r.Status {
	case cupel.StatusMemoryLimit:
		return "Killed: out of memory"
	case cupel.StatusOutputLimit:
		return "Killed: too much output"
	case cupel.StatusDiskLimit:
		return "Failed: out of disk space"
	case cupel.StatusProcessLimit:
		return "Failed: too many processes"
	}
	return ""
}

// result makes what the caller is told; err "" is null.
func result(tool string, status enclave.ExecutionStatus, output, err string) enclave.ToolResult {
	res := enclave.ToolResult{Status: status, Timestamp: enclave.Time{Time: time.Now()}, ToolName: tool,
		Output: output, Metadata: map[string]any{}}
	if err != "" {
		res.Error = &err
	}
	return res
}

// failed is an outcome without a run.
func failed(tool string, code []byte, err string) (Outcome, error) {
	return Outcome{Result: result(tool, enclave.Error, "", err), Code: code}, nil
}

// outcome is what a run came to. The protocol has no place for most of what we
// know of it; that goes to the metadata's key "cupel".
func (r ran) outcome(tool string, code []byte, status enclave.ExecutionStatus, output, err string) Outcome {
	res := result(tool, status, output, err)
	wall := r.Usage.Wall.Seconds()
	res.ExecutionTime = &wall
	res.Metadata["cupel"] = about(r.Result)
	return Outcome{Result: res, Run: r.Result, Code: code}
}

// Run is what a result's metadata tells of the program, under the key "cupel".
type Run struct {
	Status cupel.Status `json:"status"`
	// ExitCode is null when the program did not exit by itself.
	ExitCode        *int              `json:"exit_code"`
	Signal          string            `json:"signal"`
	LimitsHit       []cupel.LimitName `json:"limits_hit"`
	StdoutTruncated bool              `json:"stdout_truncated"`
	StderrTruncated bool              `json:"stderr_truncated"`
	WallMS          float64           `json:"wall_ms"`
	CPUMS           float64           `json:"cpu_ms"`
	MemoryPeakBytes int64             `json:"memory_peak_bytes"`
}

func about(r cupel.Result) *Run {
	run := &Run{
		Status: r.Status, Signal: r.Signal, LimitsHit: r.LimitsHit,
		StdoutTruncated: r.StdoutTruncated, StderrTruncated: r.StderrTruncated,
		WallMS: milliseconds(r.Usage.Wall), CPUMS: milliseconds(r.Usage.CPUUser + r.Usage.CPUSys),
		MemoryPeakBytes: int64(r.Usage.MemoryPeak),
	}
	if r.ExitCode >= 0 {
		run.ExitCode = &r.ExitCode
	}
	if run.LimitsHit == nil {
		run.LimitsHit = []cupel.LimitName{}
	}
	return run
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// unique is a name that no program can guess, with 32 hexadecimal digits.
func unique(prefix, suffix string) string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	name := make([]byte, 0, len(prefix)+2*len(b)+len(suffix))
	name = append(name, prefix...)
	name = hex.AppendEncode(name, b[:])
	return string(append(name, suffix...))
}
