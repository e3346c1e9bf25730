package lang

import (
	"bytes"
	"context"
	"io"
	"path"
	"strings"
	"time"

	"cupel.dev/cupel"
)

// DefaultCompileTime is the compile step's wall and CPU limit where
// Program.CompileLimits sets none.
const DefaultCompileTime = 30 * time.Second

// Program is source code to compile and run.
type Program struct {
	Language Language
	// Source goes to Language.File. Nil means that the file is there already.
	Source []byte
	// Files are written beside it: paths relative to Dir, with "/".
	Files map[string][]byte
	// Dir is where files go and commands run, an absolute path in the
	// sandbox. Default: the Spec's default, /work. Programs that run at once
	// in one sandbox need a Dir each.
	Dir string
	// Args follow Language.Run.
	Args []string
	// Env is added to the sandbox's, for both steps.
	Env map[string]string
	// Stdin, Stdout and Stderr are the run step's; see cupel.Cmd.
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Limits bound the run step. CompileLimits are merged over them for the
	// compile step, whose Time and CPUTime are DefaultCompileTime unless set.
	// Neither may be above the sandbox's own: see SpecLimits.
	Limits, CompileLimits cupel.Limits
}

// Outcome is what became of a Program.
type Outcome struct {
	// Result is the run step's. When the compile step failed or hit a limit
	// it is the compile step's with StatusCompileError.
	Result cupel.Result
	// Compile is the compile step's own Result, nil if there was none.
	Compile *cupel.Result
	// CompileStdout and CompileStderr are what the compiler wrote.
	CompileStdout, CompileStderr []byte
}

// SpecLimits returns the limits that a sandbox needs so that both steps fit.
func (p Program) SpecLimits() cupel.Limits {
	run := cupel.DefaultLimits().Merge(p.Limits)
	if p.Language.Compile == nil {
		return run
	}
	compile := run.Merge(p.compileLimits())
	run.Time = max(run.Time, compile.Time)
	run.CPUTime = max(run.CPUTime, compile.CPUTime)
	run.Memory = max(run.Memory, compile.Memory)
	run.CPUs = max(run.CPUs, compile.CPUs)
	run.Processes = max(run.Processes, compile.Processes)
	run.Files = max(run.Files, compile.Files)
	run.FileSize = max(run.FileSize, compile.FileSize)
	run.Disk = max(run.Disk, compile.Disk)
	run.Inodes = max(run.Inodes, compile.Inodes)
	run.Output = max(run.Output, compile.Output)
	return run
}

func (p Program) compileLimits() cupel.Limits {
	own := cupel.Limits{Time: DefaultCompileTime, CPUTime: DefaultCompileTime}
	return p.Limits.Merge(own).Merge(p.CompileLimits)
}

// Run writes the program's files into sb, compiles it if its language does,
// and runs it. The error is the machine's alone: kind Unsupported, with what
// to install as the hint, when the toolchain isn't in the sandbox.
func Run(ctx context.Context, sb cupel.Sandbox, p Program) (Outcome, error) {
	out, err := Build(ctx, sb, p)
	if err != nil || out.Result.Status == cupel.StatusCompileError {
		return out, err
	}
	out.Result, err = Exec(ctx, sb, p)
	return out, err
}

// Build is Run's first half: files and compile step. Its Outcome's Result has
// StatusOK, or StatusCompileError with the compile step's numbers.
func Build(ctx context.Context, sb cupel.Sandbox, p Program) (Outcome, error) {
	var out Outcome
	out.Result.Status = cupel.StatusOK
	if err := p.put(ctx, sb); err != nil {
		return out, err
	}
	if p.Language.Compile == nil {
		return out, nil
	}
	var stdout, stderr bytes.Buffer
	res, err := sb.Exec(ctx, cupel.Cmd{
		Args: p.Language.Compile, Env: p.Env, Dir: p.Dir,
		Stdout: &stdout, Stderr: &stderr, Limits: p.compileLimits(),
	})
	out.Compile, out.CompileStdout, out.CompileStderr = &res, stdout.Bytes(), stderr.Bytes()
	out.Result = res
	if err == nil {
		err = p.Language.notMissing(ctx, sb, res)
	}
	if res.Status != cupel.StatusOK {
		out.Result.Status = cupel.StatusCompileError
	}
	return out, err
}

// Exec is Run's second half, once Build succeeded. It may be called again,
// with other Args, Stdin, Stdout and Limits.
func Exec(ctx context.Context, sb cupel.Sandbox, p Program) (cupel.Result, error) {
	args := make([]string, 0, len(p.Language.Run)+len(p.Args))
	args = append(append(args, p.Language.Run...), p.Args...)
	res, err := sb.Exec(ctx, cupel.Cmd{
		Args: args, Env: p.Env, Dir: p.Dir,
		Stdin: p.Stdin, Stdout: p.Stdout, Stderr: p.Stderr, Limits: p.Limits,
	})
	if err == nil && p.Language.Compile == nil {
		err = p.Language.notMissing(ctx, sb, res)
	}
	return res, err
}

// notMissing tells a program that exits 127 from a toolchain that isn't there.
func (l Language) notMissing(ctx context.Context, sb cupel.Sandbox, res cupel.Result) error {
	if res.Status != cupel.StatusNonzero || (res.ExitCode != 127 && res.ExitCode != 126) {
		return nil
	}
	_, err := Available(ctx, sb, l)
	return err
}

// Available returns the version of l's toolchain in sb. The error is of kind
// Unsupported, with what to install as the hint, when it isn't there or
// doesn't start; any other kind is the machine's failure.
func Available(ctx context.Context, sb cupel.Sandbox, l Language) (version string, err error) {
	res, stdout, stderr, err := cupel.Output(ctx, sb, cupel.Cmd{
		Args: l.Version, Limits: cupel.Limits{Output: 64 * cupel.KiB},
	})
	if err != nil {
		return "", err
	}
	if res.Status != cupel.StatusOK {
		return "", cupel.Errorf(cupel.Unsupported, "language "+l.Name, "%s is not in the sandbox (%s)",
			l.Needs, firstLine(stderr, string(res.Status))).WithHint("%s", l.Install)
	}
	return firstLine(stdout, firstLine(stderr, "unknown")), nil
}

func firstLine(text []byte, otherwise string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(strings.ToValidUTF8(string(text), "\uFFFD")), "\n")
	if line == "" {
		return otherwise
	}
	return strings.TrimSpace(line)
}

// workDir is where files go when Program.Dir is unset.
func (p Program) workDir() string {
	if p.Dir != "" {
		return path.Clean(p.Dir)
	}
	return cupel.DefaultSpec().Dir
}
