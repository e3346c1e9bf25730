package service

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/engine/fake"
)

func TestEqualConfigsShareOneEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var opened atomic.Int64
		var log bytes.Buffer
		s := New(Config{
			Log: slog.New(slog.NewTextHandler(&log, nil)),
			Open: func(context.Context, EngineRef) (cupel.Engine, error) {
				opened.Add(1)
				time.Sleep(time.Second)
				return fake.Open(fake.Config{}), nil
			},
		})
		defer s.Close()
		use := func(config string) {
			h, err := s.Create(t.Context(), EngineRef{Name: "fake", Config: json.RawMessage(config)})
			if err != nil {
				t.Error(err)
				return
			}
			h.Close()
		}
		var wg sync.WaitGroup
		for _, config := range []string{"", "null", "{}", " { } "} {
			wg.Go(func() { use(config) })
		}
		wg.Wait()
		if n := opened.Load(); n != 1 {
			t.Errorf("opened %d engines for empty configs, want 1", n)
		}
		use(`{"a": 1, "b": [2]}`)
		use(`{"b":[2],"a":1}`)
		if n := opened.Load(); n != 2 {
			t.Errorf("opened %d engines, want 2: the order of keys means nothing", n)
		}
		use(`{"a":2,"b":[2]}`)
		if n := opened.Load(); n != 3 {
			t.Errorf("opened %d engines, want 3: another config is another engine", n)
		}
		if n := strings.Count(log.String(), "Local sandbox manager started"); n != 3 {
			t.Errorf("the start was logged %d times, want once an engine (3)", n)
		}
	})
}

func TestBadEngineConfigIsRefused(t *testing.T) {
	s, _ := startService(t, Config{}, fake.Config{})
	for _, config := range []string{"[1]", "{", `{} {}`, `"x"`, "7"} {
		_, err := s.Create(t.Context(), EngineRef{Name: "fake", Config: json.RawMessage(config)})
		wantKind(t, err, cupel.Invalid)
	}
}

func TestCancelledWaiterDoesNotCancelTheSharedStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := fake.New(t, fake.Config{})
		s := New(Config{Open: func(ctx context.Context, _ EngineRef) (cupel.Engine, error) {
			if err := fake.Sleep(ctx, time.Minute); err != nil {
				return nil, err
			}
			return e, nil
		}})
		defer s.Close()
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := s.Create(impatient, ref)
			wantKind(t, err, cupel.Canceled)
		})
		wg.Go(func() {
			h, err := s.Create(t.Context(), ref)
			if err != nil {
				t.Error(err)
				return
			}
			h.Close()
		})
		wg.Wait()
	})
}

func TestFailedStartIsToldToAllAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := fake.New(t, fake.Config{})
		var tries atomic.Int64
		s := New(Config{Open: func(context.Context, EngineRef) (cupel.Engine, error) {
			time.Sleep(time.Second)
			if tries.Add(1) == 1 {
				return nil, cupel.Errorf(cupel.Unavailable, "open", "no daemon")
			}
			return e, nil
		}})
		defer s.Close()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, err := s.Create(t.Context(), ref)
				wantKind(t, err, cupel.Unavailable)
			})
		}
		wg.Wait()
		h, err := s.Create(t.Context(), ref)
		if err != nil || tries.Load() != 2 {
			t.Fatalf("after a failed start: %v after %d tries, want success at the second", err, tries.Load())
		}
		h.Close()
	})
}

func TestCloseDrainsThenRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := startService(t, Config{}, fake.Config{OnExec: func(ctx context.Context, _ *fake.Sandbox, _ cupel.Cmd) (cupel.Result, error) {
			return fake.OK(), fake.Sleep(ctx, time.Minute)
		}})
		p := pool(t, s, PoolConfig{Size: 2})
		h, err := s.Create(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := h.Exec(t.Context(), cmd("sleep")); err != nil {
				t.Errorf("accepted Exec was not drained: %v", err)
			}
		})
		wg.Go(func() {
			err := p.Run(t.Context(), func(ctx context.Context, sb cupel.Sandbox) error {
				_, err := sb.Exec(ctx, cmd("sleep"))
				return err
			})
			if err != nil {
				t.Errorf("accepted Run was not drained: %v", err)
			}
		})
		synctest.Wait()
		for range 2 {
			wg.Go(func() { s.Close() })
		}
		synctest.Wait()
		_, err = h.Exec(t.Context(), cmd("late"))
		wantKind(t, err, cupel.Closed)
		_, err = s.Create(t.Context(), ref)
		wantKind(t, err, cupel.Closed)
		_, err = s.Pool(t.Context(), PoolConfig{Engine: ref})
		wantKind(t, err, cupel.Closed)
		if err == nil || !strings.Contains(err.Error(), "closing") {
			t.Errorf("error = %v, want it to name the phase", err)
		}
		wantKind(t, p.Run(t.Context(), nil), cupel.Closed)
		wg.Wait()
		if n := e.Counts().Open; n != 0 {
			t.Errorf("%d sandboxes left open", n)
		}
		if err := s.Close(); err != nil {
			t.Errorf("second Close = %v", err)
		}
	})
}

func TestCloseCancelsASlowStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(Config{Open: func(ctx context.Context, _ EngineRef) (cupel.Engine, error) {
			return nil, fake.Sleep(ctx, time.Hour)
		}})
		began := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := s.Create(t.Context(), ref)
			wantKind(t, err, cupel.Canceled)
		})
		synctest.Wait()
		s.Close()
		wg.Wait()
		if d := time.Since(began); d > time.Second {
			t.Errorf("closing took %v, want the start to be cancelled", d)
		}
	})
}

func TestShutdownCancelsWorkWhenItsContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := startService(t, Config{}, fake.Config{OnExec: func(ctx context.Context, _ *fake.Sandbox, _ cupel.Cmd) (cupel.Result, error) {
			return fake.OK(), fake.Sleep(ctx, time.Hour)
		}})
		h, err := s.Create(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := h.Exec(t.Context(), cmd("sleep"))
			wantKind(t, err, cupel.Canceled)
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		s.Shutdown(ctx)
		wg.Wait()
		if d := time.Since(began); d > 2*time.Second {
			t.Errorf("shutdown took %v", d)
		}
	})
}

func TestOneEngineThatDoesNotCloseKeepsNoOtherOpen(t *testing.T) {
	broken := errors.New("cannot stop")
	var closed atomic.Int64
	s := New(Config{Open: func(context.Context, EngineRef) (cupel.Engine, error) {
		return fake.New(t, fake.Config{OnEngineClose: func() error {
			closed.Add(1)
			return broken
		}}), nil
	}})
	for _, name := range []string{"a", "b"} {
		if _, err := s.Create(t.Context(), EngineRef{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); !errors.Is(err, broken) {
		t.Errorf("Close() = %v, want the engine's failure", err)
	}
	if n := closed.Load(); n != 2 {
		t.Errorf("%d engines were closed, want 2", n)
	}
}

func TestHandle(t *testing.T) {
	s, e := startService(t, Config{}, fake.Config{})
	h, err := s.Create(t.Context(), ref,
		cupel.Spec{Dir: "/a", Env: map[string]string{"A": "1", "B": "1"}, Limits: cupel.Limits{Processes: 7}},
		cupel.Spec{Dir: "/b", Env: map[string]string{"B": "2"}})
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.Create(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if h.ID() == other.ID() {
		t.Errorf("two handles share sandbox %s", h.ID())
	}
	if res, err := h.Exec(t.Context(), cmd("true")); err != nil || res.Status != cupel.StatusOK {
		t.Errorf("Exec = %+v, %v", res, err)
	}
	wantKind(t, h.Put(t.Context(), "/b", strings.NewReader("")), "")
	_, err = h.Get(t.Context(), "/b")
	wantKind(t, err, cupel.NotFound)
	_, err = h.Exec(t.Context(), cupel.Cmd{Args: []string{"x"}, Limits: cupel.Limits{Processes: 8}})
	wantKind(t, err, cupel.Invalid)
	for range 2 {
		if err := h.Close(); err != nil {
			t.Errorf("Close = %v", err)
		}
	}
	if n := e.Counts().Close; n != 1 {
		t.Errorf("the sandbox was closed %d times, want once", n)
	}
	_, err = h.Exec(t.Context(), cmd("true"))
	wantKind(t, err, cupel.Closed)
	if err == nil || !strings.Contains(err.Error(), "already closed") {
		t.Errorf("error = %v, want it to say: already closed", err)
	}
	wantKind(t, h.Put(t.Context(), "/b", strings.NewReader("")), cupel.Closed)
	_, err = h.Get(t.Context(), "/b")
	wantKind(t, err, cupel.Closed)
}

func TestHandleSpecsAreMergedOverTheDefault(t *testing.T) {
	var got cupel.Spec
	s, _ := startService(t, Config{}, fake.Config{OnCreate: func(_ context.Context, spec cupel.Spec) error {
		got = spec
		return nil
	}})
	_, err := s.Create(t.Context(), ref,
		cupel.Spec{Dir: "/a", Env: map[string]string{"A": "1", "B": "1"}, Limits: cupel.Limits{Processes: 7}},
		cupel.Spec{Dir: "/b", Env: map[string]string{"B": "2"}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Dir != "/b" || got.Env["A"] != "1" || got.Env["B"] != "2" || got.Limits.Processes != 7 || got.Image != "host" {
		t.Errorf("spec = %+v", got)
	}
	_, err = s.Create(t.Context(), ref, cupel.Spec{Dir: "relative"})
	wantKind(t, err, cupel.Invalid)
}

func TestHandleResetIsTheEngines(t *testing.T) {
	s, e := startService(t, Config{}, fake.Config{})
	h, err := s.Create(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Reset(t.Context()); err != nil || e.Counts().Reset != 1 {
		t.Errorf("%v after %d resets", err, e.Counts().Reset)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
	wantKind(t, h.Reset(t.Context()), cupel.Closed)

	s, _ = startService(t, Config{}, fake.Config{NoReset: true})
	if h, err = s.Create(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	wantKind(t, h.Reset(t.Context()), cupel.Unsupported)
}
