package enclave

import (
	"context"
	"crypto/rand"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/compat/enclave/tool"
	"cupel.dev/cupel/internal/linux/peer"
	"cupel.dev/cupel/internal/wire/enclave"
	"cupel.dev/cupel/service"
)

// poolKey tells pools apart: whose, in which world, of which plan.
type poolKey struct{ key, world, plan string }

// pool is a pool as the protocol has it: slots over a pool of the service.
type pool struct {
	id poolKey
	// cookie is the secret name that its clients get.
	cookie string
	plan   *plan
	lends  *service.Pool

	// The rest is guarded by Server.mu.
	slots   []*sandbox
	used    time.Time
	running int
	// addresses and processes are who initialized it.
	addresses map[string]bool
	processes map[peer.Process]bool
}

// grow adds slots to the pool of the plan, which it makes if need be, and
// returns them. The places are reserved.
func (s *Server) grow(c *call, p *plan, lends *service.Pool, facts imageFacts, places int) (*pool, []*sandbox, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, errClosing
	}
	id := poolKey{c.caller.Key, c.world, p.key()}
	now := time.Now()
	pl := s.pools[id]
	before := 0
	if pl != nil {
		before = len(pl.slots)
	}
	if most := s.cfg.Policy.MaxPoolSize; before+places > most {
		return nil, nil, cupel.Errorf(cupel.Exhausted, "", "pool_size %d: the pool of this config has %d sandboxes already, and no pool may have more than %d",
			places, before, most)
	}
	if pl == nil {
		pl = &pool{
			id: id, cookie: rand.Text(), plan: p,
			addresses: map[string]bool{}, processes: map[peer.Process]bool{},
		}
		s.pools[id] = pl
	}
	pl.lends, pl.used = lends, now
	slots := make([]*sandbox, places)
	for i := range slots {
		slots[i] = &sandbox{
			key: c.caller.Key, world: c.world, plan: p, pool: pl, created: now, updated: now,
			status: enclave.StatusIdle, metadata: s.about(p, facts),
		}
		s.add(slots[i])
	}
	pl.slots = append(pl.slots, slots...)
	return pl, slots, nil
}

// dropSlot takes a slot out of its pool, which ends with its last one; s.mu is
// held.
func (s *Server) dropSlot(sb *sandbox) {
	pl := sb.pool
	for i, slot := range pl.slots {
		if slot == sb {
			pl.slots = append(pl.slots[:i:i], pl.slots[i+1:]...)
			break
		}
	}
	if len(pl.slots) == 0 && s.pools[pl.id] == pl {
		delete(s.pools, pl.id)
		s.links.forget(pl)
	}
}

// take marks a slot busy for a run: the wanted one, or an idle one. With more
// runs than slots there is none, which changes nothing for the run.
func (s *Server) take(pl *pool, wanted *sandbox) *sandbox {
	s.mu.Lock()
	defer s.mu.Unlock()
	slot := wanted
	for _, one := range pl.slots {
		if slot == nil && one.status == enclave.StatusIdle {
			slot = one
		}
	}
	if slot == nil {
		return nil
	}
	slot.running++
	if slot.active() {
		slot.status, slot.updated = enclave.StatusBusy, time.Now()
	}
	return slot
}

func (s *Server) release(slot *sandbox) {
	if slot == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rest(slot)
}

// enterPool accepts a run in a pool; the caller calls leavePool at its end.
func (s *Server) enterPool(pl *pool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosing
	}
	pl.running++
	pl.used = time.Now()
	s.work.Add(1)
	return nil
}

func (s *Server) leavePool(pl *pool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	pl.running--
	pl.used = time.Now()
	s.work.Done()
}

// lend runs a tool in a sandbox that is as if it were new.
func (s *Server) lend(
	ctx context.Context, lends *service.Pool, p *plan, run func(ctx context.Context, sb cupel.Sandbox, place tool.Place) error,
) (waited time.Duration, err error) {
	err = lends.Run(ctx, func(ctx context.Context, sb cupel.Sandbox) error {
		defer func() {
			if l, ok := sb.(*service.Lease); ok {
				waited = l.Waited()
			}
		}()
		facts, err := s.prepare(ctx, p, sb)
		if err != nil {
			return err
		}
		return run(ctx, sb, tool.Place{Sandbox: sb, Dir: p.dir, MaxTime: s.cfg.Policy.MaxTime, Limits: p.limits, Python: facts.python})
	})
	return waited, err
}
