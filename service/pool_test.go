package service

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/engine/fake"
)

func sleeper(d time.Duration) func(context.Context, *fake.Sandbox, cupel.Cmd) (cupel.Result, error) {
	return func(ctx context.Context, _ *fake.Sandbox, _ cupel.Cmd) (cupel.Result, error) {
		return fake.OK(), fake.Sleep(ctx, d)
	}
}

func run(ctx context.Context, p *Pool) (res cupel.Result, err error) {
	err = p.Run(ctx, func(ctx context.Context, sb cupel.Sandbox) error {
		res, err = sb.Exec(ctx, cmd("true"))
		return err
	})
	return res, err
}

// Upstream keys pools without the sandbox's configuration, so that a second
// benchmark silently gets the first one's image.
func TestTwoSpecsNeverShareASandbox(t *testing.T) {
	var mu sync.Mutex
	madeFrom := map[string]string{}
	s, _ := startService(t, Config{}, fake.Config{OnExec: func(_ context.Context, sb *fake.Sandbox, c cupel.Cmd) (cupel.Result, error) {
		mu.Lock()
		defer mu.Unlock()
		if was := madeFrom[sb.ID()]; was != "" && was != c.Args[0] {
			t.Errorf("sandbox %s served %s and %s", sb.ID(), was, c.Args[0])
		}
		madeFrom[sb.ID()] = c.Args[0]
		return fake.OK(), nil
	}})
	specs := []cupel.Spec{
		{}, {Image: "dir:/x"}, {Env: map[string]string{"A": "1"}}, {Limits: cupel.Limits{Memory: cupel.GiB}},
		{User: "7"}, {Writable: true}, {Mounts: []cupel.Mount{{Source: "/a", Target: "/b"}}},
	}
	pools := map[*Pool]bool{}
	for i, spec := range specs {
		p := pool(t, s, PoolConfig{Spec: spec, Size: 2})
		pools[p] = true
		for range 3 {
			err := p.Run(t.Context(), func(ctx context.Context, sb cupel.Sandbox) error {
				_, err := sb.Exec(ctx, cmd(fmt.Sprint("spec", i)))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(pools) != len(specs) {
		t.Errorf("%d specs made %d pools", len(specs), len(pools))
	}
	if same := pool(t, s, PoolConfig{Spec: cupel.DefaultSpec()}); !pools[same] {
		t.Error("an empty spec and the default one are the same, and should share a pool")
	}
}

func TestAPoolThatCannotMakeASandboxIsAnError(t *testing.T) {
	var broken atomic.Bool
	broken.Store(true)
	s, e := startService(t, Config{}, fake.Config{OnCreate: func(context.Context, cupel.Spec) error {
		if broken.Load() {
			return cupel.Errorf(cupel.NotFound, "create", "no such image")
		}
		return nil
	}})
	_, err := s.Pool(t.Context(), PoolConfig{Engine: ref})
	wantKind(t, err, cupel.NotFound)
	broken.Store(false)
	p := pool(t, s, PoolConfig{Size: 2})
	broken.Store(true)
	// The sandbox that exists serves; the second one can't be made, and that
	// is the borrower's error, with its place given back.
	err = p.Run(t.Context(), func(ctx context.Context, _ cupel.Sandbox) error {
		for range 3 {
			_, err := run(ctx, p)
			wantKind(t, err, cupel.NotFound)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if c := e.Counts(); c.Create != 5 {
		t.Errorf("%d creates, want 5", c.Create)
	}
}

func TestConcurrentPoolsStartOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := startService(t, Config{}, fake.Config{OnCreate: func(ctx context.Context, _ cupel.Spec) error {
			return fake.Sleep(ctx, time.Second)
		}})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() { pool(t, s, PoolConfig{Size: i + 1}) })
		}
		wg.Wait()
		if n := e.Counts().Create; n != 1 {
			t.Errorf("%d sandboxes made, want 1: the rest is made when needed", n)
		}
		if n := pool(t, s, PoolConfig{Size: 3}).Stats().Size; n != 8 {
			t.Errorf("size = %d, want the largest asked for (8)", n)
		}
	})
}

func TestNextBorrowerSeesNothingOfTheLast(t *testing.T) {
	s, e := startService(t, Config{Programs: 1}, fake.Config{OnExec: func(_ context.Context, sb *fake.Sandbox, _ cupel.Cmd) (cupel.Result, error) {
		if v := sb.Value("canary"); v != nil {
			t.Errorf("found %v of an earlier run in %s", v, sb.ID())
		}
		sb.Set("canary", "alive")
		return fake.OK(), nil
	}})
	p := pool(t, s, PoolConfig{Size: 1})
	for i := range 20 {
		res, err := run(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 && res.Startup != cupel.StartupWarm {
			t.Errorf("startup = %q, the pool's first sandbox was waiting", res.Startup)
		}
	}
	s.Close()
	if c := e.Counts(); c.Create > 2 || c.Reset < 15 {
		t.Errorf("counts = %+v, want at most 2 sandboxes, reset and reused", c)
	}
}

func TestWhatCannotBeTrustedIsReplaced(t *testing.T) {
	tests := map[string]fake.Config{
		"reset fails": {OnReset: func(context.Context, *fake.Sandbox) error { return cupel.Errorf(cupel.Internal, "reset", "dirty") }},
		"reset hangs": {OnReset: func(ctx context.Context, _ *fake.Sandbox) error { return fake.Sleep(ctx, time.Hour) }},
		"no reset":    {NoReset: true},
		"engine failed": {OnExec: func(context.Context, *fake.Sandbox, cupel.Cmd) (cupel.Result, error) {
			return cupel.Result{}, cupel.Errorf(cupel.Internal, "exec", "init died")
		}},
	}
	for name, script := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, e := startService(t, Config{Programs: 1}, script)
				p := pool(t, s, PoolConfig{Size: 1})
				seen := map[string]bool{}
				for range 5 {
					p.Run(t.Context(), func(ctx context.Context, sb cupel.Sandbox) error {
						if seen[sb.ID()] {
							t.Errorf("%s was lent again", sb.ID())
						}
						seen[sb.ID()] = true
						_, err := sb.Exec(ctx, cmd("true"))
						return err
					})
				}
				time.Sleep(time.Hour)
				if st := p.Stats(); st.Replaced != 5 || st.Lent != 0 {
					t.Errorf("stats = %+v, want 5 replaced", st)
				}
				if c := e.Counts(); c.Open != 0 {
					t.Errorf("%d sandboxes open", c.Open)
				}
			})
		})
	}
}

func TestBorrowersAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := startService(t, Config{Programs: 4}, fake.Config{OnExec: sleeper(time.Second)})
		p := pool(t, s, PoolConfig{Size: 1})
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				p.Run(t.Context(), func(ctx context.Context, sb cupel.Sandbox) error {
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
					_, err := sb.Exec(ctx, cmd("sleep"))
					return err
				})
			})
			synctest.Wait()
		}
		wg.Wait()
		if !slices.IsSorted(order) || len(order) != 10 {
			t.Errorf("served in order %v", order)
		}
		// 0+1+…+9 seconds: waiting is reported.
		if w := p.Stats().Waited; w != 45*time.Second {
			t.Errorf("waited %v, want 45s", w)
		}
	})
}

func TestTheQueueIsBoundedAndLeftByTheCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := startService(t, Config{Programs: 1, Queue: 2}, fake.Config{OnExec: sleeper(time.Minute)})
		p := pool(t, s, PoolConfig{Size: 1})
		var wg sync.WaitGroup
		impatient, cancel := context.WithCancel(t.Context())
		wg.Go(func() { run(t.Context(), p) })
		synctest.Wait()
		wg.Go(func() {
			_, err := run(impatient, p)
			wantKind(t, err, cupel.Canceled)
		})
		wg.Go(func() {
			if _, err := run(t.Context(), p); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		_, err := run(t.Context(), p)
		wantKind(t, err, cupel.Exhausted)
		cancel()
		synctest.Wait()
		if n := p.Stats().Waiting; n != 1 {
			t.Errorf("%d wait, want 1", n)
		}
		wg.Wait()
	})
}

