package score

import (
	"math"
	"math/rand/v2"
	"slices"
)

// z is the normal quantile of a two-sided 95 % interval.
const z = 1.959963984540054

// Wilson is the 95 % score interval of passed successes in n trials. It stays
// within 0 and 1 and is of use near both ends, where the plain one is not.
func Wilson(passed, n int) (low, high float64) {
	if n <= 0 {
		return 0, 0
	}
	return wilson(float64(passed)/float64(n), n)
}

// wilson is the interval of a share p of n trials.
func wilson(p float64, n int) (low, high float64) {
	m := float64(n)
	centre := p + z*z/(2*m)
	spread := z * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	scale := 1 + z*z/m
	low, high = (centre-spread)/scale, (centre+spread)/scale
	if p == 0 {
		low = 0
	}
	if p == 1 {
		high = 1
	}
	return max(low, 0), min(high, 1)
}

// resamples is how many times the bootstrap draws.
const resamples = 2000

// bootstrap is the 95 % percentile interval of the mean of values, resampled
// with replacement. Values that are all the same say nothing about how they
// vary; their interval is Wilson's, which is never narrower than theirs.
func bootstrap(values []float64, seed uint64) (low, high float64) {
	if slices.Min(values) == slices.Max(values) {
		return wilson(values[0], len(values))
	}
	r := rand.New(rand.NewPCG(seed, uint64(len(values))))
	means := make([]float64, resamples)
	for i := range means {
		sum := 0.0
		for range values {
			sum += values[r.IntN(len(values))]
		}
		means[i] = sum / float64(len(values))
	}
	slices.Sort(means)
	return means[resamples*25/1000], means[resamples*975/1000-1]
}
