package enclave

import (
	"time"

	"cupel.dev/cupel/internal/wire/enclave"
)

// counts are the protocol's statistics of what the caller sees, and the
// service's own.
func (s *Server) counts(c *call) map[string]any {
	st := s.cfg.Service.Stats()
	s.mu.Lock()
	defer s.mu.Unlock()
	total, idle, initialized := 0, 0, false
	statuses := map[enclave.SandboxStatus]int{}
	types := map[enclave.SandboxType]int{}
	for _, sb := range s.sandboxes {
		if !c.sees(sb) {
			continue
		}
		total++
		statuses[sb.status]++
		types[sb.plan.config.Type]++
		if sb.pool != nil && sb.status == enclave.StatusIdle {
			idle++
		}
	}
	for id := range s.pools {
		initialized = initialized || id.key == c.caller.Key && (c.world == "" || c.world == id.world)
	}
	return map[string]any{
		"manager_type":     "local",
		"total_sandboxes":  total,
		"status_counts":    statuses,
		"sandbox_types":    types,
		"running":          !s.closed,
		"cleanup_interval": int(cleanupInterval / time.Second),
		"pool_size":        idle,
		"pool_enabled":     false,
		"pool_initialized": initialized,
		"cupel": map[string]any{
			"engine":           s.cfg.Engine.Name,
			"programs":         s.cfg.Service.Programs(),
			"programs_running": st.Running,
			"programs_queued":  st.Queued,
			"programs_done":    st.Admitted - int64(st.Running),
			"memory_bytes":     int64(st.Memory),
			"waited_seconds":   st.Waited.Seconds(),
		},
	}
}

// stats is GET /stats.
func (s *Server) stats(c *call) { c.answer(s.counts(c)) }

// health is GET /health.
func (s *Server) health(c *call) {
	counts := s.counts(c)
	total, _ := counts["total_sandboxes"].(int)
	c.answer(enclave.HealthCheckResult{
		Healthy: true, Version: s.cfg.Version, Uptime: time.Since(s.started).Seconds(), ActiveSandboxes: total, SystemInfo: counts,
	})
}
