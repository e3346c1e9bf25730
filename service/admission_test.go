package service

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/engine/fake"
)

// cpuBound plays programs on so many cores: those that run at once share them.
func cpuBound(cores int, need time.Duration) func(context.Context, *fake.Sandbox, cupel.Cmd) (cupel.Result, error) {
	var mu sync.Mutex
	running := 0
	return func(ctx context.Context, _ *fake.Sandbox, c cupel.Cmd) (cupel.Result, error) {
		mu.Lock()
		running++
		mu.Unlock()
		began := time.Now()
		for left := need; left > 0; {
			const tick = 10 * time.Millisecond
			mu.Lock()
			share := min(1, float64(cores)/float64(running))
			mu.Unlock()
			if err := fake.Sleep(ctx, tick); err != nil {
				return cupel.Result{}, err
			}
			left -= time.Duration(share * float64(tick))
		}
		mu.Lock()
		running--
		mu.Unlock()
		res := fake.OK()
		res.Usage.Wall = time.Since(began)
		if res.Usage.Wall > c.Limits.Time {
			res.Status = cupel.StatusTimeLimit
		}
		return res, nil
	}
}

func TestManyAtOnceGiveNoFalseTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := startService(t, Config{Programs: 2, MemoryBudget: cupel.TiB}, fake.Config{OnExec: cpuBound(2, 300*time.Millisecond)})
		p := pool(t, s, PoolConfig{Size: 64})
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				err := p.Run(t.Context(), func(ctx context.Context, sb cupel.Sandbox) error {
					res, err := sb.Exec(ctx, cupel.Cmd{Args: []string{"burn"}, Limits: cupel.Limits{Time: 2 * time.Second}})
					if res.Status != cupel.StatusOK || res.Usage.Wall > time.Second {
						t.Errorf("status %s after %v: waiting counted as running", res.Status, res.Usage.Wall)
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := e.Counts().RunningPeak; n != 2 {
			t.Errorf("%d programs ran at once, want 2", n)
		}
		if st := s.Stats(); st.Admitted != 64 || st.Waited < time.Minute {
			t.Errorf("stats = %+v, want 64 admitted and their waiting reported", st)
		}
	})
}

func TestMemoryLimitsStayWithinTheBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var used, peak cupel.Size
		s, e := startService(t, Config{Programs: 8, MemoryBudget: cupel.GiB}, fake.Config{
			OnExec: func(ctx context.Context, _ *fake.Sandbox, c cupel.Cmd) (cupel.Result, error) {
				mu.Lock()
				used += c.Limits.Memory
				if c.Limits.Memory <= cupel.GiB {
					peak = max(peak, used)
				} else if used != c.Limits.Memory {
					t.Errorf("a program above the budget ran beside others (%v together)", used)
				}
				mu.Unlock()
				err := fake.Sleep(ctx, time.Second)
				mu.Lock()
				used -= c.Limits.Memory
				mu.Unlock()
				return fake.OK(), err
			},
		})
		p := pool(t, s, PoolConfig{Spec: cupel.Spec{Limits: cupel.Limits{Memory: 2 * cupel.GiB}}, Size: 40})
		sizes := []cupel.Size{300 * cupel.MiB, 2 * cupel.GiB, 100 * cupel.MiB, 600 * cupel.MiB}
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				p.Run(t.Context(), func(ctx context.Context, sb cupel.Sandbox) error {
					_, err := sb.Exec(ctx, cupel.Cmd{Args: []string{"x"}, Limits: cupel.Limits{Memory: sizes[i%4]}})
					return err
				})
			})
		}
		wg.Wait()
		if peak > cupel.GiB || e.Counts().Exec != 40 {
			t.Errorf("%v in use at once in %d programs, want at most 1GiB in 40", peak, e.Counts().Exec)
		}
	})
}

func TestNobodyOvertakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(2, 100, 100)
		var order []int
		var mu sync.Mutex
		var wg sync.WaitGroup
		for i, memory := range []cupel.Size{60, 95, 96, 10, 500, 97} {
			wg.Go(func() {
				if _, err := a.enter(t.Context(), memory); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				time.Sleep(time.Second)
				a.leave(memory)
			})
			synctest.Wait()
		}
		wg.Wait()
		if !slices.Equal(order, []int{0, 1, 2, 3, 4, 5}) {
			t.Errorf("admitted in order %v", order)
		}
	})
}

func TestAdmissionQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(1, 100, 2)
		if wait, err := a.enter(t.Context(), 1); wait != 0 || err != nil {
			t.Fatal(wait, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				wait, err := a.enter(ctx, 1)
				wantKind(t, err, cupel.Canceled)
				if wait != time.Second {
					t.Errorf("waited %v", wait)
				}
			})
		}
		synctest.Wait()
		_, err := a.enter(t.Context(), 1)
		wantKind(t, err, cupel.Exhausted)
		wg.Wait()
		a.leave(1)
		if st := a.stats(); st.Running != 0 || st.Queued != 0 || st.Admitted != 1 || st.Waited != 2*time.Second {
			t.Errorf("stats = %+v", st)
		}
	})
}

// A cancelled head of the queue must not keep those behind it waiting.
func TestAHeadThatGivesUpLetsTheNextIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAdmission(2, 100, 10)
		a.enter(t.Context(), 60)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { a.enter(ctx, 90) })
		synctest.Wait()
		wg.Go(func() {
			if wait, err := a.enter(t.Context(), 30); err != nil || wait != time.Second {
				t.Errorf("enter = %v, %v", wait, err)
			}
		})
		time.Sleep(time.Second)
		cancel()
		wg.Wait()
	})
}

func TestAHelperIsNotHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := startService(t, Config{Programs: 1}, fake.Config{OnExec: sleeper(time.Minute)})
		h, err := s.Create(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		began := time.Now()
		wg.Go(func() { h.Exec(t.Context(), cmd("program")) })
		synctest.Wait()
		wg.Go(func() { h.Exec(AsHelper(t.Context()), cmd("grader")) })
		wg.Wait()
		if d := time.Since(began); d != time.Minute || h.Waited() != 0 {
			t.Errorf("both took %v and waited %v, want 1m at once", d, h.Waited())
		}
	})
}

func TestMemoryBudgetReadsTheMachine(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	meminfo := write("meminfo", "MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:    2048 kB\n")
	if got := memAvailable(meminfo); got != 2*cupel.MiB {
		t.Errorf("memAvailable = %v", got)
	}
	write("v2/a/memory.max", "max\n")
	write("v2/a/b/memory.max", "5000\n")
	write("v2/memory.max", "7000\n")
	write("v1/memory/x/memory.limit_in_bytes", "4096\n")
	none := memAvailable(filepath.Join(dir, "absent"))
	tests := []struct {
		self, root string
		want       cupel.Size
	}{
		{"0::/a/b\n", "v2", 5000},
		{"0::/a/b/c\n", "v2", 5000},
		{"0::/a\n", "v2", 7000},
		{"0::/\n", "v2", 7000},
		{"3:memory:/x/y\n2:cpu:/q\n", "v1", 4096},
		{"garbage\n", "v1", none},
	}
	for i, tt := range tests {
		self := write(fmt.Sprint("self", i), tt.self)
		if got := cgroupLimit(self, filepath.Join(dir, tt.root)); got != tt.want {
			t.Errorf("cgroupLimit(%q) = %d, want %d", tt.self, got, tt.want)
		}
	}
	if memoryBudget() < cupel.MiB || cores() < 1 {
		t.Errorf("budget %v, cores %d", memoryBudget(), cores())
	}
}
