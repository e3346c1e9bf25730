package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
	"cupel.dev/cupel/service"
)

// pool is one that a caller asked for or used. Callers with equal specs share
// the sandboxes behind it, and see their own counts.
type pool struct {
	id, owner string
	// spec is as the caller sees it, real as the engine does.
	spec, real cupel.Spec
	serial     int

	mu               sync.Mutex
	started          bool
	used             time.Time
	size             int
	running, waiting int
	runs             int64
	waited           time.Duration
}

// pools are those of all callers.
type pools struct {
	mu     sync.Mutex
	byID   map[string]*pool
	serial int
	// warming is held while sandboxes are made ahead: two that did so for one
	// pool at once would wait for each other.
	warming sync.Mutex
}

// poolID is a hash of all that makes a pool another one.
func poolID(owner string, spec cupel.Spec) (string, error) {
	doc, err := json.Marshal(spec)
	if err != nil {
		return "", cupel.Errorf(cupel.Internal, "name pool", "%w", err)
	}
	sum := sha256.Sum256(append([]byte(owner+"\x00"), doc...))
	return hex.EncodeToString(sum[:12]), nil
}

// get returns the pool with the id, made when needed, or nil when there are
// too many.
func (b *pools) get(id, owner string, spec, real cupel.Spec, most int) *pool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.byID[id]; p != nil {
		return p
	}
	if len(b.byID) >= most {
		return nil
	}
	if b.byID == nil {
		b.byID = map[string]*pool{}
	}
	b.serial++
	p := &pool{id: id, owner: owner, spec: spec, real: real, serial: b.serial, used: time.Now()}
	b.byID[id] = p
	return p
}

// drop forgets a pool that could not be started.
func (b *pools) drop(p *pool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.started && b.byID[p.id] == p {
		delete(b.byID, p.id)
	}
}

// expire forgets the pools that nobody used since; the service retires what
// stands behind them.
func (b *pools) expire(since time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, p := range b.byID {
		p.mu.Lock()
		if p.running+p.waiting == 0 && !p.used.After(since) {
			delete(b.byID, id)
		}
		p.mu.Unlock()
	}
}

func (b *pools) find(id, owner string) (*pool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.byID[id]; p != nil && p.owner == owner && p.isStarted() {
		return p, nil
	}
	return nil, cupel.Errorf(cupel.NotFound, "", "there is no pool %s", shown(id)).
		WithHint("GET /v1/pools lists yours")
}

// list returns the owner's pools, oldest first.
func (b *pools) list(owner string) []api.Pool {
	b.mu.Lock()
	var own []*pool
	for _, p := range b.byID {
		if p.owner == owner && p.isStarted() {
			own = append(own, p)
		}
	}
	b.mu.Unlock()
	slices.SortFunc(own, func(x, y *pool) int { return x.serial - y.serial })
	all := []api.Pool{}
	for _, p := range own {
		all = append(all, p.describe())
	}
	return all
}

func (p *pool) describe() api.Pool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return api.Pool{
		ID: p.id, Spec: api.NewSpec(p.spec), Size: p.size, Running: p.running, Waiting: p.waiting,
		Runs: p.runs, WaitedMS: float64(p.waited.Microseconds()) / 1000,
	}
}

func (p *pool) isStarted() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.started
}

// service returns the service's pool, at least as large as size. It is asked
// for each time: the service retires pools that nobody uses.
func (s *Server) servicePool(ctx context.Context, p *pool, size int) (*service.Pool, error) {
	return s.cfg.Service.Pool(ctx, service.PoolConfig{Engine: s.cfg.Engine, Spec: p.real, Size: size})
}

// borrow lends one of the pool's sandboxes.
func (s *Server) borrow(p *pool) lend {
	return func(ctx context.Context, fn func(ctx context.Context, sb cupel.Sandbox) error) error {
		p.count(func() { p.waiting++ })
		served := false
		defer p.count(func() {
			if !served {
				p.waiting--
			}
		})
		from, err := s.servicePool(ctx, p, p.describe().Size)
		if err != nil {
			return err
		}
		return from.Run(ctx, func(ctx context.Context, sb cupel.Sandbox) error {
			served = true
			p.count(func() { p.waiting--; p.running++ })
			defer p.count(func() { p.running--; p.runs++; p.waited += waitOf(sb) })
			return fn(ctx, sb)
		})
	}
}

// count changes the counts, which is a use.
func (p *pool) count(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
	p.used = time.Now()
}
