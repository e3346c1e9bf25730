package tool

import (
	"encoding/json"

	"cupel.dev/cupel/internal/wire/enclave"
)

// The tools' names, descriptions and parameters are the protocol's own words:
// clients hand them to models as they are.

const (
	fileTool     = "file_operation"
	multiTool    = "multi_code_executor"
	notebookTool = "notebook_executor"
	pythonTool   = "python_executor"
	shellTool    = "shell_executor"
)

const (
	fileAbout     = "Perform file operations like read, write, delete, and list files"
	multiAbout    = "Execute code in various languages (" + multiLanguages + ") with runtime tuning"
	notebookAbout = "Execute Python code in a Jupyter kernel environment"
	pythonAbout   = "Execute Python code in an isolated environment using IPython"
	shellAbout    = "Execute shell commands in an isolated environment"

	multiLanguages = "python, cpp, csharp, go, java, nodejs, ts, rust, php, bash, pytest, jest, go_test, lua, r, " +
		"perl, d_ut, ruby, scala, julia, kotlin_script, verilog, lean, swift, racket"
)

const timeoutParameter = `"timeout": {"type": "integer", "description": "Execution timeout in seconds", "default": 30}`

const fileParameters = `{"type": "object", "properties": {
	"operation": {"type": "string", "description": "Type of file operation to perform",
		"enum": ["create", "read", "write", "delete", "list", "exists"]},
	"file_path": {"type": "string", "description": "Path to the file or directory"},
	"content": {"type": "string", "description": "Content to write to file (only for write operation)"},
	"encoding": {"type": "string", "description": "File encoding", "default": "utf-8"}},
	"required": ["operation", "file_path"], "additionalProperties": false}`

const multiParameters = `{"type": "object", "properties": {
	"language": {"type": "string", "description": "Language to execute (` + multiLanguages + `)"},
	"code": {"type": "string", "description": "Source code to execute"},
	"files": {"type": "object",
		"description": "Optional additional files to write before execution (filename -> content)",
		"additionalProperties": {"type": "string"}},
	"compile_timeout": {"type": "integer",
		"description": "Compile timeout in seconds (omit to disable compilation timeout)"},
	"run_timeout": {"type": "integer", "description": "Run timeout in seconds", "default": 30}},
	"required": ["language", "code"], "additionalProperties": false}`

const notebookParameters = `{"type": "object", "properties": {
	"code": {"type": "string", "description": "Python code to execute in the notebook kernel"},
	` + timeoutParameter + `}, "required": ["code"], "additionalProperties": false}`

const pythonParameters = `{"type": "object", "properties": {
	"code": {"type": "string", "description": "Python code to execute"},
	` + timeoutParameter + `}, "required": ["code"], "additionalProperties": false}`

const shellParameters = `{"type": "object", "properties": {
	"command": {"anyOf": [
		{"type": "string", "description": "Shell command to execute"},
		{"type": "array", "description": "List of shell command arguments to execute", "items": {"type": "string"}}]},
	` + timeoutParameter + `}, "required": ["command"], "additionalProperties": false}`

func schema(name, about, parameters string) enclave.ToolSchema {
	return enclave.ToolSchema{Type: "function", Function: enclave.ToolFunction{
		Name: name, Description: about, Parameters: json.RawMessage(parameters),
	}}
}
