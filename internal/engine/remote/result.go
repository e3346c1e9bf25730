package remote

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/wire/enclave"
)

// statusOf is the status that a limit stands for.
var statusOf = map[cupel.LimitName]cupel.Status{
	cupel.LimitTime:   cupel.StatusTimeLimit,
	cupel.LimitCPU:    cupel.StatusCPULimit,
	cupel.LimitMemory: cupel.StatusMemoryLimit,
	cupel.LimitOutput: cupel.StatusOutputLimit,
}

// result makes the Result from a frame, and writes the output.
func (r *run) result(ctx context.Context, f frame, answer enclave.ToolResult, took time.Duration) (cupel.Result, error) {
	res := r.blank(took)
	if wall := time.Duration(f.number("wall", 0)) * 10 * time.Millisecond; wall >= 0 {
		res.Usage.Wall = min(wall, took)
	}
	res.Usage.CPUUser, res.Usage.CPUSys = cpuTimes(f["cpu"])
	// Processes that nobody waited for are missing there.
	spent := time.Duration(f.number("spent", 0)) * 10 * time.Millisecond
	res.Usage.CPUUser += max(spent-res.Usage.CPUUser-res.Usage.CPUSys, 0)
	truncated, err := r.deliver(ctx, f)
	res.StdoutTruncated, res.StderrTruncated = truncated[0], truncated[1]
	if err != nil {
		return res, err
	}
	r.judge(&res, f)
	if server, ours := serverSays(answer); ours {
		server.add(&res)
	}
	return res, nil
}

// judge sets the status and the limits hit.
func (r *run) judge(res *cupel.Result, f frame) {
	code, signal := ending(f["code"])
	causes := strings.Fields(f["causes"])
	for _, c := range []cupel.LimitName{cupel.LimitTime, cupel.LimitCPU, cupel.LimitOutput} {
		if slices.Contains(causes, string(c)) {
			res.LimitsHit = append(res.LimitsHit, c)
		}
	}
	ended := len(res.LimitsHit) > 0
	hit := func(l cupel.LimitName) {
		if !slices.Contains(res.LimitsHit, l) {
			res.LimitsHit = append(res.LimitsHit, l)
		}
	}
	const tick = 10 * time.Millisecond
	if signal == "SIGXCPU" || !ended && res.Usage.CPUUser+res.Usage.CPUSys >= r.limits.CPUTime-tick && code != 0 {
		hit(cupel.LimitCPU)
	}
	before, after := f.number("oom", 0), f.number("oom", 1)
	if r.sandbox.outOfMemory(after); after > before && before >= 0 {
		hit(cupel.LimitMemory)
	} else if after < 0 {
		res.Usage.Unobserved = append(res.Usage.Unobserved, cupel.LimitMemory)
	}
	if res.StdoutTruncated || res.StderrTruncated {
		hit(cupel.LimitOutput)
	}
	if signal == "SIGXFSZ" {
		hit(cupel.LimitFileSize)
	}
	switch {
	case ended:
		res.Status = statusOf[res.LimitsHit[0]]
		return
	case code == 0:
		res.Status, res.ExitCode = cupel.StatusOK, 0
		return
	}
	res.Status, res.ExitCode, res.Signal = cupel.StatusNonzero, code, signal
	if signal != "" {
		res.Status, res.ExitCode = cupel.StatusSignaled, -1
	}
	for _, l := range res.LimitsHit {
		status, stands := statusOf[l]
		if !stands || l == cupel.LimitOutput {
			continue
		}
		res.Status = status
		if signal == "SIGKILL" || signal == "SIGXCPU" {
			res.Signal = "" // the limit's, not the program's
		}
		break
	}
}

// ending reads the shell's exit status and its line about the job, which tells
// an exit from a signal where the shell has one: "[1] + 7 Done(137)" is an
// exit. Without it, 128 and a signal's number mean that signal.
func ending(value string) (code int, signal string) {
	number, job, _ := strings.Cut(value, " ")
	code, err := strconv.Atoi(number)
	if err != nil {
		return 255, ""
	}
	if name := cupel.SignalName(code - 128); name != "" && !strings.Contains(job, "Done") && !strings.Contains(job, "Exit") {
		return -1, name
	}
	return code, ""
}

// cpuTimes is the difference of two lines of times: user and system time in
// the form 0m0.010s.
func cpuTimes(value string) (user, system time.Duration) {
	var t [4]time.Duration
	for i, word := range strings.Fields(value) {
		if d, err := time.ParseDuration(word); err == nil && i < len(t) {
			t[i] = d
		}
	}
	return max(t[2]-t[0], 0), max(t[3]-t[1], 0)
}

