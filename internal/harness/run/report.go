package run

import (
	"slices"
	"time"

	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/report"
	"cupel.dev/cupel/internal/harness/score"
)

// report sums up the planned attempts. Others that the folder holds, of a
// larger limit or more repeats, are left out.
func (cfg *Config) report(sets [][]task, st *state) *report.Report {
	rep := &report.Report{
		Schema: report.Schema, Model: cfg.Model.Name(), Started: st.started, Finished: time.Now().UTC(),
		Engine: cfg.Engine, Grading: cfg.Grading, Datasets: []report.Dataset{},
	}
	for i, set := range cfg.Sets {
		d := report.Dataset{Name: set.Name, Subset: set.Subset, Tasks: len(sets[i])}
		scored := make([]score.Task, 0, len(sets[i]))
		var spans []span
		for _, t := range sets[i] {
			if t.attempts == 0 {
				d.Missing++
				continue
			}
			s := score.Task{Judged: make([]bool, t.attempts), Passed: make([]bool, t.attempts)}
			for n := range t.attempts {
				a, ok := st.done[t.key(n)]
				if !ok {
					continue
				}
				d.Count(a)
				s.Judged[n] = a.Verdict != harness.Errored
				s.Passed[n] = a.Verdict == harness.Passed
				spans = append(spans, span{a.Started, a.Finished})
			}
			scored = append(scored, s)
		}
		d.Score(scored, cfg.Seed)
		d.WallS = report.Round(union(spans).Seconds(), 3)
		rep.Datasets = append(rep.Datasets, d)
	}
	return rep
}

type span struct{ from, to time.Time }

// union is how long at least one of the spans lasted. Unlike the time from the
// first start to the last end, it leaves out pauses between a run's parts.
func union(spans []span) time.Duration {
	slices.SortFunc(spans, func(a, b span) int { return a.from.Compare(b.from) })
	var total time.Duration
	var end time.Time
	for _, s := range spans {
		if s.from.Before(end) {
			s.from = end
		}
		if s.to.After(s.from) {
			total += s.to.Sub(s.from)
			end = s.to
		}
	}
	return total
}
