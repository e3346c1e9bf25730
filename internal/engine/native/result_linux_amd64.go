package native

import (
	"syscall"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/linux/space"
)

// statusOf is the status that a limit stands for. Open files and file size
// have none of their own.
var statusOf = map[cupel.LimitName]cupel.Status{
	cupel.LimitTime:      cupel.StatusTimeLimit,
	cupel.LimitCPU:       cupel.StatusCPULimit,
	cupel.LimitMemory:    cupel.StatusMemoryLimit,
	cupel.LimitOutput:    cupel.StatusOutputLimit,
	cupel.LimitDisk:      cupel.StatusDiskLimit,
	cupel.LimitInodes:    cupel.StatusDiskLimit,
	cupel.LimitProcesses: cupel.StatusProcessLimit,
}

// precedence is the order in which limits name a failure when several were
// run into.
var precedence = []cupel.LimitName{cupel.LimitTime, cupel.LimitCPU, cupel.LimitMemory, cupel.LimitDisk,
	cupel.LimitInodes, cupel.LimitProcesses, cupel.LimitOutput, cupel.LimitFileSize}

// result makes the Result from what was seen.
func (w *watch) result(used space.Rusage) (cupel.Result, error) {
	r := w.run
	res := cupel.Result{
		ExitCode: w.exit.Code, Startup: r.startup, Isolation: r.sandbox.Isolation(),
		StdoutTruncated: r.streams.out.truncated(), StderrTruncated: r.streams.err.truncated(),
		Usage: w.usage(used),
	}
	if w.exitErr != nil {
		return res, machineError("wait for the program", w.exitErr)
	}
	w.judge(&res)
	if w.canceled != nil {
		kind := cupel.Canceled
		if cupel.KindOf(w.canceled) == cupel.Closed {
			kind = cupel.Closed
		}
		return res, &cupel.Error{Kind: kind, Op: "exec", Err: w.canceled}
	}
	if errno := r.process.ExecErrno; errno != 0 {
		code, err := notRun(errno)
		res.ExitCode, res.Status = code, cupel.StatusNonzero
		return res, err
	}
	return res, nil
}

// usage prefers the cgroup's counters, which also know of processes that no
// parent waited for.
func (w *watch) usage(used space.Rusage) cupel.Usage {
	u := cupel.Usage{
		Wall: w.ended.Sub(w.started), CPUUser: used.User, CPUSys: used.System,
		MemoryPeak:    cupel.Size(max(w.peak, used.MaxRSS)),
		ProcessesPeak: max(w.tasks, 1),
	}
	e := w.run.sandbox.engine
	if w.run.leaf != nil {
		if st, err := w.run.leaf.Stat(); err == nil && st.CPUUser+st.CPUSys > 0 {
			u.CPUUser, u.CPUSys = st.CPUUser, st.CPUSys
		}
		if e.controls("memory") {
			u.MemoryPeak = cupel.Size(w.peak)
		}
	}
	if lost := w.cpu - u.CPUUser - u.CPUSys; lost > 0 {
		u.CPUUser += lost // seen while it ran, of processes that nobody waited for
	}
	w.cpu = u.CPUUser + u.CPUSys
	u.Unobserved = []cupel.LimitName{cupel.LimitFiles}
	if !e.controls("pids") && !w.hits[cupel.LimitProcesses] {
		u.Unobserved = append(u.Unobserved, cupel.LimitProcesses)
	}
	return u
}

// judge sets the status and the limits hit.
func (w *watch) judge(res *cupel.Result) {
	const graceBelow = 10 * time.Millisecond // CPU clocks tick
	if w.cpu >= w.run.limits.CPUTime-graceBelow && (w.exit.Signal == syscall.SIGXCPU || w.cause == cupel.LimitCPU || w.cpu >= w.run.limits.CPUTime) {
		w.hits[cupel.LimitCPU] = true
	}
	if w.exit.Signal == syscall.SIGXFSZ {
		w.hits[cupel.LimitFileSize] = true
	}
	if w.exit.Signal != 0 {
		res.Signal = signalName(w.exit.Signal)
	}
	if w.cause != "" {
		w.hits[w.cause] = true
		res.LimitsHit = append(res.LimitsHit, w.cause)
	}
	for _, l := range precedence {
		if w.hits[l] && l != w.cause {
			res.LimitsHit = append(res.LimitsHit, l)
		}
	}
	res.Status = w.status(res.LimitsHit)
	if w.cause != "" || res.Status == cupel.StatusMemoryLimit && w.exit.Signal == syscall.SIGKILL {
		res.Signal, res.ExitCode = "", -1 // the limit's signal, not the program's
	}
}

func (w *watch) status(hits []cupel.LimitName) cupel.Status {
	if w.cause != "" {
		return statusOf[w.cause]
	}
	if w.exit.Signal == 0 && w.exit.Code == 0 {
		return cupel.StatusOK
	}
	for _, l := range hits {
		if s, ok := statusOf[l]; ok {
			return s
		}
	}
	if w.exit.Signal != 0 {
		return cupel.StatusSignaled
	}
	return cupel.StatusNonzero
}

// signalName is "SIGSEGV"-style, from the kernel's numbers.
func signalName(s syscall.Signal) string { return space.SignalName(s) }