// deliver writes what the program wrote, up to the limit, and says which
// stream is longer.
func (r *run) deliver(ctx context.Context, f frame) (truncated [2]bool, err error) {
	left := false
	for i, stream := range []struct {
		name string
		to   io.Writer
	}{{"out", r.cmd.Stdout}, {"err", r.cmd.Stderr}} {
		data, err := f.data(stream.name)
		if err != nil {
			return truncated, cupel.Errorf(cupel.Internal, "exec", "the frame's %s: %w", stream.name, err)
		}
		w := &bounded{to: stream.to, left: int64(r.limits.Output)}
		_, _ = w.Write(data) // never fails
		if more := f.number(stream.name+".more", 0); more > 0 {
			left = true
			if w.to == nil {
				w.left -= int64(more)
			} else if err := r.sandbox.fetch(ctx, r.call, stream.name, int64(more), w); err != nil {
				return truncated, err
			}
		}
		truncated[i] = w.left < 0
	}
	if left {
		r.sandbox.discard(ctx, r.call)
	}
	return truncated, nil
}

// bounded writes so many bytes and counts the others. An error of the writer
// ends the writing: it is no fault of the program.
type bounded struct {
	to   io.Writer
	left int64 // negative when there was more
}

func (b *bounded) Write(p []byte) (int, error) {
	keep := p[:max(0, min(int64(len(p)), b.left))]
	b.left -= int64(len(p))
	if b.to != nil && len(keep) > 0 {
		if _, err := b.to.Write(keep); err != nil {
			b.to = nil
		}
	}
	return len(p), nil
}

// verdict is what Cupel's own server adds to a tool's result: how the whole
// execution ended there, script and program together.
type verdict struct {
	Status    cupel.Status
	LimitsHit []cupel.LimitName
	Memory    cupel.Size
}

// serverSays reads metadata["cupel"].
func serverSays(answer enclave.ToolResult) (verdict, bool) {
	doc, ok := answer.Metadata["cupel"].(map[string]any)
	if !ok {
		return verdict{}, false
	}
	var v verdict
	status, _ := doc["status"].(string)
	v.Status = cupel.Status(status)
	memory, _ := doc["memory_peak_bytes"].(float64)
	v.Memory = cupel.Size(max(memory, 0))
	list, _ := doc["limits_hit"].([]any)
	for _, l := range list {
		if name, ok := l.(string); ok {
			v.LimitsHit = append(v.LimitsHit, cupel.LimitName(name))
		}
	}
	return v, v.Status != ""
}

// ended says whether a limit or a signal ended the execution. A script that
// exits without a frame has a failure of its own.
func (v verdict) ended() bool {
	return v.Status == cupel.StatusSignaled || len(v.LimitsHit) > 0 && v.Status != cupel.StatusOK && v.Status != cupel.StatusNonzero
}

// apply is for an execution that the server, or a signal, ended.
func (v verdict) apply(res *cupel.Result) {
	res.Status, res.LimitsHit, res.Usage.MemoryPeak = v.Status, v.LimitsHit, v.Memory
	if v.Status == cupel.StatusSignaled {
		res.Signal, res.LimitsHit = "SIGKILL", nil
	}
}

// add is for a program that ended by itself, having run into limits that only
// the server sees.
func (v verdict) add(res *cupel.Result) {
	res.Usage.MemoryPeak = v.Memory
	for _, l := range v.LimitsHit {
		if l == cupel.LimitOutput || slices.Contains(res.LimitsHit, l) {
			continue
		}
		status, stands := serverStatus[l]
		if !stands {
			continue // one that the script ran into: it has its own
		}
		res.LimitsHit = append(res.LimitsHit, l)
		if res.Status == cupel.StatusNonzero || l == cupel.LimitMemory && res.Signal == "SIGKILL" {
			res.Status, res.Signal = status, ""
			// The one that is the status comes first.
			res.LimitsHit = append([]cupel.LimitName{l}, slices.DeleteFunc(res.LimitsHit, func(o cupel.LimitName) bool { return o == l })...)
		}
	}
	if v.seesMemory() {
		res.Usage.Unobserved = slices.DeleteFunc(res.Usage.Unobserved, func(l cupel.LimitName) bool { return l == cupel.LimitMemory })
	}
}

// seesMemory says whether the server watches memory.
func (v verdict) seesMemory() bool { return v.Memory > 0 }

// serverStatus are the limits that only a server can hold a program to.
var serverStatus = map[cupel.LimitName]cupel.Status{
	cupel.LimitMemory:    cupel.StatusMemoryLimit,
	cupel.LimitDisk:      cupel.StatusDiskLimit,
	cupel.LimitInodes:    cupel.StatusDiskLimit,
	cupel.LimitProcesses: cupel.StatusProcessLimit,
}
