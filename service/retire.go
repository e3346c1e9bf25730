package service

import (
	"errors"
	"time"

	"cupel.dev/cupel"
)

// errRetired is told to a borrower whose pool was retired meanwhile; Run goes
// on with the pool's successor.
var errRetired = errors.New("the pool is retired")

// retireIdle retires pools that nobody used for Config.PoolIdle, until the
// service closes. Without it the pools of clients that vanished would stay.
func (s *Service) retireIdle() {
	tick := time.NewTicker(max(s.cfg.PoolIdle/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-s.starting.Done():
			return
		case now := <-tick.C:
			s.pools.forget(func(p *Pool) bool { return p.retire(now.Add(-s.cfg.PoolIdle)) }, func(p *Pool) {
				if err := p.close(); err != nil {
					s.cfg.Log.Error("pool did not close", "error", err)
				}
			})
		}
	}
}

// retire marks a pool that is unused since then; nobody borrows from it any
// more.
func (p *Pool) retire(since time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lent > 0 || len(p.queue) > 0 || p.used.After(since) {
		return false
	}
	p.closing = true
	return true
}

// again returns the pool that took a retired one's place.
func (p *Pool) again(size int) (*Pool, error) {
	next, err := p.service.pools.do(p.service.starting, p.key, func() (*Pool, error) {
		return p.service.startPool(p.key, p.ref, p.spec)
	})
	if err != nil {
		return nil, err
	}
	next.grow(size)
	return next, nil
}

// refusal is why nobody borrows from a closing pool: p.mu is held.
func (p *Pool) refusal() error {
	return &cupel.Error{Kind: cupel.Closed, Op: "borrow sandbox", Err: errRetired}
}
