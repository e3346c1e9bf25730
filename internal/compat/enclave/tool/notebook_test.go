package tool

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/engines"
	"cupel.dev/cupel/internal/wire/enclave"
	"cupel.dev/cupel/service"
)

// withKernel is a place with a kernel.
func withKernel(t testing.TB, spec cupel.Spec, cfg KernelConfig) Place {
	t.Helper()
	p := place(t, spec)
	cfg.Python = p.Python
	k, err := StartKernel(service.AsHelper(t.Context()), p.Sandbox, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := k.Close(); err != nil {
			t.Errorf("close the kernel: %v", err)
		}
	})
	p.Kernel = k
	return p
}

// run runs a cell.
func run(t testing.TB, p Place, code string, keysAndValues ...any) Outcome {
	t.Helper()
	return call(t, p, notebookTool, append([]any{"code", code}, keysAndValues...)...)
}

func TestNotebook(t *testing.T) {
	p := withKernel(t, cupel.Spec{Env: map[string]string{"MINE": "y"}}, KernelConfig{})
	if got := p.Kernel.session.ready.Ready; got != "cupel" {
		t.Skipf("the host image has %s", got)
	}
	cells := []struct {
		name, code    string
		status        enclave.ExecutionStatus
		output, error string
	}{
		{"value", "x = 20\nx * 2 + 2", enclave.Success, "\nResult: 42", null},
		{"state", "print(x)", enclave.Success, "20\n", null},
		{"output and value", "print('a')\n'v'", enclave.Success, "a\n\nResult: 'v'", null},
		{"last value", "_, Out[1], __", enclave.Success, "\nResult: ('v', 42, 42)", null},
		{"no value", "None", enclave.Success, "", null},
		{"silenced value", "5;", enclave.Success, "", null},
		{"streams in order", "import sys, os, subprocess\nprint(1)\nprint(2, file=sys.stderr)\nprint(3, end='', flush=True)\nos.write(1, b'4\\n')\nsubprocess.run(['echo', '5'])\nprint(6);",
			enclave.Success, "1\n2\n34\n5\n6\n", null},
		{"error", "print('before')\n1/0", enclave.Error, "", "~before\nTraceback (most recent call last):\n  File \"<cell 8>\", line 2, in <module>\n"},
		{"error in a function", "def f():\n  raise KeyError('k')\nf()", enclave.Error, "", "~in f\n    raise KeyError('k')\nKeyError: 'k'"},
		{"syntax", "def (", enclave.Error, "", "~SyntaxError: invalid syntax"},
		{"still there", "x", enclave.Success, "\nResult: 20", null},
		{"await", "import asyncio\nasync def g():\n  await asyncio.sleep(0)\n  return 7\nawait g()", enclave.Success, "\nResult: 7", null},
		{"await in a line", "y = await g()\nprint(y)", enclave.Success, "7\n", null},
		{"asyncio.run", "asyncio.run(g())", enclave.Success, "\nResult: 7", null},
		{"await again", "await g()", enclave.Success, "\nResult: 7", null},
		{"shell", "!echo $MINE {x} '$x'; echo b >&2\nz = !echo c\nz", enclave.Success, "y 20 20\nb\n\nResult: ['c']", null},
		{"shell in a block", "for i in range(2):\n  !echo {i}", enclave.Success, "0\n1\n", null},
		{"magic", "%matplotlib inline\n%cd /tmp\n%pwd", enclave.Success, "/tmp\n\nResult: '/tmp'", null},
		{"cell magic", "%%bash\necho $((1+1))", enclave.Success, "2\n", null},
		{"unknown magic", "%foo 1", enclave.Error, "", "UsageError: Line magic function `%foo` not found."},
		{"unknown cell magic", "%%foo\nx", enclave.Error, "", "UsageError: Cell magic `%%foo` not found."},
		{"no magic in a string", "s = '''\n!echo a\n%foo'''\nlen(s)", enclave.Success, "\nResult: 13", null},
		{"input", "input('?')", enclave.Error, "", "~StdinNotImplementedError: raw_input was called, but this frontend does not support input requests."},
		{"stdin", "import sys\nsys.stdin.read()", enclave.Success, "\nResult: ''", null},
		{"exit", "import sys\nsys.exit(3)", enclave.Error, "", "~SystemExit: 3"},
		{"lives on", "x", enclave.Success, "\nResult: 20", null},
		{"closed stdout", "import sys\nsys.stdout.close()", enclave.Success, "", null},
		{"opened again", "print('a')", enclave.Success, "a\n", null},
		{"pickle", "import pickle\nclass A: pass\ntype(pickle.loads(pickle.dumps(A()))) is A", enclave.Success, "\nResult: True", null},
		{"class", "A", enclave.Success, "\nResult: __main__.A", null},
		{"future", "from __future__ import annotations\ndef h(a: nope): pass", enclave.Success, "", null},
		{"future stays", "def h(a: nope): pass\nh.__annotations__", enclave.Success, "\nResult: {'a': 'nope'}", null},
		{"forgotten fork", "import os\npid = os.fork()\nif pid: os.waitpid(pid, 0)\nprint('once' if pid else 'child')", enclave.Success, "child\nonce\n", null},
		{"blank", "  \n", enclave.Error, "", "No code provided"},
		{"wide", "[list(range(30)), {'k' * 30: 'v' * 30, 'l' * 30: (1,)}]", enclave.Success, "\nResult: " + wide, null},
		{"sets", "[{3, 1, 2}, set(), {1}, frozenset({2, 1}), {}, (), (1,), [[]]]", enclave.Success, "\nResult: [{1, 2, 3}, set(), {1}, frozenset({1, 2}), {}, (), (1,), [[]]]", null},
		{"inside itself", "l = [1]\nl.append(l)\nl", enclave.Success, "\nResult: [1, ...]", null},
		{"bad repr", "class B:\n  def __repr__(self): raise ValueError('r')\nB()", enclave.Error, "", "~ValueError: r"},
		{"recursion", "def r(): r()\nr()", enclave.Error, "", "~RecursionError"},
		{"not UTF-8", "import os\nos.write(1, b'a\\xff\\n');", enclave.Success, "a\ufffd\n", null},
		{"surrogate", "print('\\ud800')", enclave.Success, "\\ud800\n", null},
		{"module in the way", "open('json.py', 'w').write('1/0');", enclave.Success, "", null},
	}
	for _, c := range cells {
		t.Run(c.name, func(t *testing.T) { want(t, run(t, p, c.code), c.status, c.output, c.error) })
	}
}

