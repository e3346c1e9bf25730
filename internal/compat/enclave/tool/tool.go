package tool

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/wire/enclave"
)

// Tool is one of the protocol's tools.
type Tool struct {
	Name string
	// Types are the sandbox types that the tool asks for; see Fits.
	Types []enclave.SandboxType
	// Schema is what the protocol tells of the tool.
	Schema enclave.ToolSchema

	run func(context.Context, Place, map[string]json.RawMessage) (Outcome, error)
}

// Place is where a tool runs.
type Place struct {
	Sandbox cupel.Sandbox
	// Dir is where programs start and what relative paths are relative to.
	// Default: the sandbox's own.
	Dir string
	// MaxTime bounds every timeout that a caller may ask for, and is the
	// timeout of who asks for none. Zero leaves it to the sandbox's limit.
	MaxTime time.Duration
	// Limits are each program's. Time is set by the tools.
	Limits cupel.Limits
	// Python is the interpreter's name inside the sandbox. Default "python".
	Python string
	// Kernel is what notebook_executor talks to; no other tool needs it.
	Kernel *Kernel
}

// Outcome is what a tool's execution came to.
type Outcome struct {
	// Result is what the caller is told.
	Result enclave.ToolResult
	// Run is what the program did, or the last one that ran; its Status is ""
	// when none was started.
	Run cupel.Result
	// Code is what was run as the caller wrote it, for the audit line.
	Code []byte
}

// tools is the closed set, in the order in which the protocol lists them.
var tools = []Tool{
	{Name: fileTool, Types: containers, Schema: schema(fileTool, fileAbout, fileParameters), run: file},
	{Name: multiTool, Types: runners, Schema: schema(multiTool, multiAbout, multiParameters), run: multi},
	{Name: notebookTool, Types: notebooks, Schema: schema(notebookTool, notebookAbout, notebookParameters), run: notebook},
	{Name: pythonTool, Types: runners, Schema: schema(pythonTool, pythonAbout, pythonParameters), run: python},
	{Name: shellTool, Types: runners, Schema: schema(shellTool, shellAbout, shellParameters), run: shell},
}

var (
	containers = []enclave.SandboxType{enclave.TypeDocker}
	runners    = []enclave.SandboxType{enclave.TypeDocker, enclave.TypeVolcengine}
	notebooks  = []enclave.SandboxType{enclave.TypeDockerNotebook}
)

// Lookup finds a tool by its name.
func Lookup(name string) (Tool, bool) {
	for _, t := range tools {
		if t.Name == name {
			return t, true
		}
	}
	return Tool{}, false
}

// Names returns the tools' names, sorted.
func Names() []string {
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = t.Name
	}
	return names
}

// Fits reports whether a sandbox of the given type may have the tool: one of
// Types, or docker_notebook where docker is asked for.
func (t Tool) Fits(sandbox enclave.SandboxType) bool {
	return slices.Contains(t.Types, sandbox) ||
		sandbox == enclave.TypeDockerNotebook && slices.Contains(t.Types, enclave.TypeDocker)
}

// Execute runs the tool. What the program did, bad or good, is an Outcome. The
// error is of kind Invalid when a parameter can't be used; all other kinds are
// failures of the machine, or of ctx, and say nothing about the program.
func (t Tool) Execute(ctx context.Context, p Place, params map[string]json.RawMessage) (Outcome, error) {
	return t.run(ctx, p, params)
}
