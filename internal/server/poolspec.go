package server

import (
	"context"
	"time"

	"cupel.dev/cupel"
)

// poolOfRun returns the pool for a run, or nil when it should have a fresh
// sandbox. Runs whose limits differ a little share one.
func (s *Server) poolOfRun(ctx context.Context, owner string, seen, real cupel.Spec) (*pool, error) {
	seen.Limits = capped(roomFor(seen.Limits), s.cfg.Policy.MaxLimits)
	// What no run may have is no bound of the pool's own.
	seen.Limits.CPUs, seen.Limits.FileSize = 0, 0
	real.Limits = seen.Limits
	return s.startPool(ctx, owner, seen, real, 0)
}

// startPool returns the caller's pool, grown to size, or nil when there are too
// many.
func (s *Server) startPool(ctx context.Context, owner string, seen, real cupel.Spec, size int) (*pool, error) {
	id, err := poolID(owner, seen)
	if err != nil {
		return nil, err
	}
	p := s.pools.get(id, owner, seen, real, s.cfg.Policy.MaxPools)
	if p == nil {
		return nil, nil
	}
	if size == 0 {
		size = s.cfg.Service.Programs()
	}
	if _, err := s.servicePool(ctx, p, size); err != nil {
		s.pools.drop(p)
		return nil, err
	}
	p.count(func() { p.started, p.size = true, max(p.size, size) })
	return p, nil
}

// roomFor rounds limits up so that most runs fit one pool: the default, twice
// that, four times, and so on. Disk and inodes bound a sandbox whatever runs in
// it, and stay.
func roomFor(l cupel.Limits) cupel.Limits {
	room := cupel.DefaultLimits()
	// Compiling has that much when nothing is said.
	room.Time, room.CPUTime = 40*time.Second, 40*time.Second
	double(&room.Time, l.Time)
	double(&room.CPUTime, l.CPUTime)
	double(&room.Memory, l.Memory)
	double(&room.Processes, l.Processes)
	double(&room.Files, l.Files)
	double(&room.Output, l.Output)
	room.Disk, room.Inodes = l.Disk, l.Inodes
	return capped(room, mostLimits)
}

// mostLimits are the ends of what cupel.Limits.Validate lets pass.
var mostLimits = cupel.Limits{
	Time: 7 * 24 * time.Hour, CPUTime: 7 * 24 * time.Hour, Memory: 16 * cupel.TiB,
	Processes: 4 << 20, Files: 1 << 20, Output: cupel.TiB,
}

func double[T ~int | ~int64](room *T, want T) {
	for *room < want {
		*room *= 2
	}
}
