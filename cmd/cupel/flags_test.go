package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cupel.dev/cupel"
)

func TestExitStatus(t *testing.T) {
	unsupported := cupel.Errorf(cupel.Unsupported, "", "not here")
	for _, tt := range []struct {
		verb string
		err  error
		want int
	}{
		{"eval", nil, 0},
		{"eval", errNotHeld, 1},
		{"eval", cupel.Invalidf("limit", "x", "give a number"), 2},
		{"eval", cupel.Errorf(cupel.NotFound, "", "no such file"), 2},
		{"eval", cupel.Errorf(cupel.Exists, "", "another run's"), 2},
		{"eval", refused{unsupported}, 2},
		{"eval", unsupported, 3},
		{"eval", cupel.Errorf(cupel.Unavailable, "", "locked"), 3},
		{"eval", errors.New("anything"), 3},
		{"eval", cupel.Errorf(cupel.Canceled, "", "%w; kept", interrupted(syscall.SIGINT)), 130},
		{"eval", errors.Join(interrupted(syscall.SIGTERM), errors.New("and more")), 143},
		{"run", cupel.Invalidf("time", "0", "more"), 125},
		{"run", refused{unsupported}, 125},
		{"run", context.Canceled, 125},
		{"run", interrupted(syscall.SIGTERM), 143},
		{"run", programEnded{cupel.Result{Status: cupel.StatusNonzero, ExitCode: 42}}, 42},
		{"run", programEnded{cupel.Result{Status: cupel.StatusSignaled, Signal: "SIGABRT"}}, 134},
	} {
		if got := exitStatus(tt.verb, tt.err); got != tt.want {
			t.Errorf("exitStatus(%s, %v) = %d, want %d", tt.verb, tt.err, got, tt.want)
		}
	}
}

func TestSignalNumber(t *testing.T) {
	for name, want := range map[string]int{
		"SIGHUP": 1, "SIGKILL": 9, "SIGSEGV": 11, "SIGTERM": 15, "SIGXCPU": 24, "SIGXFSZ": 25, "SIGSYS": 31,
		"SIGRTMIN+3": 37, "SIG40": 40, "": 0, "SIGNONE": 0,
	} {
		if got := cupel.SignalNumber(name); got != want {
			t.Errorf("signalNumber(%q) = %d, want %d", name, got, want)
		}
	}
	for n := 1; n <= 31; n++ {
		if got := cupel.SignalNumber(signalName(n)); got != n {
			t.Errorf("%s is %d, want %d", signalName(n), got, n)
		}
	}
}

func TestSpreadLists(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"eval --datasets a b --limit 3", "eval --datasets=a --datasets=b --limit 3"},
		{"eval --limit 3 --datasets a", "eval --limit 3 --datasets=a"},
		{"eval --datasets a,b --json", "eval --datasets=a,b --json"},
		{"eval --datasets a --datasets b", "eval --datasets=a --datasets=b"},
		{"eval --datasets=a b", "eval --datasets=a b"},
		{"eval config.yaml --datasets a", "eval config.yaml --datasets=a"},
		{"eval --datasets --limit 3", "eval --datasets --limit 3"},
		{"eval --datasets", "eval --datasets"},
		{"eval --datasets a -- b", "eval --datasets=a -- b"},
		{"run p.py --datasets a b", "run p.py --datasets a b"},
		{"", ""},
	} {
		if got := strings.Join(spreadLists(strings.Fields(tt.in)), " "); got != tt.want {
			t.Errorf("spreadLists(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

// FuzzSpreadLists: no word is lost or added, whatever the arguments are.
func FuzzSpreadLists(f *testing.F) {
	f.Add("eval --datasets a b -x --datasets")
	f.Fuzz(func(t *testing.T, line string) {
		in := strings.Fields(line)
		out := strings.Join(spreadLists(slices.Clone(in)), " ")
		if got, want := words(out), words(strings.Join(in, " ")); got != want {
			t.Errorf("%q became %q", line, out)
		}
	})
}

// words are the words of a command line, but for how --datasets is attached.
func words(line string) string {
	var all []string
	for w := range strings.FieldsSeq(strings.ReplaceAll(line, "--datasets=", "--datasets ")) {
		if w != "--datasets" {
			all = append(all, w)
		}
	}
	return strings.Join(all, " ")
}

func TestParseMount(t *testing.T) {
	dir := t.TempDir()
	odd := filepath.Join(dir, "a:b")
	if err := os.Mkdir(odd, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		in   string
		want cupel.Mount
	}{
		{dir + ":/in", cupel.Mount{Source: dir, Target: "/in"}},
		{dir + ":/in:ro", cupel.Mount{Source: dir, Target: "/in"}},
		{dir + ":/in/:rw", cupel.Mount{Source: dir, Target: "/in", Writable: true}},
		{odd + ":/in", cupel.Mount{Source: odd, Target: "/in"}},
		{dir, cupel.Mount{}}, {":/in", cupel.Mount{}}, {dir + ":in", cupel.Mount{}},
		{dir + ":/in:rx", cupel.Mount{}}, {dir + "/no:/in", cupel.Mount{}}, {"", cupel.Mount{}},
	} {
		got, err := parseMount(tt.in)
		if got != tt.want || (err == nil) != (tt.want != cupel.Mount{}) {
			t.Errorf("parseMount(%q) = %+v, %v; want %+v", tt.in, got, err, tt.want)
		}
	}
}

// FuzzParseTime: what is accepted is finite and reads back as itself.
func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"10s", "1.5", "-1", "1e300", "NaN", "Inf", "1m30s", "0x10", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parseTime(s)
		if err != nil {
			return
		}
		if again, err := parseTime(d.String()); err != nil || again != d {
			t.Errorf("%q is %v, which reads as %v, %v", s, d, again, err)
		}
	})
}

func TestLimitsThatMeanNothingAreRefused(t *testing.T) {
	for _, s := range []string{"0", "0s", "-3s", "1e-12", "1e300", "NaN", "", "ten", "999999h"} {
		limits := cupel.DefaultLimits()
		v := limitValue[time.Duration]{&limits.Time, &limits, parseTime, "duration"}
		if err := v.Set(s); err == nil {
			t.Errorf("a time limit of %q is accepted as %v", s, limits.Time)
		}
	}
}

func Example_version() {
	v := versionJSON{Version: "v1.2.3", Commit: "0123456789abcdef", Go: "go1.26", OS: "linux", Arch: "amd64", Grading: "1"}
	fmt.Println(v)
	// Output: cupel v1.2.3 (0123456789ab), grading 1, go1.26 linux/amd64
}
