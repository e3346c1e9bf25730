package service

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"cupel.dev/cupel"
)

// PoolConfig says which pool is meant.
type PoolConfig struct {
	Engine EngineRef
	// Spec is merged over the default.
	Spec cupel.Spec
	// Size is how many borrowers may have a sandbox at once; give the run's
	// concurrency. Default: the programs that the service runs at once.
	Size int
}

// Pool lends sandboxes that are all made from one Spec. Borrowers are served
// first come, first served. A sandbox that comes back is reset in the
// background and lent again only when the engine has verified the reset;
// otherwise it is replaced. A pool lives as long as its service; one that nobody
// used for Config.PoolIdle gives its sandboxes up and begins anew when used.
type Pool struct {
	service *Service
	engine  cupel.Engine
	key     string
	ref     EngineRef
	spec    cupel.Spec

	mu      sync.Mutex
	size    int
	idle    []cupel.Sandbox
	queue   []*borrower
	lent    int
	made    int // idle, lent, being made or being reset
	closing bool
	used    time.Time
	stats   PoolStats
	resets  sync.WaitGroup
}

// PoolStats says what a pool does now and what it did since its start.
type PoolStats struct {
	// Size is how many sandboxes may be lent at once; Lent, Idle and
	// Waiting are sandboxes and borrowers now.
	Size, Lent, Idle, Waiting int
	// Created counts sandboxes made, Runs finished borrowings, Resets the
	// verified ones, Replaced sandboxes that could not be lent again.
	Created, Runs, Resets, Replaced int64
	// Waited is how long borrowers waited for a sandbox, and for admission
	// of their programs, summed up. It is part of no Result.
	Waited time.Duration
}

// Pool returns the pool of the engine and Spec; all who ask with equal ones
// share it, and it is as large as the largest Size asked for. It is warmed
// lazily, but one sandbox is made at once: a pool that can't make any is an
// error here, and the next call tries again.
func (s *Service) Pool(ctx context.Context, cfg PoolConfig) (*Pool, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.ops.Done()
	ctx, stop := joined(ctx, s.working)
	defer stop()
	spec, err := cfg.Spec.Normalize()
	if err != nil {
		return nil, err
	}
	key, err := poolKey(cfg.Engine, spec)
	if err != nil {
		return nil, err
	}
	p, err := s.pools.do(ctx, key, func() (*Pool, error) { return s.startPool(key, cfg.Engine, spec) })
	if err != nil {
		return nil, err
	}
	size := cfg.Size
	if size <= 0 {
		size = s.cfg.Programs
	}
	p.grow(size)
	return p, nil
}

// poolKey tells two Specs apart that differ in anything, so that they never
// share a sandbox.
func poolKey(ref EngineRef, spec cupel.Spec) (string, error) {
	engine, err := ref.key()
	if err != nil {
		return "", err
	}
	doc, err := json.Marshal(spec)
	if err != nil {
		return "", cupel.Errorf(cupel.Internal, "key pool", "%w", err)
	}
	return engine + "\x00" + string(doc), nil
}

func (s *Service) startPool(key string, ref EngineRef, spec cupel.Spec) (*Pool, error) {
	e, err := s.engine(s.starting, ref)
	if err != nil {
		return nil, err
	}
	p := &Pool{service: s, engine: e, key: key, ref: ref, spec: spec, used: time.Now()}
	first, err := e.Create(s.starting, spec)
	if err != nil {
		return nil, err
	}
	p.idle, p.made, p.stats.Created = []cupel.Sandbox{first}, 1, 1
	return p, nil
}

func (p *Pool) grow(size int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.size = max(p.size, size)
	p.serve()
}

// most is how many sandboxes exist at most: those lent and, so that the next
// borrower doesn't wait for the reset of the last one, a few spare.
func (p *Pool) most() int { return p.size + min(p.size, p.service.cfg.Programs) }

// Stats returns what the pool does now and did until now.
func (p *Pool) Stats() PoolStats {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := p.stats
	st.Size, st.Lent, st.Idle, st.Waiting = p.size, p.lent, len(p.idle), len(p.queue)
	return st
}

// Run lends a sandbox to fn and takes it back when fn returns. Its error is
// fn's, or says why there is no sandbox: Exhausted when too many wait, Canceled
// when ctx ended first, Closed when the service is closing, else what the
// engine said. fn closes nothing; what it left running is ended, and the
// sandbox refuses it from then on.
func (p *Pool) Run(ctx context.Context, fn func(ctx context.Context, sb cupel.Sandbox) error) error {
	if err := p.service.begin(); err != nil {
		return err
	}
	defer p.service.ops.Done()
	l := &Lease{pool: p, guard: newGuard(p.service.working, "borrowed sandbox")}
	ctx, stop := joined(ctx, l.guard.ctx)
	defer stop()
	began := time.Now()
	sb, warm, err := p.borrow(ctx)
	for errors.Is(err, errRetired) {
		if p, err = p.again(p.Stats().Size); err == nil {
			l.pool = p
			sb, warm, err = p.borrow(ctx)
		}
	}
	l.addWait(time.Since(began))
	if err != nil {
		l.guard.cancel()
		return err
	}
	l.warm = warm
	l.sandbox = &admitted{
		Sandbox: sb, admission: p.service.admission, limits: p.spec.Limits, waited: l.addWait,
	}
	defer p.takeBack(l, sb)
	return fn(ctx, l)
}

// takeBack frees the borrower's place at once and resets the sandbox in the
// background.
func (p *Pool) takeBack(l *Lease, sb cupel.Sandbox) {
	l.guard.shut()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lent--
	p.used = time.Now()
	p.stats.Runs++
	p.stats.Waited += l.Waited()
	p.resets.Go(func() { p.recycle(l, sb) })
	p.serve()
}

// recycle makes sb lendable again, or replaces it.
func (p *Pool) recycle(l *Lease, sb cupel.Sandbox) {
	l.guard.ops.Wait()
	if !l.broken.Load() {
		err := p.reset(sb)
		if err == nil {
			p.giveBack(sb)
			return
		}
		if !errors.Is(err, errNoReset) && !p.isClosing() {
			p.service.cfg.Log.Warn("sandbox could not be reset and is replaced", "sandbox", sb.ID(), "error", err)
		}
	}
	if err := sb.Close(); err != nil {
		p.service.cfg.Log.Error("sandbox did not close", "sandbox", sb.ID(), "error", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.made--
	p.stats.Replaced++
	p.serve()
}

// errNoReset is why a sandbox of an engine without resets is replaced.
var errNoReset = errors.New("the engine has no reset")

func (p *Pool) reset(sb cupel.Sandbox) error {
	r, ok := sb.(cupel.Resetter)
	if !ok {
		return errNoReset
	}
	if p.isClosing() {
		return errNoReset
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.service.cfg.ResetTimeout)
	defer cancel()
	return r.Reset(ctx)
}

func (p *Pool) giveBack(sb cupel.Sandbox) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stats.Resets++
	p.idle = append(p.idle, sb)
	p.serve()
}

func (p *Pool) isClosing() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closing
}

// close closes every sandbox. Nobody borrows any more.
func (p *Pool) close() error {
	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()
	p.resets.Wait()
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.made -= len(idle)
	p.mu.Unlock()
	var errs []error
	for _, sb := range idle {
		errs = append(errs, sb.Close())
	}
	return errors.Join(errs...)
}
