package native

import (
	"context"
	"runtime"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/linux/space"
)

// watch is what is seen of a run while it goes on.
type watch struct {
	run      *run
	started  time.Time
	cause    cupel.LimitName // the limit that we ended the program for
	hits     map[cupel.LimitName]bool
	canceled error
	peak     int64 // memory, sampled
	tasks    int   // most tasks, sampled
	cpu      time.Duration
	exit     space.Exit
	exitErr  error
	ended    time.Time
}

// supervise waits for the program's end, ends it for a limit or when asked,
// and makes the result.
func (r *run) supervise(ctx context.Context) (cupel.Result, error) {
	w := &watch{run: r, started: time.Now(), hits: map[cupel.LimitName]bool{}}
	done := make(chan struct{})
	go func() {
		w.exit, w.exitErr = r.process.Wait()
		w.ended = time.Now()
		close(done)
	}()
	w.loop(ctx, done)
	<-done
	w.evidence()
	used := r.process.End()
	r.streams.finish()
	w.hits[cupel.LimitOutput] = r.streams.out.truncated() || r.streams.err.truncated()
	return w.result(used)
}

// loop runs until the program has ended, or has been killed for a reason.
func (w *watch) loop(ctx context.Context, done <-chan struct{}) {
	r := w.run
	wall := time.NewTimer(r.limits.Time)
	defer wall.Stop()
	tick := time.NewTimer(w.nextTick())
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			w.canceled = context.Cause(ctx)
		case <-r.stopped:
			w.canceled = errClosed("exec")
		case <-wall.C:
			w.cause = cupel.LimitTime
		case <-r.streams.flood:
			w.cause = cupel.LimitOutput
		case <-tick.C:
			w.look()
			tick.Reset(w.nextTick())
		}
		if w.cause != "" || w.canceled != nil {
			if r.leaf == nil {
				w.sampleProc() // what is killed takes its CPU time along
			}
			r.process.Kill()
			return
		}
	}
}

// Ticks of the watcher: often where it is what enforces a limit, else only
// when the CPU time may have run out, and now and then.
const (
	watcherTick = 5 * time.Millisecond
	minTick     = 2 * time.Millisecond
	maxTick     = 200 * time.Millisecond
)

// nextTick is when to look again: a tree on n cores can't use up its CPU time
// sooner than the rest of it divided by n.
func (w *watch) nextTick() time.Duration {
	e := w.run.sandbox.engine
	if !e.controls("memory") || !e.controls("pids") {
		return watcherTick
	}
	left := (w.run.limits.CPUTime - w.cpu) / time.Duration(runtime.NumCPU())
	return min(max(left, minTick), maxTick)
}

// look samples what the run uses and decides whether a limit is passed.
func (w *watch) look() {
	w.sample()
	w.lookAtDisk()
	limits := w.run.limits
	switch {
	case w.cpu >= limits.CPUTime:
		w.cause = cupel.LimitCPU
	case w.hits[cupel.LimitMemory]:
		w.cause = cupel.LimitMemory
	}
}

// sample reads the cgroup's counters, or /proc where a controller is missing.
func (w *watch) sample() {
	r, e := w.run, w.run.sandbox.engine
	if r.leaf != nil {
		if st, err := r.leaf.Stat(); err == nil {
			if cpu := st.CPUUser + st.CPUSys; cpu > w.cpu {
				w.cpu = cpu
			}
			w.tasks = max(w.tasks, st.Processes, st.ProcessesPeak)
			w.peak = max(w.peak, st.MemoryPeak)
			w.hits[cupel.LimitMemory] = w.hits[cupel.LimitMemory] || st.OOMKills > 0
			w.hits[cupel.LimitProcesses] = w.hits[cupel.LimitProcesses] || st.ProcessMaxHits > 0
		}
	}
	if e.controls("memory") && e.controls("pids") {
		return
	}
	w.sampleProc()
}

// sampleProc looks at the processes themselves.
func (w *watch) sampleProc() {
	r, e := w.run, w.run.sandbox.engine
	s, err := r.process.Watch(e.bound.Load())
	if err != nil {
		return // it is ending
	}
	w.cpu = max(w.cpu, s.CPU)
	w.tasks = max(w.tasks, s.Tasks)
	if s.Tasks >= r.limits.Processes && !e.controls("pids") {
		w.hits[cupel.LimitProcesses] = true
	}
	if e.controls("memory") {
		return
	}
	files := int64(0)
	if d, err := r.sandbox.disk(); err == nil {
		files = max(d.UsedBytes-w.run.before.UsedBytes, 0) // of this run
	}
	used, limit := s.Resident+files, int64(r.limits.Memory)
	if used > limit {
		used = s.Proportional() + files
	}
	w.peak = max(w.peak, used)
	if used > limit {
		w.hits[cupel.LimitMemory] = true
	}
}

// disk measures the private files.
func (s *Sandbox) disk() (space.Disk, error) {
	s.mu.Lock()
	sp := s.space
	s.mu.Unlock()
	if sp == nil {
		return space.Disk{}, errClosed("measure")
	}
	return sp.Disk()
}

// lookAtDisk notes a tmpfs that filled up during this run.
func (w *watch) lookAtDisk() {
	d, err := w.run.sandbox.disk()
	if err != nil {
		return
	}
	if d.FreeBytes == 0 && w.run.before.FreeBytes > 0 {
		w.hits[cupel.LimitDisk] = true
	}
	if d.FreeInodes == 0 && w.run.before.FreeInodes > 0 {
		w.hits[cupel.LimitInodes] = true
	}
}

// evidence looks once more, when the program has ended and its leftovers are
// still there to be counted.
func (w *watch) evidence() {
	w.lookAtDisk()
	if w.run.leaf != nil {
		w.sample()
	}
}
