package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cupel.dev/cupel"
	"cupel.dev/cupel/engines"
	"cupel.dev/cupel/internal/engine/fake"
)

// TestMain makes this binary a cupel when it is called so, with one engine
// more: fake, which does what the program's arguments say.
func TestMain(m *testing.M) {
	resolveEngine = func(name string) (string, error) {
		if name == "fake" {
			return name, nil
		}
		return engines.Resolve(name)
	}
	openEngine = func(ctx context.Context, name string, config json.RawMessage) (cupel.Engine, error) {
		if name == "fake" {
			return openScripted(), nil
		}
		e, err := engines.Open(ctx, name, config)
		if missing := os.Getenv("TEST_MISSING_PROGRAMS"); missing != "" && err == nil {
			e = lacking{e, strings.Fields(missing)}
		}
		return e, err
	}
	testscript.Main(m, map[string]func(){"cupel": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			// The host image resolves toolchains by the real PATH; HOME is
			// the script's own, so the cache is too.
			env.Setenv("CUPEL_CACHE", filepath.Join(env.WorkDir, ".cache"))
			return os.Mkdir(filepath.Join(env.WorkDir, ".cache"), 0o700)
		},
		Condition: condition,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits,
			"field": field,
			"await": await,
		},
	})
}

// condition answers [native]: whether the native engine works here.
func condition(name string) (bool, error) {
	if name == "native" {
		return nativeWorks() == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

func nativeWorks() error {
	cache, err := os.MkdirTemp("", "cupel-test-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(cache) }()
	config, err := json.Marshal(map[string]string{"cache": cache})
	if err != nil {
		return err
	}
	e, err := engines.Open(context.Background(), "native", config)
	if err != nil {
		return err
	}
	sb, err := e.Create(context.Background(), cupel.Spec{})
	if err == nil {
		err = sb.Close()
	}
	return errors.Join(err, e.Close())
}

// exits runs a command and checks its exit status: exits 125 cupel run …
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// field checks a value in the JSON document that was last printed: field
// usage.wall_ms 12.5. Without a value the key has to be there, with "!" it
// must not be.
func field(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) == 0 || len(args) > 2 {
		ts.Fatalf("usage: field PATH [VALUE]")
	}
	var doc any
	dec := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	ts.Check(dec.Decode(&doc))
	if dec.More() {
		ts.Fatalf("more than one document on stdout")
	}
	value, found := lookUp(doc, strings.Split(args[0], "."))
	got, err := json.Marshal(value)
	ts.Check(err)
	switch {
	case neg && len(args) == 1 && found:
		ts.Fatalf("%s is there: %s", args[0], got)
	case neg && len(args) == 1:
	case !found:
		ts.Fatalf("%s is not there", args[0])
	case len(args) == 2 && (string(got) == args[1]) == neg:
		ts.Fatalf("%s is %s, compared with %s", args[0], got, args[1])
	}
}

func lookUp(doc any, path []string) (any, bool) {
	for _, key := range path {
		switch d := doc.(type) {
		case map[string]any:
			v, ok := d[key]
			if !ok {
				return nil, false
			}
			doc = v
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(d) {
				return nil, false
			}
			doc = d[i]
		default:
			return nil, false
		}
	}
	return doc, true
}

// await waits until a file is there.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FILE")
	}
	for range 1000 {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("%s did not come", args[0])
}

// checked is a fake engine that ends the process when it was misused.
type checked struct{ *fake.Engine }

func (c checked) Close() error {
	err := c.Engine.Close()
	if misuse := c.Check(); misuse != nil {
		fmt.Fprintln(os.Stderr, "the fake engine was misused:", misuse)
		os.Exit(99)
	}
	return err
}
