package cupel

import (
	"errors"
	"fmt"
)

// Kind is the kind of an Error: what a caller can do about it.
type Kind string

// The kinds. Invalid and Unsupported are the request's; NotFound and Exists
// are about what it names; Unavailable and Exhausted may pass if tried again;
// Closed and Canceled are the caller's own doing; Internal is a bug or a
// broken machine.
const (
	Invalid     Kind = "invalid"
	NotFound    Kind = "not_found"
	Exists      Kind = "exists"
	Unavailable Kind = "unavailable"
	Unsupported Kind = "unsupported"
	Exhausted   Kind = "exhausted"
	Closed      Kind = "closed"
	Canceled    Kind = "canceled"
	Internal    Kind = "internal"
)

// Error is a failure of the machine or of the request, never of the program
// that was run.
type Error struct {
	Kind Kind
	// Op is the operation that failed, lower case: "mount proc".
	Op string
	// Hint says what to do next, or is "".
	Hint string
	// Err is the cause, or nil.
	Err error
}

// Error writes "op: cause".
func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.Op
	case e.Op == "":
		return e.Err.Error()
	}
	return e.Op + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error of the given kind. The operation comes first; %w keeps
// a cause.
func Errorf(kind Kind, op, format string, args ...any) *Error {
	return &Error{Kind: kind, Op: op, Err: fmt.Errorf(format, args...)}
}

// WithHint returns e with the hint set.
func (e *Error) WithHint(format string, args ...any) *Error {
	out := *e
	out.Hint = fmt.Sprintf(format, args...)
	return &out
}

// Invalidf is the error for a bad value: it names the field, the value and the
// fix.
func Invalidf(field, value, fix string) *Error {
	return &Error{Kind: Invalid, Err: fmt.Errorf("%s %q is not valid: %s", field, shorten(value), fix)}
}

// KindOf returns the kind of the first Error in err's chain, "" for nil and
// Internal for any other error.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// HintOf returns the first hint in err's chain, or "".
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}

// Retryable reports whether the same request may succeed later.
func Retryable(err error) bool {
	k := KindOf(err)
	return k == Unavailable || k == Exhausted
}

func shorten(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}
