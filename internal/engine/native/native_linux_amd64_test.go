package native

import (
	"context"
	"testing"
	"time"

	"cupel.dev/cupel"
)

func open(t testing.TB, cfg Config) *Engine {
	t.Helper()
	e, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestSmoke(t *testing.T) {
	for _, cg := range []string{"auto", "none"} {
		e := open(t, Config{Cgroups: cg})
		sb, err := e.Create(t.Context(), cupel.Spec{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name   string
			limits cupel.Limits
			args   []string
		}{
			{"true", cupel.Limits{}, []string{"true"}},
			{"python", cupel.Limits{}, []string{"python3", "-c", "import sys,os;print(sys.version, os.getcwd(), os.environ, os.getuid())"}},
			{"loop", cupel.Limits{CPUTime: 300 * time.Millisecond}, []string{"python3", "-c", "while 1: pass"}},
			{"sleep", cupel.Limits{Time: 300 * time.Millisecond}, []string{"sleep", "10"}},
			{"memory", cupel.Limits{Memory: 64 << 20}, []string{"python3", "-c", "x=[b'x'*1000000 for i in range(400)]"}},
			{"fork", cupel.Limits{Processes: 8, Time: 2 * time.Second}, []string{"bash", "-c", "for i in {1..30}; do sleep 5 & done; wait; exit 1"}},
			{"disk", cupel.Limits{}, []string{"bash", "-c", "head -c 300M /dev/zero > /work/x"}},
			{"flood", cupel.Limits{}, []string{"cat", "/dev/zero"}},
			{"nothere", cupel.Limits{}, []string{"nothere"}},
			{"segv", cupel.Limits{}, []string{"bash", "-c", "kill -SEGV $$"}},
			{"daemon", cupel.Limits{}, []string{"bash", "-c", "setsid sleep 100 & exit 4"}},
		} {
			start := time.Now()
			res, out, errOut, err := cupel.Output(context.Background(), sb, cupel.Cmd{Args: c.args, Limits: c.limits})
			if len(out) > 300 {
				out = out[:300]
			}
			t.Logf("%s %s: %v %+v err=%v\n%s%s", cg, c.name, time.Since(start), res, err, out, errOut)
		}
		if err := sb.(cupel.Resetter).Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
