package cupel

import (
	"slices"
	"strconv"
	"strings"
)

// signalNames are Linux's signals by number, as on every architecture that
// cupel runs on; this process's own system may number them otherwise.
var signalNames = [...]string{
	1: "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE",
	"SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT",
	"SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU",
	"SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
}

// SignalName is "SIGTERM" for 15, and "" for a number without a name of its
// own.
func SignalName(n int) string {
	if n > 0 && n < len(signalNames) {
		return signalNames[n]
	}
	return ""
}

// SignalNumber reads what engines write in Result.Signal: a name, or for a
// real-time signal "SIG" or "SIGRTMIN+" and a number. It is 0 for anything
// else.
func SignalNumber(name string) int {
	if n := slices.Index(signalNames[1:], name); n >= 0 {
		return n + 1
	}
	const rtmin = 34 // as C libraries count
	if digits, ok := strings.CutPrefix(name, "SIGRTMIN"); ok {
		n, err := strconv.Atoi(digits)
		if err == nil || digits == "" {
			return rtmin + n
		}
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "SIG"))
	if err != nil {
		return 0
	}
	return n
}
