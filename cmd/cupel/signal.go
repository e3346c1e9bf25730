package main

import (
	"context"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"cupel.dev/cupel"
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

// signalName is "SIGTERM" for 15.
func signalName(n int) string {
	if name := cupel.SignalName(n); name != "" {
		return name
	}
	return "signal " + strconv.Itoa(n)
}
