package dataset

import (
	"time"

	"cupel.dev/cupel"
)

// Sample is one task.
type Sample struct {
	// Dataset and Subset name where it comes from; Subset is EvalScope's.
	Dataset, Subset string
	// TaskID is the task's name as the dataset writes it, a number as its
	// digits.
	TaskID string
	// Language is a name of package lang.
	Language string
	// Prompt is the task's text; for HumanEval the code to be completed.
	Prompt string
	// Canonical is the dataset's own answer, "" if it has none.
	Canonical string
	// CPULimit bounds the answer's CPU time and WallLimit its wall time.
	CPULimit, WallLimit time.Duration
	// Limits are the sample's other limits, where it has any.
	Limits cupel.Limits
	// Python is the test of a Python function, nil when Cases judge.
	Python *PythonTest
	// Cases are inputs and the output that is right for each.
	Cases []Case
	// Answers are ready answers of known worth. Only the bundled set has any.
	Answers []Answer
}

// Form is how a Python test is written.
type Form string

// FormCheck is a test that defines check(candidate) and is called with the
// entry point (HumanEval). FormAsserts is a list of statements on the answer's
// names (MBPP).
const (
	FormCheck   Form = "check"
	FormAsserts Form = "asserts"
)

// PythonTest is the dataset's own test, unmodified.
type PythonTest struct {
	Form Form
	// EntryPoint is the function under test, "" for FormAsserts.
	EntryPoint string
	// Preamble is what the prompt defines before the entry point: imports
	// and helpers that answers and tests may count on.
	Preamble string
	// Imports are statements that the test needs first (sanitized MBPP).
	Imports string
	// Setup comes after the program and before the test (MBPP 367, 927).
	Setup string
	// Test is the test's text, its statements joined by newlines.
	Test string
}

// Case is one run of a program: its input and its right output, which are
// compared with trailing white space of each line and of the whole ignored.
// Want never enters a sandbox.
type Case struct {
	Stdin string   `json:"stdin"`
	Args  []string `json:"args,omitempty"`
	Want  string   `json:"stdout"`
}

// Answer is an answer whose worth is known.
type Answer struct {
	// Kind names what it does: "right", "wrong", "loop", "sleep", "crash",
	// "flood", "memory", "forkbomb", "disk", "cheat", …
	Kind string
	// Name tells answers of one kind apart.
	Name string
	Text string
	// Passes says what the verdict has to be.
	Passes bool
	// Reasons are the acceptable ones, as prefixes; any if empty.
	Reasons []string
}

// setTime gives the sample its limits: cpu is the dataset's own and the wall
// limit is three times that, at least ten seconds.
func (s *Sample) setTime(cpu time.Duration) {
	s.CPULimit = cpu
	s.WallLimit = max(3*cpu, 10*time.Second)
}
