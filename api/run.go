package api

import (
	"encoding/json"
	"unicode/utf8"

	"cupel.dev/cupel"
)

// RunRequest asks for one program to be run in a sandbox of its own: POST
// /v1/run, whose answer is a [Result] or a stream of events.
//
// It is a program of a language (Language and Source) or a command (Args
// alone). The sandbox is lent by a pool that is shared by all runs of the same
// Image, Network, Isolation and Dir, and is reset and checked between two of
// them; Fresh asks for one that nobody had.
type RunRequest struct {
	// Language is a language's name or alias; see GET /v1/languages.
	Language string `json:"language,omitempty"`
	// Source is the program's text, or SourceBase64 its bytes; not both. An
	// empty program is a program: what it does is its verdict.
	Source       string `json:"source,omitempty"`
	SourceBase64 []byte `json:"source_base64,omitempty"`
	// Args are the program's arguments; without Language, the command.
	Args []string `json:"args,omitempty"`
	// Files are written into Dir before the start. Names are relative, with
	// "/".
	Files map[string]File `json:"files,omitempty"`
	// Stdin is what the program reads, as text or bytes; not both.
	Stdin       string `json:"stdin,omitempty"`
	StdinBase64 []byte `json:"stdin_base64,omitempty"`
	// Env is added to the sandbox's environment.
	Env map[string]string `json:"env,omitempty"`
	// Limits bound the program; what is unset is the default of the command
	// line, or the server's bound where that is lower.
	Limits Limits `json:"limits,omitzero"`
	// CompileTime is the compile step's wall and CPU time. Default 30s.
	CompileTime Duration `json:"compile_time,omitempty"`
	// Image is "host" (the default) or a name that the operator maps.
	Image string `json:"image,omitempty"`
	// Network is "none" (the default) or "host".
	Network cupel.Network `json:"network,omitempty"`
	// Isolation is the weakest isolation to accept: "strict", "standard"
	// (the default) or "any".
	Isolation cupel.IsolationLevel `json:"isolation,omitempty"`
	// Dir is the private, writable directory to start in. Default "/work".
	Dir string `json:"dir,omitempty"`
	// Fresh asks for a sandbox that is made for this run and removed after.
	Fresh bool `json:"fresh,omitempty"`
}

// File is a file's content. In JSON it is a text, or {"base64": "…"} for
// bytes that are no UTF-8.
type File []byte

// MarshalJSON writes text where that loses nothing.
func (f File) MarshalJSON() ([]byte, error) {
	if utf8.Valid(f) {
		return json.Marshal(string(f))
	}
	return json.Marshal(map[string][]byte{"base64": f})
}

// UnmarshalJSON reads both forms.
func (f *File) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		var text string
		err := json.Unmarshal(raw, &text)
		*f = File(text)
		return err
	}
	var form map[string][]byte
	if err := json.Unmarshal(raw, &form); err != nil || len(form) != 1 || form["base64"] == nil {
		return &ValueError{Value: string(raw), Fix: `write a file as a text, or as {"base64": "…"}`}
	}
	*f = form["base64"]
	return nil
}
