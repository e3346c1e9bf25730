package harness

import (
	"time"

	"cupel.dev/cupel"
)

// Verdict is what became of an answer. The set is closed.
type Verdict string

// The verdicts. Errored means that the machine, the engine or the model
// failed: such an attempt says nothing about the answer and is never scored.
const (
	Passed  Verdict = "passed"
	Failed  Verdict = "failed"
	Errored Verdict = "errored"
)

// Proof says what a verdict rests on.
type Proof string

// The proofs. ProofData: checks and expected values never were where the
// answer ran. ProofInProcess: they were, behind a token and a negative
// control. ProofExitStatus: the program's exit status was believed.
const (
	ProofData       Proof = "data"
	ProofInProcess  Proof = "in_process"
	ProofExitStatus Proof = "exit_status"
)

// Key names an attempt.
type Key struct {
	Dataset string `json:"dataset"`
	Subset  string `json:"subset"`
	// TaskID is the task's name as the dataset writes it.
	TaskID string `json:"task_id"`
	// Attempt counts a task's answers from 0.
	Attempt int `json:"attempt"`
}

// Attempt is one answer to one task, and a line of attempts.jsonl.
type Attempt struct {
	Key
	Verdict Verdict `json:"verdict"`
	// Reason says in a few words why it did not pass, "" when it did.
	Reason string `json:"reason"`
	Proof  Proof  `json:"proof"`
	// Status is the answer's own run's, "" when it never ran.
	Status    cupel.Status      `json:"status"`
	LimitsHit []cupel.LimitName `json:"limits_hit"`
	Language  string            `json:"language"`
	// Stdout and Stderr are the answer's output, cut to OutputKept bytes
	// each, invalid UTF-8 replaced.
	Stdout          string `json:"stdout"`
	Stderr          string `json:"stderr"`
	StdoutTruncated bool   `json:"stdout_truncated,omitempty"`
	StderrTruncated bool   `json:"stderr_truncated,omitempty"`
	Usage           Usage  `json:"usage"`
	// CompletionSHA256 is of the answer's UTF-8 text as the model gave it.
	CompletionSHA256 string    `json:"completion_sha256"`
	Tries            int       `json:"tries,omitempty"`
	Started          time.Time `json:"started"`
	Finished         time.Time `json:"finished"`
}

// OutputKept is how many bytes of each stream an Attempt keeps.
const OutputKept = 16 << 10

// Usage is what an answer's run used.
type Usage struct {
	WallMS          float64 `json:"wall_ms"`
	CPUUserMS       float64 `json:"cpu_user_ms"`
	CPUSysMS        float64 `json:"cpu_sys_ms"`
	MemoryPeakBytes int64   `json:"memory_peak_bytes"`
	ProcessesPeak   int     `json:"processes_peak"`
}

// UsageOf converts an engine's usage.
func UsageOf(u cupel.Usage) Usage {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return Usage{
		WallMS: ms(u.Wall), CPUUserMS: ms(u.CPUUser), CPUSysMS: ms(u.CPUSys),
		MemoryPeakBytes: int64(u.MemoryPeak), ProcessesPeak: u.ProcessesPeak,
	}
}
