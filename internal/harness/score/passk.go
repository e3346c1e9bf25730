// Package score turns verdicts into numbers: pass@k, unbiased, with an
// interval. It knows nothing of files or formats.
package score

// PassAtK is the chance that at least one of k answers passes, drawn without
// replacement from n of which c pass: 1 - C(n-c,k)/C(n,k), computed as a
// product that neither overflows nor cancels. It is 0 for k > n.
func PassAtK(n, c, k int) float64 {
	if k < 1 || k > n || c < 0 || c > n {
		return 0
	}
	if n-c < k {
		return 1
	}
	miss := 1.0
	for i := n - c + 1; i <= n; i++ {
		miss *= 1 - float64(k)/float64(i)
	}
	return 1 - miss
}

// Task is the verdicts of one task: for each attempt from 0 whether it was
// judged and whether it passed.
type Task struct {
	Judged, Passed []bool
}

// counts returns how many attempts were judged and how many of them passed.
func (t Task) counts() (n, c int) {
	for i, judged := range t.Judged {
		if judged {
			n++
			if t.Passed[i] {
				c++
			}
		}
	}
	return n, c
}

// eligible reports whether the task's first k attempts were all judged. A task
// that lacks one is left out of pass@k, not counted as a failure.
func (t Task) eligible(k int) bool {
	if len(t.Judged) < k {
		return false
	}
	for _, judged := range t.Judged[:k] {
		if !judged {
			return false
		}
	}
	return true
}

// Estimate is a pass@k over a dataset's tasks.
type Estimate struct {
	// Value is the mean over the eligible tasks, from 0 to 1.
	Value float64
	// Low and High are a 95 % interval.
	Low, High float64
	// Tasks is how many were eligible. With none the estimate is all zero.
	Tasks int
}

// At estimates pass@k. With one attempt a task the interval is Wilson's; with
// more, tasks are what varies, and it is a bootstrap over them with the given
// seed: the same tasks and seed give the same interval.
func At(tasks []Task, k int, seed uint64) Estimate {
	values := make([]float64, 0, len(tasks))
	single := true
	for _, t := range tasks {
		if !t.eligible(k) {
			continue
		}
		n, c := t.counts()
		single = single && n == 1
		values = append(values, PassAtK(n, c, k))
	}
	if len(values) == 0 {
		return Estimate{}
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	e := Estimate{Value: sum / float64(len(values)), Tasks: len(values)}
	if single {
		e.Low, e.High = Wilson(int(sum+0.5), len(values))
	} else {
		e.Low, e.High = bootstrap(values, seed)
	}
	return e
}
