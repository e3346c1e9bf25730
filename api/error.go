package api

import (
	"errors"

	"cupel.dev/cupel"
)

// Error is the body of every response that is not 2xx, and the data of a
// stream's error event.
type Error struct {
	Error Failure `json:"error"`
	// Result is what was seen of a program until it was cancelled.
	Result *Result `json:"result,omitempty"`
}

// Failure says what went wrong.
type Failure struct {
	Kind    cupel.Kind `json:"kind"`
	Message string     `json:"message"`
	// Hint says what to do next, or is "".
	Hint string `json:"hint"`
}

// NewError describes err, which is not nil.
func NewError(err error) *Error {
	return &Error{Error: Failure{Kind: cupel.KindOf(err), Message: err.Error(), Hint: cupel.HintOf(err)}}
}

// Cupel returns the failure as the error that it was.
func (f Failure) Cupel() *cupel.Error {
	return &cupel.Error{Kind: f.Kind, Hint: f.Hint, Err: errors.New(f.Message)}
}
