package judge

import (
	"context"

	"cupel.dev/cupel"
	"cupel.dev/cupel/service"
)

// Sandboxes lends sandboxes.
type Sandboxes interface {
	// Run lends a pristine sandbox made from spec to fn.
	Run(ctx context.Context, spec cupel.Spec, fn func(ctx context.Context, sb cupel.Sandbox) error) error
}

// pools lends from a service's pools, one for each Spec.
type pools struct {
	service *service.Service
	engine  service.EngineRef
	size    int
}

// Pools lends sandboxes of a service's engine, size of each Spec at once, but
// no fewer than there are grading processes.
func Pools(svc *service.Service, engine service.EngineRef, size int) Sandboxes {
	return pools{svc, engine, max(size, graders)}
}

func (p pools) Run(ctx context.Context, spec cupel.Spec, fn func(ctx context.Context, sb cupel.Sandbox) error) error {
	pool, err := p.service.Pool(ctx, service.PoolConfig{Engine: p.engine, Spec: spec, Size: p.size})
	if err != nil {
		return err
	}
	return pool.Run(ctx, fn)
}