var wide = func() string {
	numbers := make([]string, 30)
	for i := range numbers {
		numbers[i] = fmt.Sprint(i)
	}
	return "[[" + strings.Join(numbers, ",\n  ") + "],\n {'" + strings.Repeat("k", 30) + "': '" + strings.Repeat("v", 30) + "',\n  '" +
		strings.Repeat("l", 30) + "': (1,)}]"
}()

func TestNotebookRichOutputs(t *testing.T) {
	p := withKernel(t, cupel.Spec{}, KernelConfig{})
	out := run(t, p, `
class H:
    def __init__(self, s): self.s = s
    def __repr__(self): return 'H'
    def _repr_html_(self): return '<b>' + self.s
    def _repr_png_(self): return b'\x89PNG'
    def _repr_latex_(self): return None
display(H('1'))
print('text')
H('2')`)
	want(t, out, enclave.Success, "text\n\nResult: H", null)
	raw, err := json.Marshal(out.Result.Metadata["rich"])
	const rich = `[{"image/png":"iVBORw==","text/html":"\u003cb\u003e1","text/plain":"H"},{"image/png":"iVBORw==","text/html":"\u003cb\u003e2","text/plain":"H"}]`
	if err != nil || strings.ReplaceAll(string(raw), `iVBORw==\n`, `iVBORw==`) != rich {
		t.Errorf("rich outputs %s, %v", raw, err)
	}
	out = run(t, p, "display(float('nan')); display({'application/json': float('nan')}, raw=True); 1")
	want(t, out, enclave.Success, "\nResult: 1", null)
}

