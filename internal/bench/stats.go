package bench

import (
	"slices"
	"time"
)

// Timing sums up the durations of one way of running one program.
type Timing struct {
	Runs     int     `json:"runs"`
	MedianMS float64 `json:"median_ms"`
	P95MS    float64 `json:"p95_ms"`
	MinMS    float64 `json:"min_ms"`
}

// newTiming sums up ds, which it sorts. Without any it is zero.
func newTiming(ds []time.Duration) Timing {
	slices.Sort(ds)
	return Timing{
		Runs: len(ds), MedianMS: ms(quantile(ds, 0.5)), P95MS: ms(quantile(ds, 0.95)), MinMS: ms(quantile(ds, 0)),
	}
}

// quantile is the q-th part of sorted, between its two neighbours; 0 of none.
func quantile[T time.Duration | float64](sorted []T, q float64) T {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + T((at-float64(low))*float64(sorted[high]-sorted[low]))
}

func median(list []float64) float64 {
	list = slices.Clone(list)
	slices.Sort(list)
	return quantile(list, 0.5)
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
