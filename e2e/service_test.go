//go:build linux

package e2e

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/engines"
	"cupel.dev/cupel/service"
)

func openService(t *testing.T) *service.Service {
	t.Helper()
	t.Setenv("CUPEL_CACHE", t.TempDir())
	svc := service.New(service.Config{Open: func(ctx context.Context, ref service.EngineRef) (cupel.Engine, error) {
		return engines.Open(ctx, ref.Name, ref.Config)
	}})
	t.Cleanup(func() {
		if err := svc.Close(); err != nil {
			t.Error(err)
		}
	})
	return svc
}

// Sixty-four programs of 0.3 s CPU each are started at once, with a wall limit
// of 2 s: on two cores the last has to wait four times that long. Waiting is no
// run time, so none of them may time out.
func TestWaitingIsNoRunTime(t *testing.T) {
	svc := openService(t)
	spec := cupel.Spec{Limits: cupel.Limits{Time: 2 * time.Second, CPUTime: 2 * time.Second, Memory: 64 * cupel.MiB}}
	const programs = 64
	pool, err := svc.Pool(t.Context(), service.PoolConfig{Engine: service.EngineRef{Name: "native"}, Spec: spec, Size: programs})
	if err != nil {
		t.Fatal(err)
	}
	burn := cupel.Cmd{Args: []string{"python3", "-c", "import time\nwhile time.process_time() < 0.3: pass"}}
	var all sync.WaitGroup
	for range programs {
		all.Go(func() {
			err := pool.Run(t.Context(), func(ctx context.Context, sb cupel.Sandbox) error {
				res, err := sb.Exec(ctx, burn)
				if err == nil && res.Status != cupel.StatusOK {
					t.Errorf("%s %v after %v", res.Status, res.LimitsHit, res.Usage.Wall)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// What one borrower leaves behind, the next never sees, wherever it was put;
// and a sandbox of one Spec is never lent for another.
func TestNothingPassesFromOneBorrowerToTheNext(t *testing.T) {
	svc := openService(t)
	const plant = `for d in . ~ /tmp /dev/shm; do echo canary > $d/canary; done
		(setsid sleep 100 &) ; exit 0`
	const look = `ls ./canary ~/canary /tmp/canary /dev/shm/canary 2>/dev/null; pgrep sleep; echo "$MARK"`
	for round := range 20 {
		for _, mark := range []string{"one", "two"} {
			pool, err := svc.Pool(t.Context(), service.PoolConfig{Engine: service.EngineRef{Name: "native"}, Size: 1,
				Spec: cupel.Spec{Env: map[string]string{"MARK": mark}}})
			if err != nil {
				t.Fatal(err)
			}
			err = pool.Run(t.Context(), func(ctx context.Context, sb cupel.Sandbox) error {
				_, out, _, err := cupel.Output(ctx, sb, cupel.Cmd{Args: []string{"bash", "-c", look}})
				if got := strings.TrimSpace(string(out)); err == nil && got != mark {
					t.Errorf("round %d: the borrower of %q sees %q", round, mark, got)
				}
				if err == nil {
					_, err = sb.Exec(ctx, cupel.Cmd{Args: []string{"bash", "-c", plant}})
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}