func TestNotebookTimeouts(t *testing.T) {
	p := withKernel(t, cupel.Spec{}, KernelConfig{Grace: time.Second})
	out := run(t, p, "x = 1\nprint('a')\nwhile True: pass", "timeout", 1)
	want(t, out, enclave.Timeout, "", "a\n\nExecution timed out after 1 seconds")
	if out.Run.Status != cupel.StatusTimeLimit || out.Run.ExitCode != -1 {
		t.Errorf("run %+v", out.Run)
	}
	want(t, run(t, p, "x"), enclave.Success, "\nResult: 1", null)
	want(t, run(t, p, "import subprocess\nsubprocess.run(['sleep', '60'])", "timeout", 0.5), enclave.Timeout, "", "\nExecution timed out after 0.5 seconds")
	want(t, run(t, p, "import asyncio\nawait asyncio.sleep(60)", "timeout", 1), enclave.Timeout, "", "\nExecution timed out after 1 seconds")
	want(t, run(t, p, "x"), enclave.Success, "\nResult: 1", null)
	out = run(t, p, "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", "timeout", 1)
	want(t, out, enclave.Timeout, "", "\nExecution timed out after 1 seconds; it did not stop when interrupted: the kernel was restarted and its state is lost")
	want(t, run(t, p, "x"), enclave.Error, "", "~NameError: name 'x' is not defined")
}

// Hostile cells harm themselves alone: each gets an answer, and the next cell
// a kernel.
func TestHostileCells(t *testing.T) {
	p := withKernel(t, cupel.Spec{Limits: cupel.Limits{Memory: 256 * cupel.MiB, Processes: 32}},
		KernelConfig{Grace: 500 * time.Millisecond, MaxOutput: cupel.MiB, Limits: cupel.Limits{Memory: 256 * cupel.MiB, Processes: 32}})
	const driver = "import os\nd = open('/proc/%d/fd/1' % os.getppid(), 'wb', 0)\n"
	const died = "~The kernel died ("
	cells := []struct {
		name, code string
		status     enclave.ExecutionStatus
		error      string
	}{
		{"exits", "import os\nprint('last words')\nos._exit(3)", enclave.Error, "last words\n\nThe kernel died (exit status 3): the kernel was restarted and its state is lost"},
		{"crashes", "import os\nos.kill(os.getpid(), 11)", enclave.Error, "\nThe kernel died (SIGSEGV): the kernel was restarted and its state is lost"},
		{"closes all files", "import os\nos.closerange(0, 1000)", enclave.Error, died},
		{"kills the driver", "import os, time\nos.kill(os.getppid(), 9)\ntime.sleep(60)", enclave.Error, died},
		{"stops the driver", "import os, time\nos.kill(os.getppid(), 19)\ntime.sleep(60)", enclave.Timeout, "~did not stop"},
		{"kills all", "import os, time\nos.kill(-1, 9)\ntime.sleep(60)", enclave.Error, died},
		{"stack", "import sys, threading\nsys.setrecursionlimit(10**9)\nthreading.stack_size(256 << 10)\ndef f(*a): return f(*(a or [1]))\nclass X:\n  def __getattr__(self, n): return repr(self)\n  def __repr__(self): return self.x\nt = threading.Thread(target=lambda: repr(X()))\nt.start(); t.join()\nimport os; os.abort()", enclave.Error, died},
		{"forges garbage", driver + "d.write(b'garbage\\n')\nimport time; time.sleep(60)", enclave.Error, died},
		{"forges a long frame", driver + "while True: d.write(b'x' * 65536)", enclave.Error, died},
		{"forges an answer", driver + "d.write(b'{\"id\": \"x\", \"text\": \"\"}\\n')\nimport time; time.sleep(60)", enclave.Error, died},
		{"forges many answers", driver + "while True: d.write(b'{\"id\": \"x\"}\\n')", enclave.Error, died},
		{"breaks the control channel", "import os\nfor fd in range(3, 20):\n  try: os.write(fd, b'garbage\\n')\n  except OSError: pass", enclave.Error, died},
		{"memory", "a = []\nimport gc; gc.disable()\nimport os\nwhile True:\n  try: a.append(bytearray(b'x' * (1 << 20)))\n  except MemoryError: os.abort()", enclave.Error, died},
		{"fork bomb", "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass", enclave.Timeout, "~timed out"},
		{"patches json", "import json\njson.dumps = json.loads = None\n1", enclave.Error, died},
	}
	for _, c := range cells {
		t.Run(c.name, func(t *testing.T) {
			limit := 30
			if c.status == enclave.Timeout {
				limit = 2
			}
			want(t, run(t, p, c.code, "timeout", limit), c.status, "", c.error)
			want(t, run(t, p, "1 + 1"), enclave.Success, "\nResult: 2", null)
		})
	}
	t.Run("floods", func(t *testing.T) {
		out := run(t, p, "import os\nfor _ in range(2000): os.write(1, b'x' * 65536)\n5")
		if text := out.Result.Output.(string); len(text) != 1<<20+len("\nResult: 5") || !out.Run.StdoutTruncated {
			t.Errorf("%d bytes kept, truncated %t: %.100q", len(text), out.Run.StdoutTruncated, text)
		}
	})
	t.Run("long value", func(t *testing.T) {
		out := run(t, p, "'x' * (8 << 20)")
		if text := out.Result.Output.(string); len(text) > 1<<20 || len(text) < 1<<16 || !out.Run.StdoutTruncated {
			t.Errorf("%d bytes kept", len(text))
		}
	})
	t.Run("answers for the next cell", func(t *testing.T) {
		code := driver + "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.3), d.write(b'{\"id\": \"\", \"text\": \"bm8=\"}\\n'), open('/work/forged', 'w'))).start()"
		want(t, run(t, p, code), enclave.Success, "", null)
		await(t, p, "forged")
		want(t, run(t, p, "1 + 1"), enclave.Success, "\nResult: 2", null)
	})
	t.Run("output of a thread belongs to no later cell", func(t *testing.T) {
		want(t, run(t, p, "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.2), print('late'), open('/work/late', 'w'))).start()"), enclave.Success, "", null)
		await(t, p, "late")
		want(t, run(t, p, "1 + 1"), enclave.Success, "\nResult: 2", null)
	})
}