// Resets must not keep borrowers waiting: with as many workers as places, the
// next job starts at once although the last sandbox is still being reset.
func TestResetIsInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := startService(t, Config{Programs: 2}, fake.Config{
			OnExec:  sleeper(time.Second),
			OnReset: func(ctx context.Context, _ *fake.Sandbox) error { return fake.Sleep(ctx, 500*time.Millisecond) },
		})
		p := pool(t, s, PoolConfig{Size: 2})
		began := time.Now()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				for range 10 {
					run(t.Context(), p)
				}
			})
		}
		wg.Wait()
		if d := time.Since(began); d != 10*time.Second {
			t.Errorf("10 jobs of 1 s took a worker %v, want 10s", d)
		}
		if n := p.Stats().Created; n > 4 {
			t.Errorf("%d sandboxes for 2 workers, want at most 4", n)
		}
	})
}

func TestALeaseEndsWithItsFunction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := startService(t, Config{}, fake.Config{
			OnExec: sleeper(time.Hour),
			OnGet: func(context.Context, *fake.Sandbox, string) (io.ReadCloser, error) {
				return io.NopCloser(strings.NewReader("x")), nil
			},
		})
		p := pool(t, s, PoolConfig{})
		var kept cupel.Sandbox
		left := make(chan error, 1)
		began := time.Now()
		err := p.Run(t.Context(), func(_ context.Context, sb cupel.Sandbox) error {
			kept = sb
			go func() {
				_, err := sb.Exec(t.Context(), cmd("left", "behind"))
				left <- err
			}()
			if _, err := sb.Get(t.Context(), "/x"); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			return nil
		})
		if err != nil || time.Since(began) > time.Second {
			t.Errorf("Run = %v after %v", err, time.Since(began))
		}
		wantKind(t, <-left, cupel.Canceled)
		_, err = kept.Exec(t.Context(), cmd("late"))
		wantKind(t, err, cupel.Closed)
		_, err = kept.Get(t.Context(), "/x")
		wantKind(t, err, cupel.Closed)
	})
}

func TestAPanicGivesTheSandboxBack(t *testing.T) {
	s, _ := startService(t, Config{Programs: 1}, fake.Config{})
	p := pool(t, s, PoolConfig{Size: 1})
	func() {
		defer func() { recover() }()
		p.Run(t.Context(), func(context.Context, cupel.Sandbox) error { panic("bug") })
	}()
	if _, err := run(t.Context(), p); err != nil {
		t.Error(err)
	}
}

// Many borrowers with random cancellations: nothing is lost or lent twice.
func TestPoolUnderStress(t *testing.T) {
	var busy sync.Map
	s, e := startService(t, Config{Programs: 3}, fake.Config{
		OnExec: func(ctx context.Context, sb *fake.Sandbox, _ cupel.Cmd) (cupel.Result, error) {
			if _, twice := busy.LoadOrStore(sb.ID(), true); twice {
				t.Errorf("%s was lent twice", sb.ID())
			}
			defer busy.Delete(sb.ID())
			return fake.OK(), fake.Sleep(ctx, 100*time.Microsecond)
		},
		OnReset: func(_ context.Context, sb *fake.Sandbox) error {
			if strings.HasSuffix(sb.ID(), "3") {
				return cupel.Errorf(cupel.Internal, "reset", "no")
			}
			return nil
		},
	})
	p := pool(t, s, PoolConfig{Size: 5})
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for j := range 20 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration((i+j)%7+1)*500*time.Microsecond)
				run(ctx, p)
				cancel()
			}
		})
	}
	wg.Wait()
	if _, err := run(t.Context(), p); err != nil {
		t.Errorf("the pool is stuck: %v", err)
	}
	if st := s.Stats(); st.Running != 0 || st.Queued != 0 || st.Memory != 0 {
		t.Errorf("admission kept something: %+v", st)
	}
	s.Close()
	if st := p.Stats(); st.Lent != 0 || st.Waiting != 0 || p.made != 0 {
		t.Errorf("stats = %+v, made %d, want nothing left", st, p.made)
	}
	if c := e.Counts(); c.RunningPeak > 3 || c.Open != 0 {
		t.Errorf("counts = %+v", c)
	}
}
