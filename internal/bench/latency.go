package bench

import (
	"context"
	"math/rand/v2"
	"runtime"
	"time"

	"cupel.dev/cupel"
)

// Row is one way of running one program.
type Row struct {
	Program string `json:"program"`
	// HeapMiB is how much memory this process held for nothing meanwhile: a
	// sandbox must not cost more in a large program.
	HeapMiB int    `json:"heap_mib"`
	Way     string `json:"way"`
	Timing
	// Ratio is this median over the plain one's, OverMS the difference.
	Ratio  float64 `json:"ratio"`
	OverMS float64 `json:"over_ms"`
	// After is what comes after the run and before the next one in the same
	// place: a reset. Null where nothing does.
	After *Timing `json:"after"`
}

// pause lets what a run leaves to the kernel be done before the next way has
// its turn: network namespaces are taken apart in the background, by whatever
// tool they were made, and making one waits for that.
const pause = 20 * time.Millisecond

// turns is how one way did in a series.
type turns struct {
	way         way
	runs, after []time.Duration
	failed      error
}

// latency lets the ways take turns at running p and compares them with the
// first. Ways that are not cupel's and fail are left out, and noted.
func (b *bench) latency(ctx context.Context, p Program, ways []way) ([]Row, error) {
	list := make([]*turns, len(ways))
	for i, w := range ways {
		list[i] = &turns{way: w}
	}
	warmup := min(3, b.cfg.Runs)
	for n := -warmup; n < b.cfg.Runs; n++ {
		for _, i := range rand.Perm(len(list)) { // nobody always follows the same one
			t := list[i]
			if err := ctx.Err(); err != nil {
				return nil, cupel.Errorf(cupel.Canceled, "bench", "%w", context.Cause(ctx))
			}
			if err := t.turn(ctx, p, n >= 0); err != nil {
				return nil, err
			}
		}
	}
	plain := newTiming(list[0].runs)
	var rows []Row
	for _, t := range list {
		if t.failed != nil {
			b.note("%s is left out for %s: %v", t.way.name(), p.Name, t.failed)
			continue
		}
		rows = append(rows, t.row(p, plain))
	}
	return rows, nil
}

// turn is one run, counted or not.
func (t *turns) turn(ctx context.Context, p Program, counts bool) error {
	if t.failed != nil {
		return nil
	}
	run, after, err := t.way.once(ctx, p)
	time.Sleep(pause)
	switch _, foreign := t.way.(*command); {
	case err != nil && foreign && t.way.name() != plainName:
		t.failed = err
	case err != nil:
		return err
	case counts:
		t.runs = append(t.runs, run)
		if after > 0 {
			t.after = append(t.after, after)
		}
	}
	return nil
}

func (t *turns) row(p Program, plain Timing) Row {
	r := Row{Program: p.Name, HeapMiB: 0, Way: t.way.name(), Timing: newTiming(t.runs)}
	if plain.MedianMS > 0 {
		r.Ratio = r.MedianMS / plain.MedianMS
	}
	r.OverMS = r.MedianMS - plain.MedianMS
	if len(t.after) > 0 {
		after := newTiming(t.after)
		r.After = &after
	}
	return r
}

const heapMiB = 1024

// underHeap calls fn while this process holds, and has touched, a large heap.
func underHeap(fn func() error) error {
	heap := make([]byte, heapMiB<<20)
	for i := 0; i < len(heap); i += 4096 {
		heap[i] = 1
	}
	err := fn()
	runtime.KeepAlive(heap)
	return err
}
