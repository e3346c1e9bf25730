package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
	"cupel.dev/cupel/internal/lang"
)

// runOptions are what a user asks cupel run for.
type runOptions struct {
	// target is a file, "-" for a program on stdin, or "" where args is a
	// command.
	target string
	args   []string

	language    string
	stdin       string
	mounts, env []string
	engine      string
	compileTime time.Duration
	// spec holds the flags that need no reading. Its limits are complete.
	spec cupel.Spec
}

func newRun(a *app) *cobra.Command {
	opts := runOptions{spec: cupel.DefaultSpec(), compileTime: lang.DefaultCompileTime}
	cmd := &cobra.Command{
		Use:     "run [flags] FILE [ARG…] | - | -- CMD ARG…",
		Short:   "Run one program in a sandbox",
		GroupID: groupJudge,
		Long: `Run a source file, a program read from stdin (-), or a command (after --) in a fresh
sandbox without network, and pass its output and exit status through.

Exit status: the program's own; 128+N when signal N ended it; 124 a wall or CPU time
limit; 137 the memory limit; 122 any other limit; 121 a compile error; 126 or 127 a
command that can't be executed or isn't there; 125 when cupel itself failed.
With --json it is 0 unless cupel itself failed.

Output is passed through byte for byte, control sequences of a terminal included.`,
		Example: `  cupel run answer.py 3 4
  echo 'print(6 * 7)' | cupel run --lang python -
  cupel run --time 2s --memory 64MiB --json answer.c
  cupel run --stdin input.txt --mount ./data:/data solve.sh
  cupel run -- sh -c 'id; ls /'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.ArgsLenAtDash() == 0 {
				opts.args = args
			} else if len(args) > 0 {
				opts.target, opts.args = args[0], args[1:]
			}
			return a.runRun(cmd.Context(), opts)
		},
	}
	a.addRunFlags(cmd, &opts)
	return cmd
}

func (a *app) addRunFlags(cmd *cobra.Command, opts *runOptions) {
	f := cmd.Flags()
	f.SetInterspersed(false)
	f.SortFlags = false
	f.StringVar(&opts.language, "lang", "", "language, such as python (default from the file's suffix)")
	addLimitFlags(f, &opts.spec.Limits)
	f.Var(&limitValue[time.Duration]{&opts.compileTime, &cupel.Limits{}, parseTime, "duration"}, "compile-time", "wall and CPU time of compiling")
	f.StringVar(&opts.stdin, "stdin", "", "file that the program reads as stdin, - for cupel's own (default empty)")
	f.StringVar(&opts.spec.Image, "image", opts.spec.Image, "root file system: host, dir:PATH or tar:PATH")
	f.StringArrayVar(&opts.mounts, "mount", nil, "show a host path inside, as SRC:DST[:ro|rw]; repeatable")
	f.StringArrayVar(&opts.env, "env", nil, "set a variable, as K=V; repeatable")
	f.StringVar(&opts.spec.Dir, "workdir", opts.spec.Dir, "private, writable directory to start in")
	f.StringVar((*string)(&opts.spec.Network), "network", string(opts.spec.Network), "none or host")
	f.StringVar(&opts.engine, "engine", "native", "what makes the sandbox")
	f.StringVar((*string)(&opts.spec.Isolation), "isolation", string(opts.spec.Isolation), "weakest isolation to accept: strict, standard or any")
	f.BoolVar(&a.json, "json", false, "print one JSON document instead of the output")
	suggest(cmd, "lang", lang.Names()...)
	suggest(cmd, "network", string(cupel.NetworkNone), string(cupel.NetworkHost))
	suggest(cmd, "isolation", string(cupel.IsolationStrict), string(cupel.IsolationStandard), string(cupel.IsolationAny))
}

// runRun runs the program and passes on what it did. A program that ended in
// any way but exit status 0 is a programEnded, unless JSON says it.
func (a *app) runRun(ctx context.Context, opts runOptions) error {
	engine, err := resolveEngine(opts.engine)
	if err != nil {
		return err
	}
	job, err := a.newJob(opts)
	if err != nil {
		return err
	}
	defer job.close()
	ctx, gone := context.WithCancelCause(ctx)
	defer gone(nil)
	var stdout, stderr bytes.Buffer
	job.program.Stdout, job.program.Stderr = &stdout, &stderr
	if !a.json {
		job.program.Stdout, job.program.Stderr = outlet{a.stdout, gone}, outlet{a.stderr, gone}
	}
	out, isolation, err := job.run(ctx, engine)
	switch {
	case cupel.KindOf(err) == cupel.Canceled && errors.Is(context.Cause(ctx), brokenPipe):
		return brokenPipe
	case cupel.KindOf(err) == cupel.Canceled:
		out.Result.Status = ""
		return partial{err, outcomeJSON(out, engine, isolation, stdout.Bytes(), stderr.Bytes())}
	case err != nil:
		return err
	case a.json:
		return a.printJSON(outcomeJSON(out, engine, isolation, stdout.Bytes(), stderr.Bytes()))
	}
	a.explain(out, job.program.SpecLimits())
	if out.Result.Status == cupel.StatusOK {
		return nil
	}
	return programEnded{out.Result}
}

// partial is the error of a run that was interrupted, with what was seen until
// then. Its status is "": being cancelled is none.
type partial struct {
	error
	result *api.Result
}

func (p partial) Unwrap() error { return p.error }

// job is a program ready to be run.
type job struct {
	spec cupel.Spec
	// program is the program; where command is set, only its streams and
	// limits matter.
	program lang.Program
	command []string
	files   []io.Closer
}

func (j *job) close() {
	for _, f := range j.files {
		_ = f.Close()
	}
}

// run makes a sandbox, runs the program in it and removes it.
func (j *job) run(ctx context.Context, engine string) (out lang.Outcome, is cupel.Isolation, err error) {
	e, err := openEngine(ctx, engine, nil)
	if err != nil {
		return out, is, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	sb, err := e.Create(ctx, j.spec)
	if err != nil {
		return out, is, err
	}
	defer func() { err = errors.Join(err, sb.Close()) }()
	if j.command == nil {
		out, err = lang.Run(ctx, sb, j.program)
	} else {
		p := j.program
		out.Result, err = sb.Exec(ctx, cupel.Cmd{Args: j.command, Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr})
	}
	return out, out.Result.Isolation, err
}

// brokenPipe ends a run whose output nobody reads any more.
const brokenPipe = interrupted(syscall.SIGPIPE)

// outlet is one of cupel's own output streams.
type outlet struct {
	io.Writer
	gone context.CancelCauseFunc
}

func (o outlet) Write(p []byte) (int, error) {
	n, err := o.Writer.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		o.gone(brokenPipe)
	}
	return n, err
}

// reader hides what else a file can do. An engine may give a program an
// *os.File itself, and through /proc/self/fd a program can open the file
// behind its stdin again, for writing too.
type reader struct{ io.Reader }

// openStdin opens what --stdin names, nil for nothing.
func (a *app) openStdin(name string, j *job) error {
	switch name {
	case "":
		return nil
	case "-":
		j.program.Stdin = reader{a.stdin}
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return fileError("--stdin", name, err)
	}
	j.files = append(j.files, f)
	j.program.Stdin = reader{f}
	return nil
}

// explain says on stderr what a shell would not show.
func (a *app) explain(out lang.Outcome, limits cupel.Limits) {
	res := out.Result
	switch res.Status {
	case cupel.StatusCompileError:
		_, _ = a.stderr.Write(out.CompileStdout)
		_, _ = a.stderr.Write(out.CompileStderr)
		a.notef("the program does not compile")
		return
	case cupel.StatusSignaled:
		a.notef("the program was ended by %s", res.Signal)
	case cupel.StatusTimeLimit:
		a.notef("the program ran into its time limit of %v (--time)", limits.Time)
	case cupel.StatusCPULimit:
		a.notef("the program ran into its CPU time limit of %v (--cpu)", limits.CPUTime)
	case cupel.StatusMemoryLimit:
		a.notef("the program ran into its memory limit of %v (--memory)", limits.Memory)
	case cupel.StatusOutputLimit:
		a.notef("the program flooded its output, of which %v are kept (--output)", limits.Output)
	case cupel.StatusDiskLimit:
		a.notef("the program ran into its limit of %v or %d files on disk (--disk, --inodes)", limits.Disk, limits.Inodes)
	case cupel.StatusProcessLimit:
		a.notef("the program ran into its limit of %d processes (--processes)", limits.Processes)
	}
	if res.Status != cupel.StatusOutputLimit && (res.StdoutTruncated || res.StderrTruncated) {
		a.notef("output beyond %v was dropped (--output)", limits.Output)
	}
}

// fileError is the error for a file of the user's that can't be read.
func fileError(flag, name string, err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		err = path.Err
	}
	kind := cupel.Invalid
	if errors.Is(err, os.ErrNotExist) {
		kind = cupel.NotFound
	}
	return &cupel.Error{Kind: kind, Err: fmt.Errorf("%s %q: %w", flag, name, err)}
}
