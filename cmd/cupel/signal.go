package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// interrupted is the error of a verb that a signal to cupel ended early.
type interrupted syscall.Signal

func (i interrupted) Error() string { return "interrupted by " + signalName(int(i)) }

// deaf is how long further signals are ignored after the first: timeout(1) and
// others send theirs twice, to the process and to its group.
const deaf = time.Second

// untilSignal returns a context that the first signal ends, its cause an
// interrupted. A later one ends cupel at once, as if there were no handler.
// Signals that the parent has us ignore, as nohup does, stay ignored.
func untilSignal(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	// A handler, not SIG_IGN, which programs would inherit: writing to a pipe
	// that nobody reads is an error of that Write and nothing more.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	go func() {
		select {
		case s := <-signals:
			cancel(interrupted(s.(syscall.Signal)))
			time.Sleep(deaf)
			signal.Stop(signals)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

// signalNames are Linux's signals by number, as on every architecture that
// cupel runs on.
var signalNames = [...]string{
	1: "SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE",
	"SIGKILL", "SIGUSR1", "SIGSEGV", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT",
	"SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGXCPU",
	"SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
}

// signalName is "SIGTERM" for 15.
func signalName(n int) string {
	if n > 0 && n < len(signalNames) {
		return signalNames[n]
	}
	return "signal " + strconv.Itoa(n)
}

// signalNumber reads what engines write in Result.Signal: a name, or for a
// real-time signal "SIG" or "SIGRTMIN+" and a number. It is 0 for anything
// else.
func signalNumber(name string) int {
	if n := slices.Index(signalNames[1:], name); n >= 0 {
		return n + 1
	}
	const rtmin = 34
	if digits, ok := strings.CutPrefix(name, "SIGRTMIN+"); ok {
		if n, err := strconv.Atoi(digits); err == nil {
			return rtmin + n
		}
	}
	n, err := strconv.Atoi(strings.TrimPrefix(name, "SIG"))
	if err != nil {
		return 0
	}
	return n
}
