package bench

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"cupel.dev/cupel"
)

// scripted is a way that takes a set time and fails when told to.
type scripted struct {
	title  string
	took   time.Duration
	after  time.Duration
	err    error
	called int
}

func (s *scripted) name() string { return s.title }

func (s *scripted) once(context.Context, Program) (run, after time.Duration, err error) {
	s.called++
	return s.took, s.after, s.err
}

func newTestBench(t *testing.T, runs int) *bench {
	t.Helper()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { null.Close() })
	return &bench{cfg: Config{Runs: runs, Workers: 2}, null: null, dir: t.TempDir(), report: &Report{}}
}

func TestRatiosAreToTheFirstWay(t *testing.T) {
	b := newTestBench(t, 5)
	plain := &scripted{title: plainName, took: 2 * time.Millisecond}
	warm := &scripted{title: "warm", took: 3 * time.Millisecond, after: time.Millisecond}
	rows, err := b.latency(t.Context(), Program{Name: "p"}, []way{plain, warm})
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2 || rows[1].Ratio != 1.5 || rows[1].OverMS != 1 || rows[1].Runs != 5 || rows[1].After == nil || rows[1].After.MedianMS != 1 {
		t.Errorf("rows: %+v", rows)
	}
	if rows[0].Ratio != 1 || rows[0].After != nil || plain.called != warm.called {
		t.Errorf("first row: %+v; called %d and %d times", rows[0], plain.called, warm.called)
	}
}

// A tool that doesn't work here is left out and named; cupel or the plain way
// failing ends the measurement, since nothing is left to compare.
func TestFailures(t *testing.T) {
	b := newTestBench(t, 2)
	b.plain = b.command(plainName, func(p Program) []string { return p.Args })
	broken := b.command("tool", func(Program) []string { return []string{"/does/not/exist"} })
	rows, err := b.latency(t.Context(), trueProgram(), []way{b.plain, broken})
	if err != nil || len(rows) != 1 || len(b.report.Notes) != 1 {
		t.Errorf("rows %+v, notes %q, error %v", rows, b.report.Notes, err)
	}
	ours := &scripted{title: "cupel", err: errors.New("broken")}
	if _, err := b.latency(t.Context(), trueProgram(), []way{b.plain, ours}); err == nil {
		t.Error("an engine that fails is no error")
	}
	failing := Program{Name: "false", Args: []string{"/bin/sh", "-c", "exit 3"}}
	if _, err := b.latency(t.Context(), failing, []way{b.plain}); err == nil {
		t.Error("a program that exits with 3 was measured")
	}
}

func TestCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newTestBench(t, 2).latency(ctx, Program{}, []way{&scripted{}})
	if cupel.KindOf(err) != cupel.Canceled {
		t.Errorf("error %v", err)
	}
}

func TestUnknownPart(t *testing.T) {
	_, err := Run(t.Context(), Config{Only: []string{"tru"}})
	if cupel.KindOf(err) != cupel.Invalid {
		t.Errorf("error %v", err)
	}
}

// All ways that are possible here run the same two programs.
func TestRun(t *testing.T) {
	t.Setenv("CUPEL_CACHE", t.TempDir())
	rep, err := Run(t.Context(), Config{Runs: 1, Workers: 2})
	switch cupel.KindOf(err) {
	case cupel.Unavailable, cupel.Unsupported:
		t.Skip("no sandbox can be made here: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		program string
		heap    int
	}{{"true", 0}, {"true", heapMiB}, {"check", 0}, {"check", heapMiB}} {
		if want.program == "check" && rep.Python == "" {
			continue
		}
		for _, w := range []string{plainName, "cupel cold", "cupel warm"} {
			if !slices.ContainsFunc(rep.Latency, func(r Row) bool {
				return r.Program == want.program && r.HeapMiB == want.heap && r.Way == w && r.Runs == 1 && r.MedianMS > 0 && r.Ratio > 0
			}) {
				t.Errorf("no row for %s, %d MiB, %s", want.program, want.heap, w)
			}
		}
	}
	if rep.Python != "" && len(rep.Throughput) != 3 {
		t.Errorf("throughput: %+v", rep.Throughput)
	}
	for _, note := range rep.Notes {
		t.Log(note)
	}
}
