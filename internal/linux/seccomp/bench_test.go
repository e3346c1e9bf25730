//go:build linux && amd64

package seccomp

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// linear is the same policy as a list of comparisons, one for each number that
// is not simply allowed: what a straightforward compiler makes.
func linear(t testing.TB, p Policy) []unix.SockFilter {
	t.Helper()
	byNumber, err := calls(p)
	if err != nil {
		t.Fatal(err)
	}
	var b program
	next := b.ret(allow)
	unknown := b.ret(refuse(unix.ENOSYS))
	for nr, r := range slices.Backward(byNumber) {

		if r == nil {
			r = &rule{otherwise: refuse(unix.ENOSYS)}
		}
		if len(r.cases) > 0 || r.otherwise != allow {
			target := b.rule(r)
			next = b.jump(unix.BPF_JEQ, uint32(nr), target, next)
		}
	}
	root := b.jump(unix.BPF_JGE, uint32(len(byNumber)), unknown, next)
	b.fallInto(root)
	native := b.emit(load(offsetNumber))
	b.jump(unix.BPF_JEQ, auditArch, native, b.ret(kill))
	b.emit(load(offsetArch))
	prog, err := b.finish()
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// The two programs that the benchmark compares mean the same.
func TestLinearIsThePolicy(t *testing.T) {
	tree, list := compiled(t, Policy{}), linear(t, Policy{})
	for nr := range uint32(600) {
		d := data{nr: nr, arch: auditArch, args: [6]uint64{1, 1, 1}}
		if a, b := evaluate(t, tree, d), evaluate(t, list, d); a != b {
			t.Errorf("%d: tree %#x, list %#x", nr, a, b)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		compiled(b, Policy{})
	}
}

// BenchmarkAttach attaches both programs in turn, each to a thread that is
// then thrown away, and reports the medians and their ratio.
func BenchmarkAttach(b *testing.B) {
	tree, list := compiled(b, Policy{}), linear(b, Policy{})
	var treeTimes, listTimes []time.Duration
	for b.Loop() {
		treeTimes = append(treeTimes, attachTime(b, tree))
		listTimes = append(listTimes, attachTime(b, list))
	}
	t, l := median(treeTimes), median(listTimes)
	b.ReportMetric(float64(t.Nanoseconds())/1e3, "tree-µs")
	b.ReportMetric(float64(l.Nanoseconds())/1e3, "list-µs")
	b.ReportMetric(float64(l)/float64(t), "list/tree")
}

func attachTime(b *testing.B, prog []unix.SockFilter) time.Duration {
	b.Helper()
	done := make(chan time.Duration)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the filter
		start := time.Now()
		if err := attachProgram(prog, 0); err != nil {
			b.Error(err)
		}
		done <- time.Since(start)
	}()
	return <-done
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
