package tool

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/wire/enclave"
)

func TestPythonExecutor(t *testing.T) {
	p := place(t, cupel.Spec{Limits: cupel.Limits{Memory: 256 * cupel.MiB}})
	tests := []struct {
		name, code    string
		timeout       any
		status        enclave.ExecutionStatus
		output, error string
		run           cupel.Status
	}{
		{"output", "print('hi')", 10, enclave.Success, "hi\n", null, cupel.StatusOK},
		{"warning", "import sys\nprint('a')\nsys.stderr.write('b')", 10, enclave.Success, "a\n", "b", cupel.StatusOK},
		{"raises", "print('a')\n1/0", 10, enclave.Error, "a\n", "~ZeroDivisionError: division by zero", cupel.StatusNonzero},
		{"exits", "import sys\nsys.exit(3)", 10, enclave.Error, "", null, cupel.StatusNonzero},
		{"signal", "import os\nos.kill(os.getpid(), 11)", 10, enclave.Error, "", null, cupel.StatusSignaled},
		{"loops", "print('a', flush=True)\nwhile True: pass", 1, enclave.Timeout, "a\n", "Command timed out after 1 seconds", cupel.StatusTimeLimit},
		{"loops, as a float", "while True: pass", json.RawMessage("1.0"), enclave.Timeout, "", "Command timed out after 1.0 seconds", cupel.StatusTimeLimit},
		{"loops and complains", "import sys\nprint('b', file=sys.stderr, flush=True)\nwhile True: pass", 1, enclave.Timeout, "", "b\n", cupel.StatusTimeLimit},
		{"memory", "a = []\nwhile True: a.append(bytes(1 << 20))", 30, enclave.Error, "", "", cupel.StatusMemoryLimit},
		{"blank", " \n\t\x1c", 10, enclave.Error, "", "No code provided", ""},
		{"not UTF-8", "import os\nos.write(1, b'a\\xe2\\x82b\\xff\\xf0\\x90c')", 10, enclave.Success, "a�b��c", null, cupel.StatusOK},
		{"knows its file", "import sys\nprint(__file__ == sys.argv[0], __file__[:17], len(__file__))", nil, enclave.Success, "True /tmp/exec_script_ 52\n", null, cupel.StatusOK},
		{"works in the directory", "import os\nprint(os.getcwd())", 0, enclave.Success, "/work\n", null, cupel.StatusOK},
		{"surrogate", "", 10, enclave.Error, "", `Execution failed: 'utf-8' codec can't encode character '\ud800' in position 7: surrogates not allowed`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, _ := json.Marshal(tt.code)
			if tt.name == "surrogate" {
				code = []byte(`"print('\ud800')"`)
			}
			out := call(t, p, pythonTool, "code", json.RawMessage(code), "timeout", tt.timeout)
			if tt.name == "memory" {
				if out.Result.Error == nil || *out.Result.Error == "" { // its MemoryError, or our word
					t.Error("a program out of memory says nothing")
				}
				tt.error = *out.Result.Error
			}
			want(t, out, tt.status, tt.output, tt.error)
			if out.Run.Status != tt.run {
				t.Errorf("run %+v, want %s", out.Run, tt.run)
			}
			if tt.code != "" && string(out.Code) != tt.code {
				t.Errorf("audited %q", out.Code)
			}
		})
	}
}

