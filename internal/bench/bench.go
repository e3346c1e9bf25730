package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"cupel.dev/cupel"
	"cupel.dev/cupel/engines"
	"cupel.dev/cupel/service"
)

// Config is what to measure. Its zero value measures everything.
type Config struct {
	// Runs is how often each way runs each program. Default 200.
	Runs int
	// Only names the parts to measure, of Parts. Default: all.
	Only []string
	// Workers is how many run at once for throughput. Default GOMAXPROCS.
	Workers int
	// Engine is opened by package engines. Default: the native one.
	Engine string
	Spec   cupel.Spec
	// Progress is told what is measured next; nil tells no one.
	Progress func(what string)
}

// The parts of a Report.
const (
	PartTrue       = "true"       // a program that does nothing
	PartCheck      = "check"      // a program as large as a HumanEval check
	PartHeap       = "heap"       // both, in a process with a large heap
	PartThroughput = "throughput" // checks a second
)

// Parts lists the names that Config.Only may hold.
func Parts() []string { return []string{PartTrue, PartCheck, PartHeap, PartThroughput} }

// Report is everything that was measured.
type Report struct {
	Schema     int     `json:"schema"`
	Machine    Machine `json:"machine"`
	Engine     string  `json:"engine"`
	Python     string  `json:"python"`
	Runs       int     `json:"runs"`
	Latency    []Row   `json:"latency"`
	Throughput []Rate  `json:"throughput"`
	// Notes say what is missing, and why.
	Notes []string `json:"notes"`
}

// Machine is where it was measured.
type Machine struct {
	OS      string  `json:"os"`
	Arch    string  `json:"arch"`
	Kernel  string  `json:"kernel"`
	CPUs    int     `json:"cpus"`
	UID     int     `json:"uid"`
	LoadAvg float64 `json:"load_average"`
}

func readMachine() Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), UID: os.Getuid()}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel = strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(text), &m.LoadAvg)
	}
	return m
}

// bench is a measurement under way.
type bench struct {
	cfg     Config
	ref     service.EngineRef
	service *service.Service
	engine  cupel.Engine
	plain   *command
	null    *os.File
	dir     string // an empty directory, also for what tools need
	python  string
	prefix  string // the interpreter's own directory
	report  *Report
}

func (b *bench) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(b.report.Notes, text) {
		b.report.Notes = append(b.report.Notes, text)
	}
}

// Run measures. Errors are those of the engine, Invalid for an unknown part,
// and Canceled. A missing tool or interpreter is a note in the Report.
func Run(ctx context.Context, cfg Config) (_ *Report, err error) {
	if cfg.Runs <= 0 {
		cfg.Runs = 200
	}
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	if cfg.Progress == nil {
		cfg.Progress = func(string) {}
	}
	for _, part := range cfg.Only {
		if !slices.Contains(Parts(), part) {
			return nil, cupel.Invalidf("only", part, "use "+strings.Join(Parts(), ", "))
		}
	}
	b := &bench{cfg: cfg, report: &Report{
		Schema: 1, Machine: readMachine(), Runs: cfg.Runs, Latency: []Row{}, Throughput: []Rate{}, Notes: []string{},
	}}
	defer func() { err = errors.Join(err, b.close()) }()
	if err := b.open(ctx); err != nil {
		return nil, err
	}
	if err := b.measure(ctx); err != nil {
		return nil, err
	}
	return b.report, nil
}

// open opens the engine, alone and behind a service, and finds the
// interpreter.
func (b *bench) open(ctx context.Context) (err error) {
	if b.ref.Name, err = engines.Resolve(b.cfg.Engine); err != nil {
		return err
	}
	b.report.Engine = b.ref.Name
	b.service = service.New(service.Config{Programs: b.cfg.Workers,
		Open: func(ctx context.Context, ref service.EngineRef) (cupel.Engine, error) {
			return engines.Open(ctx, ref.Name, ref.Config)
		}})
	if b.engine, err = engines.Open(ctx, b.ref.Name, nil); err != nil {
		return err
	}
	if b.null, err = os.OpenFile(os.DevNull, os.O_RDWR, 0); err != nil {
		return cupel.Errorf(cupel.Unavailable, "bench", "%w", err)
	}
	if b.dir, err = os.MkdirTemp("", "cupel-bench-"); err != nil {
		return cupel.Errorf(cupel.Unavailable, "bench", "%w", err)
	}
	b.plain = b.command(plainName, func(p Program) []string { return p.Args })
	return b.findPython(ctx)
}

