package service

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/engine/fake"
)

func TestUnusedPoolGivesItsSandboxesUpAndBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := startService(t, Config{PoolIdle: time.Minute}, fake.Config{})
		p := pool(t, s, PoolConfig{Size: 2})
		for range 3 {
			time.Sleep(40 * time.Second)
			if _, err := run(t.Context(), p); err != nil {
				t.Fatal(err)
			}
		}
		if n := e.Counts().Create; n != 1 {
			t.Errorf("a pool in use made %d sandboxes, want 1", n)
		}
		time.Sleep(2 * time.Minute)
		if n := e.Counts().Open; n != 0 {
			t.Errorf("an unused pool keeps %d sandboxes", n)
		}
		if _, err := run(t.Context(), p); err != nil {
			t.Errorf("a retired pool in an old hand: %v", err)
		}
		if pool(t, s, PoolConfig{Size: 2}) == p {
			t.Error("the retired pool is still given out")
		}
	})
}

func TestPoolInUseIsNotRetired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, e := startService(t, Config{PoolIdle: time.Second}, fake.Config{OnExec: sleeper(time.Minute)})
		if _, err := run(t.Context(), pool(t, s, PoolConfig{Size: 1})); err != nil {
			t.Error(err)
		}
		if n := e.Counts().Create; n != 1 {
			t.Errorf("%d sandboxes were made", n)
		}
	})
}

func TestMaxWaitBoundsWaitingAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := startService(t, Config{Programs: 1}, fake.Config{OnExec: sleeper(10 * time.Second)})
		p := pool(t, s, PoolConfig{Size: 1})
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := run(WithMaxWait(t.Context(), time.Second), p); err != nil {
				t.Errorf("a run that didn't wait: %v", err)
			}
		})
		synctest.Wait()
		began := time.Now()
		_, err := run(WithMaxWait(t.Context(), 3*time.Second), p)
		wantKind(t, err, cupel.Exhausted)
		if !errors.Is(err, ErrWaited) || time.Since(began) != 3*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		// The second wait of one borrower, for admission, is part of the sum.
		other := pool(t, s, PoolConfig{Size: 1, Spec: cupel.Spec{User: "7"}})
		err = other.Run(WithMaxWait(t.Context(), 3*time.Second), func(ctx context.Context, sb cupel.Sandbox) error {
			_, err := sb.Exec(ctx, cmd("true"))
			return err
		})
		if !errors.Is(err, ErrWaited) {
			t.Errorf("waiting for admission: %v", err)
		}
		wg.Wait()
	})
}
