package native

import (
	"os"
	"syscall"
	"testing"

	"cupel.dev/cupel"
)

// The benchmarks are of the engine alone; cupel bench compares it with other
// ways. Their allocations are the engine's own for one run.

const benchProgram = "/bin/true"

func openBench(b *testing.B, cfg Config) *Engine {
	b.Helper()
	e, err := Open(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	})
	return e
}

func runTrue(b *testing.B, sb cupel.Sandbox) {
	b.Helper()
	res, err := sb.Exec(b.Context(), cupel.Cmd{Args: []string{benchProgram}})
	if err != nil || res.Status != cupel.StatusOK {
		b.Fatalf("%+v, %v", res, err)
	}
}

func createBench(b *testing.B, e *Engine) cupel.Sandbox {
	b.Helper()
	sb, err := e.Create(b.Context(), cupel.Spec{})
	if err != nil {
		b.Fatal(err)
	}
	return sb
}

func closeBench(b *testing.B, sb cupel.Sandbox) {
	b.Helper()
	if err := sb.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkPlain is what all others are to be compared with.
func BenchmarkPlain(b *testing.B) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	attr := &syscall.ProcAttr{Files: []uintptr{null.Fd(), null.Fd(), null.Fd()}}
	b.ReportAllocs()
	for b.Loop() {
		pid, err := syscall.ForkExec(benchProgram, []string{benchProgram}, attr)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := syscall.Wait4(pid, nil, 0, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCold makes a sandbox, runs a program and removes the sandbox.
func BenchmarkCold(b *testing.B) {
	for _, cgroups := range []string{"auto", "none"} {
		b.Run("cgroups="+cgroups, func(b *testing.B) {
			e := openBench(b, Config{Cgroups: cgroups})
			b.ReportAllocs()
			for b.Loop() {
				sb := createBench(b, e)
				runTrue(b, sb)
				closeBench(b, sb)
			}
		})
	}
}

// BenchmarkColdCreate makes sandboxes and removes them.
func BenchmarkColdCreate(b *testing.B) {
	e := openBench(b, Config{})
	b.ReportAllocs()
	for b.Loop() {
		closeBench(b, createBench(b, e))
	}
}

// BenchmarkExec runs programs in one sandbox.
func BenchmarkExec(b *testing.B) {
	for _, cgroups := range []string{"auto", "none"} {
		b.Run("cgroups="+cgroups, func(b *testing.B) {
			sb := createBench(b, openBench(b, Config{Cgroups: cgroups}))
			b.ReportAllocs()
			for b.Loop() {
				runTrue(b, sb)
			}
		})
	}
}

// BenchmarkReset resets one sandbox.
func BenchmarkReset(b *testing.B) {
	sb := createBench(b, openBench(b, Config{}))
	b.ReportAllocs()
	for b.Loop() {
		if err := sb.(cupel.Resetter).Reset(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkColdParallel makes, runs and removes on every core.
func BenchmarkColdParallel(b *testing.B) {
	e := openBench(b, Config{})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			sb := createBench(b, e)
			runTrue(b, sb)
			closeBench(b, sb)
		}
	})
}
