package judge

import (
	"fmt"

	"cupel.dev/cupel"
)

// Reason says in a few words how a run ended that didn't go well, "" if it
// did.
func Reason(r cupel.Result) string {
	switch r.Status {
	case cupel.StatusOK:
		return ""
	case cupel.StatusNonzero:
		return fmt.Sprintf("exit status %d", r.ExitCode)
	case cupel.StatusSignaled:
		return "killed by " + r.Signal
	case cupel.StatusTimeLimit, cupel.StatusCPULimit:
		return "time limit"
	case cupel.StatusMemoryLimit:
		return "memory limit"
	case cupel.StatusOutputLimit:
		return "output limit"
	case cupel.StatusDiskLimit:
		return "disk limit"
	case cupel.StatusProcessLimit:
		return "process limit"
	case cupel.StatusCompileError:
		return "compile error"
	}
	return string(r.Status)
}
