package api

import "unicode/utf8"

// The events of a stream, in the form of server-sent events (text/event-stream):
// any number of stdout and stderr, then one result or error, which is the last.
// Between them lines that begin with a colon come when nothing else does; they
// mean nothing.
const (
	// EventStdout and EventStderr carry a Chunk.
	EventStdout = "stdout"
	EventStderr = "stderr"
	// EventResult carries a Result whose stdout and stderr are "": they came
	// before.
	EventResult = "result"
	// EventError carries an Error: the machine failed after the stream began.
	EventError = "error"
)

// Chunk is a piece of output. Exactly one of the two is there.
type Chunk struct {
	// Data is text; a piece never ends inside a character.
	Data string `json:"data,omitempty"`
	// Base64 is what is no UTF-8.
	Base64 []byte `json:"base64,omitempty"`
}

// NewChunk puts output, which is not empty, in its best form.
func NewChunk(b []byte) Chunk {
	if utf8.Valid(b) {
		return Chunk{Data: string(b)}
	}
	return Chunk{Base64: b}
}

// Bytes returns the output.
func (c Chunk) Bytes() []byte {
	if c.Base64 != nil {
		return c.Base64
	}
	return []byte(c.Data)
}
