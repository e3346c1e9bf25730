//go:build linux

package cgroup

import (
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestMemoryLimitKills(t *testing.T) {
	m := manager(t, "memory")
	const limit = 48 << 20
	l := acquire(t, m, Limits{Memory: limit})
	_, state := run(t, l, "hog "+strconv.Itoa(4*limit))
	if ws := state.Sys().(syscall.WaitStatus); ws.Signal() != syscall.SIGKILL {
		t.Fatalf("a program that used four times its memory limit ended with %v", state)
	}
	s := stat(t, l)
	t.Logf("%+v", s)
	if s.OOMKills < 1 || s.MemoryMaxHits < 1 {
		t.Errorf("no evidence of the memory limit: %+v", s)
	}
	// What the kernel can't refuse may stand a few pages above.
	if s.MemoryPeak < limit*9/10 || s.MemoryPeak > limit+1<<20 {
		t.Errorf("peak %d of limit %d", s.MemoryPeak, limit)
	}
	if n, err := l.OOMKills(); err != nil || n != s.OOMKills {
		t.Errorf("OOMKills %d (%v), Stat says %d", n, err, s.OOMKills)
	}
	l.Release()

	l = acquire(t, m, Limits{Memory: limit})
	if s := stat(t, l); s.OOMKills != 0 || s.MemoryMaxHits != 0 || s.MemoryPeak > MaxResidue || s.CPUUser != 0 {
		t.Errorf("the next program starts with %+v", s)
	}
	if out, state := run(t, l, "hog "+strconv.Itoa(limit/2)); !state.Success() {
		t.Errorf("half of the limit after a kill in the same leaf: %v %s", state, out)
	}
	if s := stat(t, l); s.OOMKills != 0 || s.MemoryPeak < limit/2 {
		t.Errorf("half of the limit: %+v", s)
	}
	l.Release()
}

func TestMemoryLimitMoves(t *testing.T) {
	m := manager(t, "memory")
	for _, limit := range []int64{32 << 20, 256 << 20, 64 << 20, 0, 128 << 20, 0} {
		l := acquire(t, m, Limits{Memory: limit})
		want := limit
		if want == 0 {
			want = 300 << 20
		}
		if out, state := run(t, l, "hog "+strconv.FormatInt(want*3/4, 10)); !state.Success() {
			t.Errorf("three quarters of limit %d: %v %s", limit, state, out)
		}
		if limit != 0 {
			if _, state := run(t, l, "hog "+strconv.FormatInt(limit*5/4, 10)); state.Success() {
				t.Errorf("a quarter above limit %d passed", limit)
			}
		}
		l.Release()
	}
}

func TestProcessLimit(t *testing.T) {
	m := manager(t, "pids")
	l := acquire(t, m, Limits{Processes: 40})
	out, _ := run(t, l, "fork 100")
	if n, err := strconv.Atoi(out); err != nil || n < 1 || n > 39 {
		t.Errorf("started %q processes under a limit of 40 tasks", out)
	}
	s := stat(t, l)
	t.Logf("%s started: %+v", out, s)
	if s.ProcessMaxHits < 1 || s.Processes != 0 {
		t.Errorf("after a bounded fork bomb: %+v", s)
	}
	if l.pids.peak != noFile && s.ProcessesPeak != 40 {
		t.Errorf("peak %d, limit 40", s.ProcessesPeak)
	}
	l.Release()
	l = acquire(t, m, Limits{})
	if s := stat(t, l); s.ProcessMaxHits != 0 || s.ProcessesPeak != 0 {
		t.Errorf("the next program starts with %+v", s)
	}
	if out, _ := run(t, l, "fork 20"); out != "20" {
		t.Errorf("without a limit after one: %s of 20 processes", out)
	}
	l.Release()
}

func TestCPULimitAndTimes(t *testing.T) {
	m := manager(t, "cpu")
	for _, cpus := range []float64{0.2, 0} {
		l := acquire(t, m, Limits{CPUs: cpus})
		_, state := run(t, l, "spin 600ms")
		s := stat(t, l)
		used, own := s.CPUUser+s.CPUSys, state.UserTime()+state.SystemTime()
		t.Logf("cpus %v: %v by the leaf, %v by rusage", cpus, used, own)
		// 600 ms at a fifth of a core is 120 ms, and one more period at most.
		if cpus != 0 && used > 300*time.Millisecond {
			t.Errorf("spinning for 600 ms with %v cores used %v", cpus, used)
		}
		if used <= 0 || used > own+200*time.Millisecond {
			t.Errorf("the leaf counted %v, the process %v", used, own)
		}
		if total, err := l.CPUTime(); err != nil || total < used {
			t.Errorf("CPUTime %v (%v), Stat says %v", total, err, used)
		}
		l.Release()
	}
}

func TestKillAndReleaseOfABusyLeaf(t *testing.T) {
	m := manager(t)
	for _, how := range []string{"kill", "release"} {
		l := acquire(t, m, Limits{Processes: 100})
		for range 3 {
			cmd := start(t, l, "sleep")
			defer func() {
				if err := cmd.Wait(); cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
					t.Errorf("%s: child ended with %v", how, err)
				}
			}()
		}
		paths := leafPaths(l)
		if how == "kill" {
			if err := l.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		l.Release()
		for _, dir := range paths {
			if pids, err := processes(dir); err != nil || len(pids) > 0 {
				t.Errorf("%s: %v %v are left in %s", how, pids, err, dir)
			}
		}
		next := acquire(t, m, Limits{Processes: 100})
		if s := stat(t, next); s.Processes != 0 {
			t.Errorf("after %s the next leaf holds %d tasks", how, s.Processes)
		}
		if out, _ := run(t, next, "fork 3"); out != "3" {
			t.Errorf("after %s the next leaf forks %s of 3", how, out)
		}
		next.Release()
	}
}

// Killing must win against a program that forks as fast as it can.
func TestKillEndsAForkBomb(t *testing.T) {
	m := manager(t, "pids")
	for range 3 {
		l := acquire(t, m, Limits{Processes: 60, Memory: 256 << 20, CPUs: 1})
		cmd := start(t, l, "bomb")
		for s := stat(t, l); s.ProcessMaxHits == 0 && s.OOMKills == 0; s = stat(t, l) {
			time.Sleep(time.Millisecond)
		}
		if err := l.Kill(); err != nil {
			t.Fatal(err)
		}
		for _, dir := range leafPaths(l) {
			if pids, err := processes(dir); err != nil || len(pids) > 0 {
				t.Errorf("%v %v are left in %s", pids, err, dir)
			}
		}
		_ = cmd.Wait()
		if limit, err := read(l.pids.dir, "pids.max"); err != nil || limit != "60" {
			t.Errorf("the process limit is %s after Kill (%v)", limit, err)
		}
		l.Release()
	}
}

func TestManyLeavesAtOnce(t *testing.T) {
	m := manager(t)
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			l, err := m.Acquire(Limits{Memory: 64 << 20, Processes: 10 + i%3, CPUs: float64(i % 2)})
			if err != nil {
				t.Error(err)
				return
			}
			if i%10 == 0 {
				if _, state := run(t, l, "nothing"); !state.Success() {
					t.Error(state)
				}
			}
			if s, err := l.Stat(); err != nil || s.OOMKills != 0 {
				t.Errorf("%+v %v", s, err)
			}
			l.Release()
		})
	}
	wg.Wait()
	if len(m.idle) == 0 || len(m.idle) > maxIdle {
		t.Errorf("%d leaves in the pool", len(m.idle))
	}
}

