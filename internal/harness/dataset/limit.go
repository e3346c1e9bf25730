package dataset

import (
	"math"
	"strconv"
	"strings"

	"cupel.dev/cupel"
)

// Limit is how many rows of each dataset are judged: a count, or a fraction of
// them. The zero Limit is all.
type Limit struct {
	count    int
	fraction float64
}

// ParseLimit reads EvalScope's limit: "20" is a count, "0.5" a fraction, "0"
// or "" no limit.
func ParseLimit(s string) (Limit, error) {
	bad := func() (Limit, error) {
		return Limit{}, cupel.Invalidf("limit", s, "give a number of rows, such as 20, or a fraction of them, such as 0.5")
	}
	if s == "" {
		return Limit{}, nil
	}
	if n, err := strconv.Atoi(s); err == nil {
		if n < 0 {
			return bad()
		}
		return Limit{count: n}, nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || !strings.ContainsAny(s, ".eE") || f < 0 || f > 1 || math.IsNaN(f) {
		return bad()
	}
	return Limit{fraction: f}, nil
}

// Apply returns the first samples that the limit allows; a fraction rounds
// down.
func (l Limit) Apply(samples []Sample) []Sample {
	n := len(samples)
	if l.fraction > 0 {
		n = int(float64(n) * l.fraction)
	}
	if l.count > 0 {
		n = min(n, l.count)
	}
	return samples[:n]
}
