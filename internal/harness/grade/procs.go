package grade

import (
	"context"
	"errors"
	"sync"

	"cupel.dev/cupel"
)

// procs is the set of grading processes: started when all are busy, up to a
// number, and replaced when one is dead.
type procs struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	slots  chan struct{} // one for each process that may run

	mu   sync.Mutex
	idle []*proc
	all  sync.WaitGroup
}

func newProcs(cfg Config) *procs {
	ctx, cancel := context.WithCancel(context.Background())
	return &procs{cfg: cfg, ctx: ctx, cancel: cancel, slots: make(chan struct{}, cfg.Graders)}
}

// ask sends a request to a process and returns its reply. A process that died
// is replaced and asked once more. When that one dies of a check too, while a
// third is well, the check is what kills them: it has failed.
func (p *procs) ask(ctx context.Context, req request, blob ...[]byte) (reply, error) {
	select {
	case p.slots <- struct{}{}:
		defer func() { <-p.slots }()
	case <-ctx.Done():
		return reply{}, cupel.Errorf(cupel.Canceled, "grade", "%w", context.Cause(ctx))
	case <-p.ctx.Done():
		return reply{}, errClosed
	}
	rep, err := p.once(ctx, req, blob...)
	for tries := 0; err != nil && tries < 1 && p.worthRetry(ctx, err); tries++ {
		p.cfg.Log.Warn("grading process died, starting another", "op", req.Op, "err", err)
		rep, err = p.once(ctx, req, blob...)
	}
	if err != nil && req.Op == "check" && p.worthRetry(ctx, err) {
		if _, sick := p.once(ctx, request{Op: "hello"}); sick == nil {
			return reply{Verdict: "failed", Reason: didNotFinish}, nil
		}
	}
	return rep, err
}

var errClosed = cupel.Errorf(cupel.Closed, "grade", "the grader is closed")

func (p *procs) worthRetry(ctx context.Context, err error) bool {
	return ctx.Err() == nil && p.ctx.Err() == nil && errors.As(err, new(*deadError))
}

// once asks one process, which goes back only after a whole reply.
func (p *procs) once(ctx context.Context, req request, blob ...[]byte) (reply, error) {
	if p.ctx.Err() != nil {
		return reply{}, errClosed
	}
	pr, err := p.take(ctx)
	if err != nil {
		return reply{}, err
	}
	rep, err := pr.ask(ctx, req, blob...)
	if err != nil {
		pr.end()
		if ctx.Err() != nil {
			return reply{}, cupel.Errorf(cupel.Canceled, "grade", "%w", context.Cause(ctx))
		}
		if p.ctx.Err() != nil {
			return reply{}, errClosed
		}
		return reply{}, err
	}
	p.mu.Lock()
	p.idle = append(p.idle, pr)
	p.mu.Unlock()
	return rep, nil
}

func (p *procs) take(ctx context.Context) (*proc, error) {
	p.mu.Lock()
	for len(p.idle) > 0 {
		last := len(p.idle) - 1
		pr := p.idle[last]
		p.idle = p.idle[:last]
		if pr.alive() {
			p.mu.Unlock()
			return pr, nil
		}
	}
	p.mu.Unlock()
	return p.start(ctx)
}

// close ends every process and returns when their sandboxes are given back.
func (p *procs) close() {
	p.mu.Lock()
	p.cancel()
	p.mu.Unlock()
	p.all.Wait()
}
