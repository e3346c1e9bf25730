// Command test installs what the tests of cupel need and runs all of them:
//
//	go run ./scripts/test            everything, the end-to-end tests included
//	go run ./scripts/test -short     vet, lint and the quick tests
//	go run ./scripts/test ./service  the tests of some packages
//
// It needs Go and git, nothing else. As root on Debian it installs the missing
// toolchains and tools; elsewhere, tests that lack one are skipped and say why.
// The last line is "N passed, N failed, N skipped".
//
// CUPEL_NO_SKIP=1 makes a skip a failure. What one place can't show and another
// one does is written in e2e/skips.txt: such a test counts as skipped only when
// the other one did not pass in the same run.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const linter = "github.com/golangci/golangci-lint/v2/cmd/golangci-lint"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	short := flag.Bool("short", false, "leave out the end-to-end tests and what takes long")
	run := flag.String("run", "", "only tests that match, as in go test")
	flag.Parse()
	t := &tester{ctx: ctx, tally: newTally(os.Stdout), short: *short, run: *run, packages: flag.Args()}
	if err := t.all(); err != nil {
		fmt.Fprintln(os.Stderr, "test:", err)
		os.Exit(1)
	}
	if !t.tally.summary(os.Getenv("CUPEL_NO_SKIP") == "1") {
		os.Exit(1)
	}
}

// tester runs the steps. A step that fails does not keep the others from
// running.
type tester struct {
	ctx      context.Context
	tally    *tally
	short    bool
	run      string
	packages []string
}

func (t *tester) all() error {
	root, err := repository()
	if err != nil {
		return err
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := os.Setenv("CGO_ENABLED", "0"); err != nil {
		return err
	}
	rules, err := readCovers(filepath.Join("e2e", "skips.txt"))
	if err != nil {
		return err
	}
	t.tally.covers = rules
	if len(t.packages) > 0 {
		return t.test(t.packages, "-timeout=30m")
	}
	if !t.short {
		installPackages(t.ctx)
	}
	t.step("vet", exec.CommandContext(t.ctx, "go", "vet", "./..."))
	t.lint()
	fast, slow, err := t.split()
	if err != nil {
		return err
	}
	if err := t.test(fast, "-timeout=15m"); err != nil || t.short {
		return err
	}
	// One package at a time: these fill the machine by themselves.
	return t.test(slow, "-timeout=60m", "-p=1")
}

// repository is the directory of the module, wherever in it we were started.
func repository() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	mod := strings.TrimSpace(string(out))
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	if mod == "" || mod == os.DevNull {
		return "", errors.New("start this inside the repository")
	}
	return filepath.Dir(mod), nil
}

// split lists the packages, the end-to-end tests apart.
func (t *tester) split() (fast, slow []string, err error) {
	out, err := exec.CommandContext(t.ctx, "go", "list", "./...").Output()
	if err != nil {
		return nil, nil, fmt.Errorf("go list: %w", err)
	}
	for p := range strings.FieldsSeq(string(out)) {
		if strings.Contains(p, "/e2e") {
			slow = append(slow, p)
		} else {
			fast = append(fast, p)
		}
	}
	return fast, slow, nil
}

// lint builds the linter in its own module, which the build cache makes cheap
// from the second time on, and runs it.
func (t *tester) lint() {
	program, err := filepath.Abs(filepath.Join("bin", "golangci-lint"))
	if err != nil {
		t.tally.step("lint", 0, err.Error())
		return
	}
	build := exec.CommandContext(t.ctx, "go", "build", "-o", program, linter)
	build.Dir = filepath.Join("tools", "lint")
	if t.step("build the linter", build) {
		t.step("lint", exec.CommandContext(t.ctx, program, "run"))
	}
}

// step runs a command that is one check.
func (t *tester) step(name string, cmd *exec.Cmd) bool {
	began := time.Now()
	out, err := cmd.CombinedOutput()
	problem := ""
	if err != nil {
		problem = fmt.Sprintf("%s\n%v", out, err)
	}
	t.tally.step(name, time.Since(began), problem)
	return err == nil
}

// test runs go test and counts what it reports.
func (t *tester) test(packages []string, flags ...string) error {
	args := append([]string{"test", "-json", "-count=1"}, flags...)
	if t.short {
		args = append(args, "-short")
	}
	if t.run != "" {
		args = append(args, "-run="+t.run)
	}
	cmd := exec.CommandContext(t.ctx, "go", append(args, packages...)...)
	// An interrupt reaches go test by itself; killing it would orphan the
	// tests, which clean up.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	readErr := t.tally.read(out)
	err = cmd.Wait()
	if readErr != nil {
		return fmt.Errorf("read the output of go test: %w", readErr)
	}
	if err != nil && t.tally.failed == 0 {
		return fmt.Errorf("go test: %w", err)
	}
	return t.ctx.Err()
}