func TestShellExecutor(t *testing.T) {
	p := place(t, cupel.Spec{Env: map[string]string{"MINE": "x"}})
	long := "echo " + strings.Repeat("a", 200<<10)
	tests := []struct {
		name          string
		command       any
		timeout       any
		status        enclave.ExecutionStatus
		output, error string
	}{
		{"line", "echo $MINE | tr x y; pwd", 5, enclave.Success, "y\n/work\n", null},
		{"list", []string{"echo", "$MINE", "a b"}, 5, enclave.Success, "$MINE a b\n", null},
		{"warning", "echo a >&2", 5, enclave.Success, "", "a\n"},
		{"exit", "echo a; exit 3", 5, enclave.Error, "a\n", "Command failed with exit code 3"},
		{"exit and word", "echo a >&2; exit 3", 5, enclave.Error, "", "a\n"},
		{"signal", "kill -SEGV $$", 5, enclave.Error, "", "Command failed with exit code 139"},
		{"not found", []string{"nope-nope"}, 5, enclave.Error, "", "Command failed with exit code 127"},
		{"not found in a shell", "nope-nope", 5, enclave.Error, "", "~not found"},
		{"late", "echo a; sleep 60", 1, enclave.Timeout, "a\n", "Command timed out after 1 seconds"},
		{"late, in a child", "sleep 60 & echo a; wait", json.RawMessage("0.5"), enclave.Timeout, "a\n", "Command timed out after 0.5 seconds"},
		{"no list", []string{}, 5, enclave.Error, "", "No command provided"},
		{"no line", "  ", 5, enclave.Error, "", "No command provided"},
		{"long", long, 5, enclave.Success, strings.Repeat("a", 200<<10) + "\n", null},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out := call(t, p, shellTool, "command", tt.command, "timeout", tt.timeout)
			want(t, out, tt.status, tt.output, tt.error)
		})
	}
}

// A program that memory ends is reported as its shell would: killed.
func TestShellMemory(t *testing.T) {
	p := place(t, cupel.Spec{Limits: cupel.Limits{Memory: 64 * cupel.MiB}})
	out := call(t, p, shellTool, "command", []string{p.Python, "-c", "import os\nb = bytearray(1)\nwhile True: b *= 2"})
	if out.Run.Status != cupel.StatusMemoryLimit || out.Result.Status != enclave.Error {
		t.Fatalf("%+v", out)
	}
	if r := (ran{Result: cupel.Result{Status: cupel.StatusMemoryLimit, ExitCode: -1}}); r.exitCode() != 137 {
		t.Errorf("exit code %d", r.exitCode())
	}
}

// What the machine fails to do is an error, and so is a caller that left.
func TestFailuresOfTheMachine(t *testing.T) {
	p := place(t, cupel.Spec{})
	for _, name := range []string{pythonTool, shellTool, multiTool, fileTool} {
		tool, _ := Lookup(name)
		in := map[string]map[string]json.RawMessage{
			pythonTool: args(t, "code", "print(1)"),
			shellTool:  args(t, "command", "echo 1"),
			multiTool:  args(t, "language", "bash", "code", "echo 1"),
			fileTool:   args(t, "operation", "write", "file_path", "x", "content", ""),
		}[name]
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := tool.Execute(ctx, p, in); cupel.KindOf(err) != cupel.Canceled {
			t.Errorf("%s for a caller that left: %v", name, err)
		}
	}
	if err := p.Sandbox.Close(); err != nil {
		t.Fatal(err)
	}
	tool, _ := Lookup(pythonTool)
	if _, err := tool.Execute(t.Context(), p, args(t, "code", "1")); cupel.KindOf(err) != cupel.Closed {
		t.Errorf("in a closed sandbox: %v", err)
	}
}

