package judge

import (
	"fmt"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness/grade"
)

// Reason says in a few words how a run ended that didn't go well, "" if it
// did.
func Reason(r cupel.Result) string {
	if reason := grade.LimitReason(r.Status); reason != "" {
		return reason
	}
	switch r.Status {
	case cupel.StatusOK:
		return ""
	case cupel.StatusNonzero:
		return fmt.Sprintf("exit status %d", r.ExitCode)
	case cupel.StatusSignaled:
		return "killed by " + r.Signal
	case cupel.StatusCompileError:
		return "compile error"
	}
	return string(r.Status)
}
