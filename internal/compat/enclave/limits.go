package enclave

import (
	"math"
	"runtime"
	"strconv"
	"strings"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/wire/enclave"
)

// cpuTime leaves the CPU time to the wall clock: all cores for all the time.
func cpuTime(d time.Duration) time.Duration {
	return min(d*time.Duration(runtime.NumCPU()), 7*24*time.Hour)
}

func (s *Server) planLimits(p *plan) error {
	if p.stateless() {
		p.spec.Limits.Memory = s.cfg.Policy.DefaultMemory
		return nil
	}
	memory, err := s.memory(p.config.MemoryLimit)
	if err != nil {
		return err
	}
	if asked, _ := parseMemory(p.config.MemoryLimit); asked != memory {
		p.adapt("memory_limit %s: %v", p.config.MemoryLimit, memory)
	}
	p.spec.Limits.Memory = memory
	most := s.cfg.Policy.MaxCPUs
	switch asked := float64(p.config.CPULimit); {
	case p.config.CPULimit == enclave.DefaultCPULimit && (most == 0 || most >= asked):
		p.adapt("cpu_limit %v: no limit of its own; the server runs as many programs at once as it has cores", p.config.CPULimit)
	default:
		if most == 0 {
			most = float64(runtime.NumCPU())
		}
		if asked < 0.01 {
			return cupel.Invalidf("cpu_limit", p.config.CPULimit.String(), "give 0.01 or more")
		}
		p.spec.Limits.CPUs = min(asked, most)
		if asked > most {
			p.adapt("cpu_limit %v: %v", p.config.CPULimit, enclave.Float(most))
		}
	}
	return nil
}

// memory is what a memory limit means here.
func (s *Server) memory(limit string) (cupel.Size, error) {
	if limit == enclave.DefaultMemoryLimit {
		return s.cfg.Policy.DefaultMemory, nil
	}
	asked, err := parseMemory(limit)
	if err != nil {
		return 0, err
	}
	if asked == 0 { // Docker's word for none
		return s.cfg.Policy.MaxMemory, nil
	}
	const least = 6 * cupel.MiB // Docker's
	if asked < least {
		return 0, cupel.Invalidf("memory_limit", limit, "give 6m or more")
	}
	return min(asked, s.cfg.Policy.MaxMemory), nil
}

// parseMemory reads digits and a unit; what is too large is the largest size.
func parseMemory(limit string) (cupel.Size, error) {
	unit := cupel.Size(1)
	digits := strings.TrimRight(limit, "kmgKMG")
	switch strings.ToLower(limit[len(digits):]) {
	case "k":
		unit = cupel.KiB
	case "m":
		unit = cupel.MiB
	case "g":
		unit = cupel.GiB
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	switch {
	case err != nil && len(digits) < 19:
		return 0, cupel.Invalidf("memory_limit", limit, "write digits with k, m or g behind them, such as 512m")
	case err != nil, n > uint64(math.MaxInt64/unit):
		return math.MaxInt64, nil
	}
	return cupel.Size(n) * unit, nil
}
