package bench

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"cupel.dev/cupel"
)

// way is one way of running a program.
type way interface {
	name() string
	// once runs p to its end and returns how long that took, and how long
	// what comes after it takes (a reset), 0 where nothing does. It fails
	// unless p exits with 0.
	once(ctx context.Context, p Program) (run, after time.Duration, err error)
}

// command is a way that executes a command line, plain p or p behind a tool.
type command struct {
	title string
	// wrap makes the arguments; the first is a full path.
	wrap func(p Program) []string
	dir  string
	null uintptr
	// spawn starts a process, syscall.ForkExec but where another tells why.
	spawn func(argv0 string, argv []string, attr *syscall.ProcAttr) (int, error)
}

func (c *command) name() string { return c.title }

// once forks and executes without package os/exec, whose pipes and goroutines
// are no part of the price.
func (c *command) once(_ context.Context, p Program) (run, after time.Duration, err error) {
	args := c.wrap(p)
	attr := &syscall.ProcAttr{
		Dir: c.dir, Env: environment, Files: []uintptr{c.null, c.null, c.null},
		// As in a sandbox: schedulers share a busy core out by session.
		Sys: &syscall.SysProcAttr{Setsid: true},
	}
	began := time.Now()
	pid, err := c.spawn(args[0], args, attr)
	if err != nil {
		return 0, 0, fmt.Errorf("start %s: %w", args[0], err)
	}
	var ws syscall.WaitStatus
	for {
		if _, err = syscall.Wait4(pid, &ws, 0, nil); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	run = time.Since(began)
	if err == nil && (!ws.Exited() || ws.ExitStatus() != 0) {
		err = fmt.Errorf("%s ended with wait status %#x", args[0], int(ws))
	}
	return run, 0, err
}

// cold makes a sandbox for each run and removes it.
type cold struct {
	engine cupel.Engine
	spec   cupel.Spec
}

func (*cold) name() string { return "cupel cold" }

func (c *cold) once(ctx context.Context, p Program) (run, after time.Duration, err error) {
	began := time.Now()
	sb, err := c.engine.Create(ctx, c.spec)
	if err != nil {
		return 0, 0, err
	}
	err = execute(ctx, sb, p)
	if cerr := sb.Close(); err == nil {
		err = cerr
	}
	return time.Since(began), 0, err
}

// warm runs in a sandbox that was made before, and resets it afterwards.
type warm struct {
	sandbox cupel.Sandbox
	reset   cupel.Resetter
}

func (*warm) name() string { return "cupel warm" }

func (w *warm) once(ctx context.Context, p Program) (run, after time.Duration, err error) {
	began := time.Now()
	if err := execute(ctx, w.sandbox, p); err != nil {
		return 0, 0, err
	}
	run = time.Since(began)
	began = time.Now()
	err = w.reset.Reset(ctx)
	return run, time.Since(began), err
}

// execute runs p in sb.
func execute(ctx context.Context, sb cupel.Sandbox, p Program) error {
	res, err := sb.Exec(ctx, cupel.Cmd{Args: p.Args})
	if err == nil && res.Status != cupel.StatusOK {
		err = cupel.Errorf(cupel.Internal, "run "+p.Args[0], "it ended with %s, exit status %d", res.Status, res.ExitCode)
	}
	return err
}