// await waits until a cell has made a file.
func await(t *testing.T, p Place, name string) {
	t.Helper()
	for call(t, p, fileTool, "operation", "exists", "file_path", name).Result.Output != "exists" {
		time.Sleep(10 * time.Millisecond)
	}
}

// A kernel lives as a helper: where one program may run at a time, others do
// beside it, and it ends with its handle.
func TestNotebookInAService(t *testing.T) {
	p := place(t, cupel.Spec{})
	s := service.New(service.Config{Programs: 1, Open: func(ctx context.Context, _ service.EngineRef) (cupel.Engine, error) {
		return engines.Open(ctx, "native", nil)
	}})
	defer s.Close()
	h, err := s.Create(t.Context(), service.EngineRef{Name: "native"}, cupel.Spec{Limits: KernelLimits(cupel.DefaultLimits())})
	if err != nil {
		t.Fatal(err)
	}
	p.Sandbox = h
	if p.Kernel, err = StartKernel(service.AsHelper(t.Context()), h, KernelConfig{Python: p.Python}); err != nil {
		t.Fatal(err)
	}
	want(t, run(t, p, "open('/work/x', 'w').write('y')"), enclave.Success, "\nResult: 1", null)
	want(t, call(t, p, shellTool, "command", "cat x"), enclave.Success, "y", null)
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	if _, err := p.Kernel.Execute(t.Context(), "1", time.Second); cupel.KindOf(err) != cupel.Closed && cupel.KindOf(err) != cupel.Canceled {
		t.Errorf("after its handle was closed: %v", err)
	}
	if err := p.Kernel.Close(); err != nil {
		t.Error(err)
	}
}

