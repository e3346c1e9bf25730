package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"syscall"

	"golang.org/x/term"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
	"cupel.dev/cupel/engines"
)

// app is what verbs share: where they read and write, and whether the answer
// is for a script.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	// json is set by --json: one document on stdout and nothing else there.
	json bool
	// parsed says that the flags were understood, json among them.
	parsed bool
}

// resolveEngine and openEngine are package engines', but in tests.
var (
	resolveEngine = engines.Resolve
	openEngine    = engines.Open
)

// errNotHeld ends a verb that did its work and found that what it was asked
// about does not hold. What there is to say is printed by then.
var errNotHeld = errors.New("what was asked about does not hold")

// refused is an error found before anything was started.
type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

// execute runs the command line args and prints the error, if there is one to
// print. It returns the verb's name.
func (a *app) execute(ctx context.Context, args []string) (verb string, err error) {
	root := newRoot(a)
	root.SetArgs(spreadLists(args))
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return cmd.Name(), nil
	}
	if cause := context.Cause(ctx); cupel.KindOf(err) == cupel.Canceled && cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w; %w", cause, err)
	}
	if errors.Is(err, syscall.EPIPE) {
		err = brokenPipe
	}
	var program programEnded
	if !errors.As(err, &program) && !errors.Is(err, errNotHeld) && !errors.Is(err, brokenPipe) {
		a.printError(err, a.json || !a.parsed && asksForJSON(args))
	}
	return cmd.Name(), err
}

// asksForJSON finds --json where parsing stopped at an error before it.
func asksForJSON(args []string) bool {
	if i := slices.Index(args, "--"); i >= 0 {
		args = args[:i]
	}
	return slices.Contains(args, "--json")
}

// errorJSON is cupel's own failure.
type errorJSON struct {
	Error struct {
		Kind    cupel.Kind `json:"kind"`
		Message string     `json:"message"`
		Hint    string     `json:"hint"`
	} `json:"error"`
	// Result is what was seen of a program until cupel run was interrupted.
	Result *api.Result `json:"result,omitempty"`
}

func (a *app) printError(err error, asJSON bool) {
	hint := cupel.HintOf(err)
	if !asJSON {
		_, _ = fmt.Fprintf(a.stderr, "cupel: %v\n", err)
		if hint != "" {
			_, _ = fmt.Fprintf(a.stderr, "  hint: %s\n", hint)
		}
		return
	}
	var doc errorJSON
	doc.Error.Kind, doc.Error.Message, doc.Error.Hint = cupel.KindOf(err), err.Error(), hint
	if part, ok := errors.AsType[partial](err); ok {
		doc.Result = part.result
	}
	_ = a.printJSON(doc)
}

// printJSON writes one document on one line.
func (a *app) printJSON(doc any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return cupel.Errorf(cupel.Internal, "write stdout", "%w", err)
	}
	return nil
}

// notef tells the user something on stderr.
func (a *app) notef(format string, args ...any) {
	_, _ = fmt.Fprintf(a.stderr, "cupel: "+format+"\n", args...)
}

// isTerminal reports whether w is a terminal that understands more than lines.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// colors reports whether w is to be coloured: see https://no-color.org.
func colors(w io.Writer) bool { return os.Getenv("NO_COLOR") == "" && isTerminal(w) }
