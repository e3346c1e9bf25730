// Command cupel judges model-written code in a sandbox of its own: one static
// binary, no daemon, no root.
//
// Each verb is a file: its flags, one call of a function runX(ctx, options)
// error, and what it prints. Exit statuses are chosen here and nowhere else;
// they are a contract with scripts.
package main

import (
	"context"
	"errors"
	"os"

	"cupel.dev/cupel"
)

func main() {
	ctx, stop := untilSignal(context.Background())
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	verb, err := a.execute(ctx, os.Args[1:])
	stop()
	os.Exit(exitStatus(verb, err))
}

// The exit statuses. What cupel run passes through is in programStatus.
const (
	statusNotHeld   = 1   // done, and what was asked about does not hold
	statusRefused   = 2   // the command or its input is wrong; nothing was started
	statusFailed    = 3   // the machine, an engine, a server or a model failed
	statusRunFailed = 125 // any failure of cupel run's own
	statusSignal    = 128 // plus the signal that interrupted cupel
)

// exitStatus is cupel's own exit status after verb ended with err.
func exitStatus(verb string, err error) int {
	var program programEnded
	var signal interrupted
	var refusal refused
	switch {
	case err == nil:
		return 0
	case errors.As(err, &program):
		return programStatus(program.result)
	case errors.As(err, &signal):
		return statusSignal + int(signal)
	case verb == "run":
		return statusRunFailed
	case errors.Is(err, errNotHeld):
		return statusNotHeld
	case errors.As(err, &refusal):
		return statusRefused
	}
	switch cupel.KindOf(err) {
	case cupel.Invalid, cupel.NotFound, cupel.Exists:
		return statusRefused
	}
	return statusFailed
}
