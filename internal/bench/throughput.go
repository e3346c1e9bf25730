package bench

import (
	"context"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/service"
)

// Rate is how many checks a second one way does with all workers busy.
type Rate struct {
	Way     string `json:"way"`
	Workers int    `json:"workers"`
	Blocks  int    `json:"blocks"`
	// PerSecond is the median over the blocks, Ratio the median over the
	// blocks of this way's rate to the plain one's of the same round.
	PerSecond float64 `json:"per_second"`
	Ratio     float64 `json:"ratio"`
}

// job runs one check.
type job struct {
	way string
	run func(ctx context.Context) error
}

// throughput lets the ways take turns at blocks of checks.
func (b *bench) throughput(ctx context.Context, p Program) ([]Rate, error) {
	pool, err := b.service.Pool(ctx, service.PoolConfig{Engine: b.ref, Spec: b.cfg.Spec, Size: b.cfg.Workers})
	if err != nil {
		return nil, err
	}
	each := func(w way) func(context.Context) error {
		return func(ctx context.Context) error { _, _, err := w.once(ctx, p); return err }
	}
	jobs := []job{
		{plainName, each(b.plain)},
		{"cupel cold", each(&cold{b.engine, b.cfg.Spec})},
		{"cupel pool", func(ctx context.Context) error {
			return pool.Run(ctx, func(ctx context.Context, sb cupel.Sandbox) error { return execute(ctx, sb, p) })
		}},
	}
	// Long enough for resets to matter, short enough for the machine to stay
	// as it is from one way's block to the next's.
	inBlock := min(20, 4*b.cfg.Runs)
	blocks := max(b.cfg.Runs/10, 1)
	rates := make([][]float64, len(jobs))
	for n := -1; n < blocks; n++ { // the first round warms up
		for i, j := range jobs {
			took, err := b.block(ctx, inBlock, j)
			if err != nil {
				return nil, err
			}
			if n >= 0 {
				rates[i] = append(rates[i], float64(inBlock)/took.Seconds())
			}
		}
	}
	out := make([]Rate, len(jobs))
	for i, j := range jobs {
		ratios := make([]float64, blocks)
		for n := range ratios {
			ratios[n] = rates[i][n] / rates[0][n]
		}
		out[i] = Rate{Way: j.way, Workers: b.cfg.Workers, Blocks: blocks, PerSecond: median(rates[i]), Ratio: median(ratios)}
	}
	return out, nil
}

// block runs n jobs on all workers.
func (b *bench) block(ctx context.Context, n int, j job) (time.Duration, error) {
	if ctx.Err() != nil {
		return 0, cupel.Errorf(cupel.Canceled, "bench", "%w", context.Cause(ctx))
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	todo := make(chan struct{}, n)
	for range n {
		todo <- struct{}{}
	}
	close(todo)
	failures := make(chan error, b.cfg.Workers)
	began := time.Now()
	for range b.cfg.Workers {
		go func() {
			for range todo {
				if err := j.run(ctx); err != nil {
					cancel()
					failures <- err
					return
				}
			}
			failures <- nil
		}()
	}
	var first error
	for range b.cfg.Workers {
		if err := <-failures; err != nil && first == nil {
			first = err
		}
	}
	return time.Since(began), first
}
