package engines_test

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/engines"
	"cupel.dev/cupel/enginetest"
)

// mutant is a real engine with one fault that the conformance suite must find.
type mutant struct {
	cupel.Engine
	fault *fault
	once  sync.Once
	first cupel.Sandbox
}

// fault changes what an engine does; nil fields change nothing.
type fault struct {
	// requirement is the one that must fail, as topic/requirement.
	requirement string
	spec        func(*cupel.Spec)
	cmd         func(*cupel.Cmd)
	result      func(*cupel.Result, *error)
	// after runs when Exec has returned.
	after func(cupel.Cmd)
	// oneSandbox makes all Creates return the same one.
	oneSandbox, noReset, noClose, putIgnoresErrors bool
}

var faults = map[string]fault{
	"exit code lost": {requirement: "exec/every exit code is the program's own", result: func(r *cupel.Result, _ *error) {
		r.ExitCode = min(r.ExitCode, 1)
	}},
	"signal lost": {requirement: "exec/a signal has its name", result: func(r *cupel.Result, _ *error) { r.Signal = "" }},
	"environment added": {requirement: "exec/the environment is clean", cmd: func(c *cupel.Cmd) {
		c.Env = map[string]string{"MORE": c.Env["MORE"], "LEAK": "1"}
	}},
	"invalid accepted": {requirement: "exec/an invalid Cmd is refused", cmd: func(c *cupel.Cmd) { c.Limits = cupel.Limits{} }},
	"stdin dropped":    {requirement: "stdio/every byte passes unchanged", cmd: func(c *cupel.Cmd) { c.Stdin = nil }},
	"streams mixed": {requirement: "stdio/stdout and stderr are separate", cmd: func(c *cupel.Cmd) {
		c.Args = append([]string{"/bin/sh", "-c", `exec "$@" 2>&1`, "sh"}, c.Args...)
	}},
	"late write": {requirement: "stdio/nothing is written after Exec returns", after: func(c cupel.Cmd) {
		time.AfterFunc(20*time.Millisecond, func() { c.Stdout.Write([]byte("late")) })
	}},
	"truncation not marked": {requirement: "output/one byte more is truncated and marked", result: func(r *cupel.Result, _ *error) {
		r.StdoutTruncated = false
	}},
	"limit not named": {requirement: "limits/file size: SIGXFSZ", result: func(r *cupel.Result, _ *error) { r.LimitsHit = nil }},
	"limit ignored": {requirement: "limits/files: opening too many fails", spec: func(s *cupel.Spec) {
		s.Limits.Files = cupel.DefaultLimits().Files
	}},
	"cancel is a result":  {requirement: "tree/a deadline is kind canceled", result: func(_ *cupel.Result, err *error) { *err = nil }},
	"close does nothing":  {requirement: "lifecycle/a closed sandbox is kind closed", noClose: true},
	"one sandbox for all": {requirement: "neighbours/files of a neighbour are not seen", oneSandbox: true, noClose: true},
	"shared memory":       {requirement: "neighbours/System V shared memory does not cross", oneSandbox: true, noClose: true},
	"reset does nothing":  {requirement: "reset/a reset sandbox is as it was created", noReset: true},
	"put hides errors":    {requirement: "files/entries that can't be made are refused", putIgnoresErrors: true},
	"network open": {requirement: "network/none: the host's loopback is not reached", spec: func(s *cupel.Spec) {
		s.Network = cupel.NetworkHost
	}},
	"root writable": {requirement: "host/the root file system is read-only", spec: func(s *cupel.Spec) { s.Writable = true }},
	"capabilities":  {requirement: "kernel/no capability is held", spec: func(s *cupel.Spec) { s.Privileges = cupel.PrivilegesContainer }},
	"usage empty":   {requirement: "usage/CPU time of children counts", result: func(r *cupel.Result, _ *error) { r.Usage = cupel.Usage{} }},
}

func (m *mutant) Create(ctx context.Context, spec cupel.Spec) (cupel.Sandbox, error) {
	if m.fault.spec != nil {
		m.fault.spec(&spec)
	}
	if !m.fault.oneSandbox {
		return m.wrap(m.Engine.Create(ctx, spec))
	}
	var err error
	m.once.Do(func() { m.first, err = m.Engine.Create(ctx, spec) })
	return m.wrap(m.first, err)
}

func (m *mutant) wrap(sb cupel.Sandbox, err error) (cupel.Sandbox, error) {
	if err != nil {
		return nil, err
	}
	return &mutantSandbox{sb, m.fault}, nil
}

type mutantSandbox struct {
	cupel.Sandbox
	fault *fault
}

func (s *mutantSandbox) Exec(ctx context.Context, cmd cupel.Cmd) (cupel.Result, error) {
	if s.fault.cmd != nil && len(cmd.Args) > 0 {
		s.fault.cmd(&cmd)
	}
	res, err := s.Sandbox.Exec(ctx, cmd)
	if s.fault.result != nil {
		s.fault.result(&res, &err)
	}
	if s.fault.after != nil {
		s.fault.after(cmd)
	}
	return res, err
}

func (s *mutantSandbox) Put(ctx context.Context, dir string, tar io.Reader) error {
	err := s.Sandbox.Put(ctx, dir, tar)
	if s.fault.putIgnoresErrors {
		return nil
	}
	return err
}

func (s *mutantSandbox) Reset(ctx context.Context) error {
	if s.fault.noReset {
		return nil
	}
	return s.Sandbox.(cupel.Resetter).Reset(ctx)
}

func (s *mutantSandbox) Close() error {
	if s.fault.noClose {
		return nil
	}
	return s.Sandbox.Close()
}

const mutantEnv = "CUPEL_TEST_MUTANT"

// TestMutant runs the suite on one mutant in a process of its own, where
// failing is expected. It does nothing by itself.
func TestMutant(t *testing.T) {
	f, ok := faults[os.Getenv(mutantEnv)]
	if !ok {
		return
	}
	enginetest.Run(t, func(t *testing.T) cupel.Engine {
		e, err := engines.Open(context.Background(), engines.Default, nil)
		if err != nil {
			t.Fatal(err)
		}
		return &mutant{Engine: e, fault: &f}
	}, enginetest.Options{})
}

// A suite that no fault can fail proves nothing: each mutant must fail the
// requirement that its fault is about.
func TestTheSuiteFindsFaults(t *testing.T) {
	e, err := engines.Open(t.Context(), engines.Default, nil)
	if cupel.KindOf(err) == cupel.Unsupported {
		t.Skipf("no engine here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			topic, requirement, _ := strings.Cut(f.requirement, "/")
			var out bytes.Buffer
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.timeout=100s",
				"-test.run=^TestMutant$/^"+topic+"$/^"+pattern(requirement)+"$")
			cmd.Env = append(os.Environ(), mutantEnv+"="+name)
			cmd.Stdout, cmd.Stderr = &out, &out
			runErr := cmd.Run()
			failed := "--- FAIL: TestMutant/" + topic + "/"
			if runErr == nil || !strings.Contains(out.String(), failed) {
				t.Errorf("%s passed with this fault (%v):\n%s", f.requirement, runErr, out.String())
			}
		})
	}
}

// pattern is a requirement's name as -test.run wants it: blanks become
// underscores, and a slash would begin another level.
func pattern(requirement string) string {
	return strings.ReplaceAll(regexp.QuoteMeta(requirement), " ", "_")
}