func TestMultiCodeExecutor(t *testing.T) {
	p := place(t, cupel.Spec{Limits: cupel.Limits{Memory: cupel.GiB}})
	has := func(name string) bool {
		res, err := p.Sandbox.Exec(t.Context(), cupel.Cmd{Args: []string{"sh", "-lc", "command -v " + name}})
		return err == nil && res.Status == cupel.StatusOK
	}
	tests := []struct {
		name, needs, language, code string
		more                        []any
		status                      enclave.ExecutionStatus
		output, error               string
	}{
		{"python", "", "python", "import os\nprint(os.path.basename(__file__), os.getcwd()[:9], open('a').read())",
			[]any{"files", map[string]string{"x/../a": "A"}}, enclave.Success, "main.py /tmp/mce_ A\n", null},
		{"name is loose", "", " PYTHON ", "print(1)", nil, enclave.Success, "1\n", null},
		{"python fails", "", "python", "print(1)\n1/0", nil, enclave.Error, "1\n", "~ZeroDivisionError"},
		{"late", "", "bash", "echo a; sleep 60", []any{"run_timeout", 1}, enclave.Timeout, "a\n", "Command timed out after 1 seconds"},
		{"null means 30", "", "bash", "echo a", []any{"run_timeout", nil, "compile_timeout", nil, "files", nil}, enclave.Success, "a\n", null},
		{"0 means 30", "", "bash", "echo a", []any{"run_timeout", 0}, enclave.Success, "a\n", null},
		{"source wins over files", "", "bash", "cat main.sh", []any{"files", map[string]string{"main.sh": "no"}}, enclave.Success, "cat main.sh", null},
		{"long names", "", "bash", "ls | wc -c", []any{"files", map[string]string{strings.Repeat("a", 255): ""}}, enclave.Success, "264\n", null},
		{"c++", "g++", "cpp", "#include <iostream>\nint main() { std::cout << 42; }", nil, enclave.Success, "42", null},
		{"c++ has threads", "g++", "cpp", "#include <thread>\nint main() { std::thread t([]{}); t.join(); }", nil, enclave.Success, "", null},
		{"c++ does not compile", "g++", "cpp", "int main() { return x; }", nil, enclave.Error, "", "~error:"},
		{"c++ compiles for ever", "g++", "cpp", "template<int N, int M> struct A { static const unsigned long v = A<N-1,M>::v + A<N-1,M+1>::v; };\n" +
			"template<int M> struct A<0, M> { static const unsigned long v = M; };\nint main() { return A<800, 0>::v > 0; }", []any{"compile_timeout", 1}, enclave.Error, "", "Command timed out after 1 seconds"},
		{"missing", "!swiftc", "swift", "print(1)", nil, enclave.Error, "", "~not found"},
		{"perl", "perl", "perl", "print 6*7", nil, enclave.Success, "42", null},
		{"node", "node", "nodejs", "console.log(6*7)", nil, enclave.Success, "42\n", null},
		{"unknown", "", "Cobol", "x", nil, enclave.Error, "", "Unsupported language: Cobol"},
		{"scala without an object", "", "scala", "class A", nil, enclave.Error, "", "Object name not found."},
		{"blank", "", "python", " ", nil, enclave.Error, "", "Invalid input"},
		{"no language", "", "", "x", nil, enclave.Error, "", "Invalid input"},
		{"csharp is set up first", "!dotnet", "csharp", "x", nil, enclave.Error, "", "~not found"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if missing, ok := strings.CutPrefix(tt.needs, "!"); ok && has(missing) {
				t.Skipf("%s is there", missing)
			} else if !ok && tt.needs != "" && !has(tt.needs) {
				t.Skipf("%s is not there", tt.needs)
			}
			out := call(t, p, multiTool, append([]any{"language", tt.language, "code", tt.code}, tt.more...)...)
			want(t, out, tt.status, tt.output, tt.error)
		})
	}
}

// The libraries of images made for this protocol are on the class path, and a
// profile that sets PATH anew or leaves the directory does no harm.
func TestMultiCommands(t *testing.T) {
	p := place(t, cupel.Spec{})
	const setup = `cd ~
printf 'PATH=/nowhere; cd /; first=junk; IFS=/\n' >.profile
mkdir bin
printf '#!/bin/sh\necho ${0##*/} $* in ${PWD%%%%_*}\n' >bin/javac
chmod +x bin/javac
cp bin/javac bin/java`
	call(t, p, shellTool, "command", setup)
	home := call(t, p, shellTool, "command", "echo ~").Result.Output.(string)
	home = strings.TrimSpace(home)
	p.Sandbox = withEnv{p.Sandbox, map[string]string{"PATH": home + "/bin:/usr/bin:/bin"}}
	out := call(t, p, multiTool, "language", "java", "code", "x")
	const line = "-cp /root/sandbox/runtime/java/*:. Main"
	want(t, out, enclave.Success, "javac "+line+".java in /tmp/mce\n\njava -ea "+line+" in /tmp/mce\n", null)
}

// withEnv is a sandbox whose programs have more environment.
type withEnv struct {
	cupel.Sandbox
	env map[string]string
}

func (s withEnv) Exec(ctx context.Context, c cupel.Cmd) (cupel.Result, error) {
	c.Env = s.env
	return s.Sandbox.Exec(ctx, c)
}
