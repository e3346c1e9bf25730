package tool

import (
	"strconv"
	"strings"
)

// signals are Linux's on the architectures we run on, by number; a name of
// this process's own system would be wrong where that isn't Linux.
var signals = []string{
	1: "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1",
	"SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",
	"SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
}

// signalNumber is the number of "SIGSEGV" or "SIGRTMIN+1", 0 for what is none.
func signalNumber(name string) int {
	for n, s := range signals {
		if s == name && s != "" {
			return n
		}
	}
	const realTime = 34 // as C libraries count
	if rest, ok := strings.CutPrefix(name, "SIGRTMIN"); ok {
		n, _ := strconv.Atoi(rest)
		return realTime + n
	}
	return 0
}
