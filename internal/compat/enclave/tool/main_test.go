package tool

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cupel.dev/cupel"
	"cupel.dev/cupel/engines"
	"cupel.dev/cupel/internal/wire/enclave"
)

// openEngine opens one engine for all tests.
var openEngine = sync.OnceValues(func() (cupel.Engine, error) {
	return engines.Open(context.Background(), "native", nil)
})

func TestMain(m *testing.M) {
	if os.Getenv("CUPEL_CACHE") == "" {
		dir, err := os.MkdirTemp("", "cupel-test-")
		if err != nil {
			panic(err)
		}
		os.Setenv("CUPEL_CACHE", dir)
		defer os.RemoveAll(dir)
	}
	code := m.Run()
	if e, err := openEngine(); err == nil {
		if err := e.Close(); err != nil {
			fmt.Println("close the engine:", err)
			code = 1
		}
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Println(err)
		code = 1
	}
	os.RemoveAll(os.Getenv("CUPEL_CACHE"))
	os.Exit(code)
}

// place makes a sandbox of the host's tools in which a kernel could live.
func place(t testing.TB, spec cupel.Spec) Place {
	t.Helper()
	e, err := openEngine()
	if err != nil {
		t.Skipf("the native engine does not work here: %v", err)
	}
	limits := cupel.DefaultLimits().Merge(spec.Limits)
	spec.Limits = KernelLimits(limits)
	sb, err := e.Create(t.Context(), spec)
	if err != nil {
		t.Skipf("no sandbox here: %v", err)
	}
	t.Cleanup(func() {
		if err := sb.Close(); err != nil {
			t.Errorf("close the sandbox: %v", err)
		}
	})
	limits.Time, limits.CPUTime = 0, 2*time.Minute
	p := Place{Sandbox: sb, MaxTime: time.Minute, Limits: limits}
	_, out, _, err := cupel.Output(t.Context(), sb, cupel.Cmd{Args: []string{"sh", "-c", "command -v python || command -v python3"}})
	if err != nil || len(out) == 0 {
		t.Skipf("no Python in the host image: %v", err)
	}
	p.Python = strings.TrimSpace(string(out[strings.LastIndexByte(string(out), '/')+1:]))
	return p
}

// args makes parameters.
func args(t testing.TB, keysAndValues ...any) map[string]json.RawMessage {
	t.Helper()
	in := map[string]json.RawMessage{}
	for i := 0; i < len(keysAndValues); i += 2 {
		raw, ok := keysAndValues[i+1].(json.RawMessage)
		if !ok {
			var err error
			if raw, err = json.Marshal(keysAndValues[i+1]); err != nil {
				t.Fatal(err)
			}
		}
		in[keysAndValues[i].(string)] = raw
	}
	return in
}

// call runs a tool whose parameters and machine are all right.
func call(t testing.TB, p Place, name string, keysAndValues ...any) Outcome {
	t.Helper()
	tool, ok := Lookup(name)
	if !ok {
		t.Fatalf("no tool %s", name)
	}
	out, err := tool.Execute(t.Context(), p, args(t, keysAndValues...))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if out.Result.ToolName != name || out.Result.Metadata == nil || out.Result.Timestamp.IsZero() {
		t.Errorf("%s: result without name, metadata or time: %+v", name, out.Result)
	}
	if out.Run.Status != "" {
		about, ok := out.Result.Metadata["cupel"].(*Run)
		if !ok || about.Status != out.Run.Status || out.Result.ExecutionTime == nil {
			t.Errorf("%s: metadata %v of a run %+v", name, out.Result.Metadata, out.Run)
		}
	}
	return out
}

// want compares a result; an error that starts with "~" is a part of it.
func want(t testing.TB, out Outcome, status enclave.ExecutionStatus, output, complaint string) {
	t.Helper()
	got := "<null>"
	if out.Result.Error != nil {
		got = *out.Result.Error
	}
	same := got == complaint
	if part, ok := strings.CutPrefix(complaint, "~"); ok {
		same = strings.Contains(got, part)
	}
	if out.Result.Status != status || out.Result.Output != output || !same {
		t.Errorf("got  %s, output %.500q, error %.2000q\nwant %s, output %.500q, error %q", out.Result.Status, out.Result.Output, got,
			status, output, complaint)
	}
}

const null = "<null>"

// noSandbox is a machine that fails.
type noSandbox struct {
	cupel.Sandbox
	called bool
}

var errNoSandbox = cupel.Errorf(cupel.Unavailable, "test", "no sandbox")

func (s *noSandbox) Exec(context.Context, cupel.Cmd) (cupel.Result, error) {
	s.called = true
	return cupel.Result{}, errNoSandbox
}

func (s *noSandbox) Put(context.Context, string, io.Reader) error {
	s.called = true
	return errNoSandbox
}
