package enclave

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/compat/enclave/tool"
	"cupel.dev/cupel/internal/wire/enclave"
	"cupel.dev/cupel/service"
)

// initializePool is POST /pool/initialize.
func (s *Server) initializePool(c *call) {
	req := enclave.NewRequest(c.r.URL.RawQuery)
	asked := req.Int("pool_size")
	typ := enclave.Choice(req, "sandbox_type", false, enclave.SandboxTypes)
	config, ok := c.object(req, false)
	if !ok {
		return
	}
	if typ == "" {
		typ = enclave.TypeDocker
	}
	size, err := poolSize(asked, s.cfg.Policy.MaxPoolSize)
	if err != nil {
		c.fail(err, "Failed to initialize pool: ")
		return
	}
	if size <= 0 {
		s.say(slog.LevelWarn, c, "Pool size is 0, pool not initialized")
		c.answer(poolAnswer(nil))
		return
	}
	s.say(slog.LevelInfo, c, fmt.Sprintf("Initializing pool with %d sandboxes of type %s", size, typ))
	slots, err := s.initialize(c, typ, config, size)
	if err != nil {
		s.say(slog.LevelError, c, "Failed to initialize pool: "+explain(err))
		c.failConfig(err, "Failed to initialize pool: ")
		return
	}
	s.say(slog.LevelInfo, c, fmt.Sprintf("Pool initialized with %d sandboxes", len(slots)))
	c.answer(poolAnswer(slots))
}

func poolAnswer(slots []*sandbox) enclave.PoolInitialized {
	ids := make([]string, len(slots))
	for i, sb := range slots {
		ids[i] = sb.id
	}
	return enclave.PoolInitialized{Message: "Pool initialized successfully", PoolSize: len(ids), SandboxIDs: ids}
}

// poolSize reads a size that may be any integer.
func poolSize(n json.Number, most int) (int, error) {
	if n == "" || n[0] == '-' {
		return 0, nil
	}
	size, err := n.Int64()
	if err != nil || size > int64(most) {
		return 0, cupel.Invalidf("pool_size", n.String(), fmt.Sprintf("give %d or less, which the operator sets", most))
	}
	return int(size), nil
}

func (s *Server) initialize(c *call, typ enclave.SandboxType, config enclave.Value, size int) ([]*sandbox, error) {
	p, err := s.plan(typ, []byte(config))
	if err != nil {
		return nil, err
	}
	if len(p.program) > 0 {
		return nil, cupel.Errorf(cupel.Unsupported, "", "command %s: a pool's sandboxes are reset between two runs, so that no command lives in them; "+
			"leave it out, or use /sandbox/create", quoted(fmt.Sprint(p.program)))
	}
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.work.Done()
	if err := s.reserve(size); err != nil {
		return nil, err
	}
	taken := 0
	defer func() { s.giveBack(size - taken) }()
	ctx := c.r.Context()
	lends, err := s.lender(ctx, p, size)
	if err != nil {
		return nil, err
	}
	facts, err := s.firstFacts(ctx, lends, p)
	if err != nil {
		return nil, err
	}
	if ctx.Err() != nil {
		return nil, &cupel.Error{Kind: cupel.Canceled, Op: "initialize pool", Err: context.Cause(ctx)}
	}
	pl, slots, err := s.grow(c, p, lends, facts, size)
	if err != nil {
		return nil, err
	}
	taken = size
	s.mu.Lock()
	all := len(pl.slots)
	s.mu.Unlock()
	if all > size {
		if _, err := s.lender(ctx, p, all); err != nil {
			return nil, err
		}
	}
	s.introduce(c, pl)
	return slots, nil
}

// lender returns the service's pool of a plan.
func (s *Server) lender(ctx context.Context, p *plan, size int) (*service.Pool, error) {
	return s.cfg.Service.Pool(ctx, service.PoolConfig{Engine: s.cfg.Engine, Spec: p.spec, Size: size})
}

// firstFacts finds out about a pool's sandboxes, which shows that it can make
// any.
func (s *Server) firstFacts(ctx context.Context, lends *service.Pool, p *plan) (facts imageFacts, err error) {
	_, err = s.lend(ctx, lends, p, func(ctx context.Context, sb cupel.Sandbox, _ tool.Place) error {
		facts, err = s.facts(ctx, p, sb)
		return err
	})
	return facts, err
}

// openStateless makes a sandbox that is only a name.
func (s *Server) openStateless(c *call, p *plan) (*sandbox, error) {
	lends, err := s.lender(c.r.Context(), p, s.cfg.Service.Programs())
	if err != nil {
		return nil, err
	}
	facts, err := s.firstFacts(c.r.Context(), lends, p)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &sandbox{plan: p, created: now, updated: now, status: enclave.StatusRunning, metadata: s.about(p, facts)}, nil
}
