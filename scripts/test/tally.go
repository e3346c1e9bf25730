package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

const modulePath = "cupel.dev/cupel"

// event is a line of go test -json.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64
	// ImportPath is the package of a build's output.
	ImportPath  string
	FailedBuild string
}

// tally counts tests: those without subtests, since a test that has some only
// sums them up.
type tally struct {
	to                      io.Writer
	covers                  []cover
	passed, failed, skipped int
	// passedNames are tests that passed; skips are those that did not run, in
	// order; failures are for the end.
	passedNames map[string]bool
	skips       []skip
	failures    []string
	packages    map[string]*pkg
	builds      map[string]*strings.Builder
}

type skip struct{ test, why string }

// pkg is a package being tested.
type pkg struct {
	passed, failed, skipped int
	parents                 map[string]bool
	output                  map[string]*strings.Builder
}

func newTally(to io.Writer) *tally {
	return &tally{to: to, passedNames: map[string]bool{}, packages: map[string]*pkg{}, builds: map[string]*strings.Builder{}}
}

// step counts a check that is no Go test.
func (t *tally) step(name string, took time.Duration, problem string) {
	if problem == "" {
		t.passed++
		fmt.Fprintf(t.to, "ok    %-52s %6.1fs\n", name, took.Seconds())
		return
	}
	t.fail(name, problem)
	fmt.Fprintf(t.to, "FAIL  %-52s %6.1fs\n%s\n", name, took.Seconds(), problem)
}

func (t *tally) fail(name, output string) {
	t.failed++
	t.failures = append(t.failures, name)
	_ = output
}

// read counts the events of one go test.
func (t *tally) read(r io.Reader) error {
	lines := bufio.NewReaderSize(r, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				fmt.Fprintf(t.to, "%s", line)
			} else {
				t.take(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (t *tally) take(e event) {
	switch {
	case e.Action == "build-output":
		keep(t.builds, e.ImportPath, e.Output)
	case e.Package == "" || e.Action == "start":
	case e.Test == "":
		t.takePackage(e)
	default:
		t.takeTest(e)
	}
}

func (t *tally) pkg(path string) *pkg {
	p := t.packages[path]
	if p == nil {
		p = &pkg{parents: map[string]bool{}, output: map[string]*strings.Builder{}}
		t.packages[path] = p
	}
	return p
}

func (t *tally) takeTest(e event) {
	p := t.pkg(e.Package)
	name := short(e.Package) + "." + e.Test
	switch e.Action {
	case "run":
		for i, r := range e.Test {
			if r == '/' {
				p.parents[e.Test[:i]] = true
			}
		}
	case "output":
		keep(p.output, e.Test, e.Output)
	case "pass":
		t.passedNames[name] = true
		if !p.parents[e.Test] {
			t.passed++
			p.passed++
		}
		delete(p.output, e.Test)
	case "skip":
		if !p.parents[e.Test] {
			p.skipped++
			t.skips = append(t.skips, skip{name, reasonOf(text(p.output, e.Test))})
		}
		delete(p.output, e.Test)
	case "fail":
		if !p.parents[e.Test] {
			p.failed++
			t.fail(name, "")
		}
		fmt.Fprintf(t.to, "FAIL  %s\n%s", name, text(p.output, e.Test))
		delete(p.output, e.Test)
	}
}

// takePackage reports a package at its end. One that fails without a failed
// test did not build, panicked or ran out of time.
func (t *tally) takePackage(e event) {
	p, name := t.pkg(e.Package), short(e.Package)
	switch e.Action {
	case "output":
		keep(p.output, "", e.Output)
	case "pass":
		fmt.Fprintf(t.to, "ok    %-52s %6.1fs  %s\n", name, e.Elapsed, counts(p.passed, 0, p.skipped))
		delete(t.packages, e.Package)
	case "skip":
		delete(t.packages, e.Package)
	case "fail":
		if p.failed == 0 {
			t.fail(name, "")
			for test, out := range p.output {
				if test != "" {
					fmt.Fprint(t.to, out)
				}
			}
			fmt.Fprint(t.to, text(t.builds, e.FailedBuild), text(p.output, ""))
		}
		fmt.Fprintf(t.to, "FAIL  %-52s %6.1fs  %s\n", name, e.Elapsed, counts(p.passed, p.failed, p.skipped))
		delete(t.packages, e.Package)
	}
}

// summary prints what was skipped and failed, and the last line. It reports
// whether all is well.
func (t *tally) summary(noSkip bool) bool {
	elsewhere := 0
	for _, s := range t.skips {
		if by := coveredBy(t.covers, s.test, t.passedNames); by != "" {
			elsewhere++
			continue
		}
		t.skipped++
		fmt.Fprintf(t.to, "skip  %s: %s\n", s.test, s.why)
	}
	for _, f := range t.failures {
		fmt.Fprintf(t.to, "FAIL  %s\n", f)
	}
	if elsewhere > 0 {
		fmt.Fprintf(t.to, "%d tests that this place can't run passed in another place (e2e/skips.txt)\n", elsewhere)
	}
	if noSkip && t.skipped > 0 {
		fmt.Fprintln(t.to, "CUPEL_NO_SKIP is set: each skip is a failure")
	}
	fmt.Fprintln(t.to, counts(t.passed, t.failed, t.skipped))
	return t.failed == 0 && (t.skipped == 0 || !noSkip)
}

func counts(passed, failed, skipped int) string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", passed, failed, skipped)
}

// short is a package's path within the module.
func short(path string) string {
	if path == modulePath {
		return "cupel"
	}
	return strings.TrimPrefix(path, modulePath+"/")
}

func keep(m map[string]*strings.Builder, key, text string) {
	b := m[key]
	if b == nil {
		b = &strings.Builder{}
		m[key] = b
	}
	b.WriteString(text)
}

func text(m map[string]*strings.Builder, key string) string {
	if b := m[key]; b != nil {
		return b.String()
	}
	return ""
}

// reasonOf finds in a test's output why it was skipped: what stands after the
// last "file.go:LINE: ".
func reasonOf(output string) string {
	reason := "no reason given"
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "---") || strings.HasPrefix(line, "===") {
			continue
		}
		if file, rest, ok := strings.Cut(line, ": "); ok && strings.Contains(file, ".go:") {
			line = rest
		}
		reason = line
	}
	return reason
}