const plainName = "plain"

func (b *bench) command(title string, wrap func(Program) []string) *command {
	return &command{title: title, wrap: wrap, dir: b.dir, null: b.null.Fd(), spawn: syscall.ForkExec}
}

// findPython asks the interpreter inside a sandbox where it is: shims on PATH
// are resolved there, and every way is to run the same one.
func (b *bench) findPython(ctx context.Context) error {
	sb, err := b.engine.Create(ctx, b.cfg.Spec)
	if err != nil {
		return err
	}
	defer func() { _ = sb.Close() }()
	res, out, _, err := cupel.Output(ctx, sb, cupel.Cmd{Args: []string{"python3", "-c",
		"import os, sys; print(os.path.realpath(sys.executable)); print(sys.base_prefix)"}})
	if err != nil {
		return err
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if res.Status != cupel.StatusOK || len(lines) != 2 {
		b.note("there is no python3 in the sandbox, so nothing but true is measured: apt install python3")
		return nil
	}
	b.python, b.prefix = string(lines[0]), string(lines[1])
	if _, err := exec.LookPath(b.python); err != nil {
		b.note("the sandbox's %s is not this machine's, so nothing but true is measured", b.python)
		b.python = ""
	}
	b.report.Python = b.python
	return nil
}

func (b *bench) close() error {
	var errs []error
	if b.engine != nil {
		errs = append(errs, b.engine.Close())
	}
	if b.service != nil {
		errs = append(errs, b.service.Close())
	}
	if b.null != nil {
		errs = append(errs, b.null.Close())
	}
	if b.dir != "" {
		errs = append(errs, os.RemoveAll(b.dir))
	}
	return errors.Join(errs...)
}

func (b *bench) wants(part string) bool {
	return len(b.cfg.Only) == 0 || slices.Contains(b.cfg.Only, part)
}

func (b *bench) measure(ctx context.Context) error {
	ways, done, err := b.ways(ctx)
	if err != nil {
		return err
	}
	defer done()
	programs := []Program{trueProgram()}
	if b.python != "" {
		programs = append(programs, checkProgram(b.python))
	}
	for _, p := range programs {
		if !b.wants(p.Name) {
			continue
		}
		b.cfg.Progress(p.Name)
		rows, err := b.latency(ctx, p, ways)
		if err != nil {
			return err
		}
		b.report.Latency = append(b.report.Latency, rows...)
	}
	if b.wants(PartHeap) {
		if err := underHeap(func() error { return b.withHeap(ctx, programs, ways) }); err != nil {
			return err
		}
	}
	if b.wants(PartThroughput) && b.python != "" {
		b.cfg.Progress(PartThroughput)
		b.report.Throughput, err = b.throughput(ctx, checkProgram(b.python))
	}
	return err
}

func (b *bench) withHeap(ctx context.Context, programs []Program, ways []way) error {
	for _, p := range programs {
		b.cfg.Progress(p.Name + " with a large heap")
		rows, err := b.latency(ctx, p, ways)
		if err != nil {
			return err
		}
		for i := range rows {
			rows[i].HeapMiB = heapMiB
		}
		b.report.Latency = append(b.report.Latency, rows...)
	}
	return nil
}

// ways lists what is compared, the plain one first. done closes what they hold.
func (b *bench) ways(ctx context.Context) (list []way, done func(), err error) {
	list = []way{b.plain}
	tools, stop := b.tools()
	list = append(list, tools...)
	list = append(list, &cold{b.engine, b.cfg.Spec})
	sb, err := b.engine.Create(ctx, b.cfg.Spec)
	if err != nil {
		stop()
		return nil, nil, err
	}
	if r, ok := sb.(cupel.Resetter); ok {
		list = append(list, &warm{sb, r})
	} else {
		b.note("the %s engine has no reset, so there is no warm row", b.ref.Name)
	}
	return list, func() { _ = sb.Close(); stop() }, nil
}
