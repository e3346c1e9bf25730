package score

import (
	"math"
	"testing"
)

func TestPassAtK(t *testing.T) {
	for _, tc := range []struct {
		n, c, k int
		want    float64
	}{
		{5, 2, 1, .4}, {5, 4, 1, .8}, {5, 0, 1, 0}, {5, 5, 5, 1}, {5, 1, 5, 1}, {5, 2, 4, 1}, {10, 3, 2, 1 - 42.0/90},
		{4, 2, 2, 1 - 1.0/6}, {1, 1, 1, 1}, {2, 1, 3, 0}, {0, 0, 1, 0}, {3, 1, 0, 0}, {200, 1, 100, .5},
		{100000, 50000, 1, .5},
	} {
		if got := PassAtK(tc.n, tc.c, tc.k); math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("PassAtK(%d, %d, %d) = %v, want %v", tc.n, tc.c, tc.k, got, tc.want)
		}
	}
}

// The formula is the share of all draws of k that hold a pass.
func TestPassAtKCountsDraws(t *testing.T) {
	for n := 1; n <= 7; n++ {
		for c := 0; c <= n; c++ {
			for k := 1; k <= n; k++ {
				draws, hits := 0, 0
				for mask := range 1 << n {
					size, hit := 0, false
					for i := range n {
						if mask>>i&1 == 1 {
							size++
							hit = hit || i < c
						}
					}
					if size == k {
						draws++
						if hit {
							hits++
						}
					}
				}
				want := float64(hits) / float64(draws)
				if got := PassAtK(n, c, k); math.Abs(got-want) > 1e-12 {
					t.Errorf("PassAtK(%d, %d, %d) = %v, want %v", n, c, k, got, want)
				}
			}
		}
	}
}

func TestWilson(t *testing.T) {
	for _, tc := range []struct {
		passed, n int
		low, high float64
	}{
		{164, 164, 0.9771, 1}, {0, 164, 0, 0.0229}, {5, 10, 0.2366, 0.7634}, {0, 0, 0, 0}, {1, 1, 0.2065, 1},
	} {
		low, high := Wilson(tc.passed, tc.n)
		if math.Abs(low-tc.low) > 5e-5 || math.Abs(high-tc.high) > 5e-5 {
			t.Errorf("Wilson(%d, %d) = %v, %v; want %v, %v", tc.passed, tc.n, low, high, tc.low, tc.high)
		}
	}
}

// task makes a Task: p passed, f failed, e not judged.
func task(attempts string) Task {
	var t Task
	for _, a := range attempts {
		t.Judged = append(t.Judged, a != 'e')
		t.Passed = append(t.Passed, a == 'p')
	}
	return t
}

func tasks(all ...string) []Task {
	var out []Task
	for _, a := range all {
		out = append(out, task(a))
	}
	return out
}

func TestAt(t *testing.T) {
	for _, tc := range []struct {
		name  string
		tasks []Task
		k     int
		value float64
		count int
	}{
		{"one attempt", tasks("p", "f", "p", "p"), 1, .75, 4},
		{"several", tasks("ppfff", "pfffp"), 1, .4, 2},
		{"k of several", tasks("pf", "ff"), 2, .5, 2},
		{"errored tasks are left out", tasks("p", "e", "f"), 1, .5, 2},
		{"a task with too few attempts is left out", tasks("pf", "p"), 2, 1, 1},
		{"one of the first k errored", tasks("ep", "pf"), 1, .5, 1},
		{"a later one errored", tasks("pfe"), 1, .5, 1},
		{"none eligible", tasks("e", "e"), 1, 0, 0},
		{"no tasks", nil, 1, 0, 0},
	} {
		got := At(tc.tasks, tc.k, 7)
		if math.Abs(got.Value-tc.value) > 1e-12 || got.Tasks != tc.count {
			t.Errorf("%s: got %+v, want %v over %d", tc.name, got, tc.value, tc.count)
		}
		if got.Low > got.Value || got.High < got.Value || got.Low < 0 || got.High > 1 {
			t.Errorf("%s: interval %v to %v doesn't hold %v", tc.name, got.Low, got.High, got.Value)
		}
	}
}

// Tasks that all came out alike leave a doubt, the larger the fewer they are.
func TestIntervalOfEqualTasks(t *testing.T) {
	var many []Task
	for range 164 {
		many = append(many, task("pp"))
	}
	if e := At(many, 1, 0); math.Abs(e.Low-0.9771) > 5e-5 || e.High != 1 {
		t.Errorf("164 perfect tasks: %+v", e)
	}
	if e := At(tasks("pf"), 1, 0); e.Low > 0.2 || e.High < 0.8 {
		t.Errorf("one task: %+v", e)
	}
}

func TestIntervalsAreRepeatable(t *testing.T) {
	var many []Task
	for n := range 100 {
		many = append(many, task([]string{"pff", "ppp", "fff", "ppf"}[n%4]))
	}
	a, b := At(many, 2, 42), At(many, 2, 42)
	if a != b {
		t.Errorf("the same seed gave %+v and %+v", a, b)
	}
	if a.High-a.Low < 0.05 || a.High-a.Low > 0.4 {
		t.Errorf("interval %v to %v over 100 tasks", a.Low, a.High)
	}
	if c := At(many, 2, 43); c.Low == a.Low && c.High == a.High {
		t.Error("the seed has no effect")
	}
}