func TestReuseIsFreeOfWritesAndAllocations(t *testing.T) {
	m := manager(t)
	limits := Limits{Memory: 64 << 20, Processes: 16}
	l := acquire(t, m, limits)
	l.Release()
	if l2 := acquire(t, m, limits); !m.singleUse() && l2 != l {
		t.Error("a clean leaf was not used again")
	} else {
		l2.Release()
	}
	if raced() {
		t.Skip("the race detector allocates")
	}
	if m.singleUse() {
		t.Skip("this kernel can't reset memory.peak: leaves are used once")
	}
	if n := testing.AllocsPerRun(100, func() {
		l, _ := m.Acquire(limits)
		_, _ = l.Stat()
		l.Release()
	}); n > 0 {
		t.Errorf("%v allocations a use", n)
	}
}

// raced reports whether the race detector is in this binary.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// singleUse reports whether leaves can't be used again here.
func (m *Manager) singleUse() bool {
	l, err := m.Acquire(Limits{})
	if err != nil {
		return false
	}
	defer l.Release()
	return l.memory != nil && !l.memory.resetPeak()
}

func TestStatAfterForeignRemoval(t *testing.T) {
	m := manager(t)
	l := acquire(t, m, Limits{})
	for _, dir := range leafPaths(l) {
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
	}
	if s, err := l.Stat(); err == nil {
		t.Errorf("the leaf is gone, and Stat says %+v", s)
	}
	l.Release()
	if _, state := run(t, acquire(t, m, Limits{}), "nothing"); !state.Success() {
		t.Error(state)
	}
}

func BenchmarkLeaf(b *testing.B) {
	limits := Limits{Memory: 64 << 20, Processes: 16}
	b.Run("pooled", func(b *testing.B) {
		m := manager(b)
		for b.Loop() {
			l := acquire(b, m, limits)
			stat(b, l)
			l.Release()
		}
	})
	b.Run("fresh", func(b *testing.B) {
		m := manager(b)
		for b.Loop() {
			l, err := m.fresh()
			if err == nil {
				err = l.setLimits(limits)
			}
			if err != nil {
				b.Fatal(err)
			}
			stat(b, l)
			if err := l.destroy(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		m, err := Open(Config{Name: "cupeltest"})
		if err == nil {
			err = m.Close()
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
