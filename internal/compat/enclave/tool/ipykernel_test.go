package tool

import (
	"os"
	"strings"
	"testing"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/wire/enclave"
)

// With ipykernel in the image it is the one that runs the cells, and the rules
// are the same. $CUPEL_TEST_IPYKERNEL names a directory that ipykernel and
// jupyter_client were installed to: pip install --target DIR ipykernel.
func TestNotebookWithIPykernel(t *testing.T) {
	dir := os.Getenv("CUPEL_TEST_IPYKERNEL")
	if dir == "" {
		t.Skip("CUPEL_TEST_IPYKERNEL names no directory with ipykernel")
	}
	spec := cupel.Spec{
		Mounts: []cupel.Mount{{Source: dir, Target: "/opt/ipykernel"}},
		Env:    map[string]string{"PYTHONPATH": "/opt/ipykernel"},
	}
	p := withKernel(t, spec, KernelConfig{MaxOutput: cupel.MiB})
	if got := p.Kernel.session.ready.Ready; got != "ipykernel" {
		t.Fatalf("the driver chose %s: %s", got, p.Kernel.session.stderr.b)
	}
	cells := []struct {
		name, code    string
		status        enclave.ExecutionStatus
		output, error string
	}{
		{"value", "x = 20\nx * 2 + 2", enclave.Success, "\nResult: 42", null},
		{"state and streams", "import sys\nprint(x)\nprint(2, file=sys.stderr)", enclave.Success, "20\n2\n", null},
		{"error", "print('before')\n1/0", enclave.Error, "", "~ZeroDivisionError"},
		{"await", "import asyncio\nawait asyncio.sleep(0)\n7", enclave.Success, "\nResult: 7", null},
		{"shell", "z = !echo c\nz", enclave.Success, "\nResult: ['c']", null},
		{"input", "input('?')", enclave.Error, "", "~StdinNotImplementedError"},
		{"wide", "[list(range(30)), {'k' * 30: 'v' * 30, 'l' * 30: (1,)}]", enclave.Success, "\nResult: " + wide, null},
		{"class", "class A: pass\nA", enclave.Success, "\nResult: __main__.A", null},
		{"set", "{3, 1, 2}, set(), {1}, frozenset({2, 1}), {}, (), (1,), [[]]", enclave.Success,
			"\nResult: ({1, 2, 3}, set(), {1}, frozenset({1, 2}), {}, (), (1,), [[]])", null},
		{"flood", "print('x' * (4 << 20)); 5", enclave.Success, strings.Repeat("x", 1<<20) + "\nResult: 5", null},
	}
	for _, c := range cells {
		t.Run(c.name, func(t *testing.T) { want(t, run(t, p, c.code), c.status, c.output, c.error) })
	}
	out := run(t, p, "from IPython.display import HTML, display\ndisplay(HTML('<b>'))\nHTML('<i>')")
	want(t, out, enclave.Success, "\nResult: <IPython.core.display.HTML object>", null)
	if rich, _ := out.Result.Metadata["rich"].([]map[string]any); len(rich) != 2 || rich[0]["text/html"] != "<b>" || rich[1]["text/html"] != "<i>" {
		t.Errorf("rich outputs %v", out.Result.Metadata["rich"])
	}
	want(t, run(t, p, "print('a')\nwhile True: pass", "timeout", 2), enclave.Timeout, "", "a\n\nExecution timed out after 2 seconds")
	want(t, run(t, p, "x"), enclave.Success, "\nResult: 20", null)
	out = run(t, p, "import os\nos._exit(3)")
	want(t, out, enclave.Error, "", "~The kernel died (")
	want(t, run(t, p, "x", "timeout", 30), enclave.Error, "", "~NameError")
	out = run(t, p, "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", "timeout", 1)
	want(t, out, enclave.Timeout, "", "~did not stop")
	want(t, run(t, p, "1 + 1"), enclave.Success, "\nResult: 2", null)
}
