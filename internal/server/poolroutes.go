package server

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
)

// createPool makes a pool's sandboxes ahead of time.
func (s *Server) createPool(w http.ResponseWriter, r *http.Request) error {
	var req api.PoolRequest
	if err := decodeJSON(w, r, &req); err != nil {
		return err
	}
	if most := s.cfg.Policy.MaxSandboxes; int(req.Size) > most {
		return cupel.Invalidf("size", fmt.Sprint(req.Size), fmt.Sprintf("this server allows at most %d", most))
	}
	seen, real, err := s.admit(req.Spec)
	if err != nil {
		return err
	}
	p, err := s.startPool(r.Context(), owner(r), seen, real, int(req.Size))
	if err != nil {
		return err
	}
	if p == nil {
		return cupel.Errorf(cupel.Exhausted, "create pool", "there are %d pools already", s.cfg.Policy.MaxPools).
			WithHint("use fewer specs; pools that nobody uses expire, and POST /v1/run works without one")
	}
	if err := s.warm(r.Context(), p); err != nil {
		return err
	}
	w.Header().Set("Location", "/v1/pools/"+p.id)
	writeJSON(w, http.StatusCreated, p.describe())
	return nil
}

// warm has the pool make its sandboxes: it borrows them all at once.
func (s *Server) warm(ctx context.Context, p *pool) error {
	size := p.describe().Size
	from, err := s.servicePool(ctx, p, size)
	if err != nil {
		return err
	}
	s.pools.warming.Lock()
	defer s.pools.warming.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	all := make(chan struct{})
	var borrowed, wg sync.WaitGroup
	borrowed.Add(size)
	for range size {
		wg.Go(func() {
			err := from.Run(ctx, func(ctx context.Context, _ cupel.Sandbox) error {
				borrowed.Done()
				select {
				case <-all:
				case <-ctx.Done():
				}
				return nil
			})
			if err != nil {
				cancel(err)
				borrowed.Done()
			}
		})
	}
	borrowed.Wait()
	close(all)
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func (s *Server) listPools(w http.ResponseWriter, r *http.Request) error {
	writeJSON(w, http.StatusOK, api.PoolList{Pools: s.pools.list(owner(r))})
	return nil
}

func (s *Server) getPool(w http.ResponseWriter, r *http.Request) error {
	p, err := s.pools.find(r.PathValue("id"), owner(r))
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, p.describe())
	return nil
}

// runInPool runs one program in a sandbox of the pool that the path names.
func (s *Server) runInPool(w http.ResponseWriter, r *http.Request) error {
	var req api.RunRequest
	if err := decodeJSON(w, r, &req); err != nil {
		return err
	}
	pool, err := s.pools.find(r.PathValue("id"), owner(r))
	if err != nil {
		return err
	}
	if err := poolsOwn(&req); err != nil {
		return err
	}
	p, err := newProgram(&req)
	if err != nil {
		return err
	}
	p.Dir = pool.spec.Dir
	if p.Limits, err = within(req.Limits, pool.spec.Limits, "pool"); err != nil {
		return err
	}
	if err := p.setCompileTime(req.CompileTime, pool.spec.Limits, "the pool allows"); err != nil {
		return err
	}
	return s.answer(w, r, p, s.borrow(pool))
}

// poolsOwn refuses fields that are the pool's and not the run's.
func poolsOwn(req *api.RunRequest) error {
	fresh := ""
	if req.Fresh {
		fresh = "true"
	}
	for _, f := range [][2]string{
		{"image", req.Image}, {"network", string(req.Network)}, {"isolation", string(req.Isolation)},
		{"dir", req.Dir}, {"fresh", fresh},
	} {
		if f[1] != "" {
			return cupel.Invalidf(f[0], f[1], "the pool's spec says this; leave it out, or use POST /v1/run")
		}
	}
	return nil
}
