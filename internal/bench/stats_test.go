package bench

import (
	"testing"
	"time"
)

func TestTiming(t *testing.T) {
	var ds []time.Duration
	for n := 101; n >= 1; n-- {
		ds = append(ds, time.Duration(n)*time.Millisecond)
	}
	if got, want := newTiming(ds), (Timing{Runs: 101, MedianMS: 51, P95MS: 96, MinMS: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := newTiming(nil); got != (Timing{}) {
		t.Errorf("without runs: %+v", got)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median of an even number: %v, want 2.5", got)
	}
}
