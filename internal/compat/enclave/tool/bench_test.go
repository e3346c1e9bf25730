package tool

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"testing"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/wire/enclave"
)

// BenchmarkPythonExecutor is the protocol's hot path; what it costs over
// BenchmarkPlainExec is the tool's own.
func BenchmarkPythonExecutor(b *testing.B) {
	p := place(b, cupel.Spec{})
	p.Python = "true" // so that the interpreter's start doesn't drown the rest
	in := map[string]json.RawMessage{"code": json.RawMessage(`"print(1)\n"`), "timeout": json.RawMessage("10")}
	tool, _ := Lookup(pythonTool)
	b.ReportAllocs()
	for b.Loop() {
		if out, err := tool.Execute(b.Context(), p, in); err != nil || out.Result.Status != enclave.Success {
			b.Fatal(out, err)
		}
	}
}

func BenchmarkPlainExec(b *testing.B) {
	p := place(b, cupel.Spec{})
	b.ReportAllocs()
	for b.Loop() {
		var stdout, stderr bytes.Buffer
		_, err := p.Sandbox.Exec(b.Context(), cupel.Cmd{Args: []string{"true", "/tmp/x"}, Stdout: &stdout, Stderr: &stderr, Limits: p.Limits})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkToolAlone is python_executor without a machine.
func BenchmarkToolAlone(b *testing.B) {
	p := Place{Sandbox: idleSandbox{}}
	in := map[string]json.RawMessage{"code": json.RawMessage(`"print(1)\n"`), "timeout": json.RawMessage("10")}
	tool, _ := Lookup(pythonTool)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tool.Execute(b.Context(), p, in); err != nil {
			b.Fatal(err)
		}
	}
}

// idleSandbox does nothing, well.
type idleSandbox struct{ cupel.Sandbox }

func (idleSandbox) Exec(context.Context, cupel.Cmd) (cupel.Result, error) {
	return cupel.Result{Status: cupel.StatusOK}, nil
}

func (idleSandbox) Put(context.Context, string, io.Reader) error { return nil }

// BenchmarkPython is the whole of it, interpreter included.
func BenchmarkPython(b *testing.B) {
	p := place(b, cupel.Spec{})
	for b.Loop() {
		call(b, p, pythonTool, "code", "print(1)")
	}
}

func BenchmarkNotebookCell(b *testing.B) {
	p := withKernel(b, cupel.Spec{}, KernelConfig{})
	b.ReportAllocs()
	for b.Loop() {
		run(b, p, "1 + 1")
	}
}