func TestNotebookCallsQueue(t *testing.T) {
	p := withKernel(t, cupel.Spec{}, KernelConfig{})
	run(t, p, "n = 0")
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			cell, err := p.Kernel.Execute(t.Context(), "m = n\nimport time; time.sleep(0.005)\nn = m + 1", 10*time.Second)
			if err != nil || cell.Error != "" {
				t.Errorf("%+v, %v", cell, err)
			}
		})
	}
	wg.Wait()
	want(t, run(t, p, "n"), enclave.Success, "\nResult: 20", null)
}

func TestNotebookCallersWhoLeave(t *testing.T) {
	p := withKernel(t, cupel.Spec{}, KernelConfig{})
	run(t, p, "n = 1")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := p.Kernel.Execute(ctx, "while True: pass", 0); cupel.KindOf(err) != cupel.Canceled {
		t.Errorf("a caller that left: %v", err)
	}
	want(t, run(t, p, "n"), enclave.Success, "\nResult: 1", null)

	running := make(chan error, 1)
	go func() {
		_, err := p.Kernel.Execute(t.Context(), "open('/work/on', 'w'); import time; time.sleep(60)", 0)
		running <- err
	}()
	await(t, p, "on")
	waiting, leave := context.WithCancel(t.Context())
	leave()
	if _, err := p.Kernel.Execute(waiting, "1", 0); cupel.KindOf(err) != cupel.Canceled {
		t.Errorf("a caller that left the queue: %v", err)
	}
	if err := p.Kernel.Close(); err != nil {
		t.Error(err)
	}
	if err := <-running; cupel.KindOf(err) != cupel.Closed {
		t.Errorf("a cell of a kernel that was closed: %v", err)
	}
	if _, err := p.Kernel.Execute(t.Context(), "1", 0); cupel.KindOf(err) != cupel.Closed {
		t.Errorf("after Close: %v", err)
	}
	if err := p.Kernel.Close(); err != nil {
		t.Error(err)
	}
}

// A sandbox that is reset or closed takes its kernel along; a reset one gets a
// fresh kernel.
func TestNotebookAndItsSandbox(t *testing.T) {
	p := withKernel(t, cupel.Spec{}, KernelConfig{})
	run(t, p, "n = 1")
	if err := p.Sandbox.(cupel.Resetter).Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, run(t, p, "n"), enclave.Error, "", "~NameError")
	if err := p.Sandbox.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Kernel.Execute(t.Context(), "1", time.Second); cupel.KindOf(err) != cupel.Closed {
		t.Errorf("in a closed sandbox: %v", err)
	}
}

func TestNotebookWithoutPython(t *testing.T) {
	p := place(t, cupel.Spec{})
	_, err := StartKernel(t.Context(), p.Sandbox, KernelConfig{Python: "no-such-python"})
	if cupel.KindOf(err) != cupel.Unsupported || cupel.HintOf(err) == "" {
		t.Errorf("without Python: %v", err)
	}
	want(t, run(t, p, "1"), enclave.Error, "", "Execution failed: Jupyter kernel is not ready")
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte(`{"ready": "cupel"}`+"\n"), 3)
	f.Add([]byte(`{"id":"a","text":"YQ==","result":null,"rich":[{"text/html":"x"}],"died":"x"}`+"\n\n"), 7)
	f.Fuzz(func(t *testing.T, in []byte, cut int) {
		const most = 1 << 10
		told := 0
		fr := &frames{most: most, out: make(chan frame, 1), broken: func(error) { told++ }}
		for len(in) > 0 {
			n := min(max(cut%97, 1), len(in))
			if _, err := fr.Write(in[:n]); (err != nil) != (fr.failed != nil) {
				t.Fatalf("error %v, failed %v", err, fr.failed)
			}
			in = in[n:]
			if cap(fr.buf) > 4*most {
				t.Fatalf("a buffer of %d bytes", cap(fr.buf))
			}
			select {
			case <-fr.out:
			default:
			}
		}
		if told > 1 || (told == 1) != (fr.failed != nil) {
			t.Fatalf("told %d times of %v", told, fr.failed)
		}
	})
}
