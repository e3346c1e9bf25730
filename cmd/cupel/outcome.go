package main

import (
	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
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
		return statusSignal + cupel.SignalNumber(res.Signal)
	case cupel.StatusTimeLimit, cupel.StatusCPULimit:
		return statusTimeLimit
	case cupel.StatusMemoryLimit:
		return statusMemoryLimit
	case cupel.StatusCompileError:
		return statusCompileError
	}
	return statusOtherLimit
}

// outcomeJSON describes a run as cupel run --json prints it.
func outcomeJSON(out lang.Outcome, engine string, is cupel.Isolation, stdout, stderr []byte) *api.Result {
	doc := api.NewResult(out.Result, engine, is, stdout, stderr)
	if out.Compile != nil {
		doc.SetCompile(api.NewResult(*out.Compile, engine, is, out.CompileStdout, out.CompileStderr))
	}
	return doc
}
