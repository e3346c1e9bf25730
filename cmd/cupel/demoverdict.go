package main

import (
	"slices"
	"strings"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
	"cupel.dev/cupel/engines"
	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/dataset"
	"cupel.dev/cupel/internal/harness/report"
)

// demoJSON is what cupel demo --json prints.
type demoJSON struct {
	Schema int `json:"schema"`
	// Answers that were judged right and wrong, and those that could not run
	// for want of a toolchain.
	JudgedRight int           `json:"judged_right"`
	JudgedWrong int           `json:"judged_wrong"`
	Unsupported int           `json:"unsupported"`
	WallS       float64       `json:"wall_s"`
	ChecksPerS  float64       `json:"checks_per_s"`
	Engine      string        `json:"engine"`
	Isolation   api.Isolation `json:"isolation"`
	Answers     []demoAnswer  `json:"answers"`
}

type demoAnswer struct {
	TaskID   string `json:"task_id"`
	Language string `json:"language"`
	Kind     string `json:"kind"`
	Does     string `json:"does"`
	// Said is cupel's verdict: "passed", or why not.
	Said     string          `json:"said"`
	Verdict  harness.Verdict `json:"verdict"`
	Expected string          `json:"expected"`
	// JudgedRight is null where the answer could not run.
	JudgedRight *bool        `json:"judged_right"`
	Status      cupel.Status `json:"status"`
}

func newDemoJSON(set *dataset.Set, seen map[harness.Key]harness.Attempt, is cupel.Isolation, took time.Duration) demoJSON {
	doc := demoJSON{
		Schema: 1, WallS: report.Round(took.Seconds(), 3), Engine: engines.Default, Isolation: api.NewIsolation(is),
		Answers: []demoAnswer{},
	}
	for i := range set.Samples {
		s := &set.Samples[i]
		for n, answer := range s.Answers {
			at := seen[harness.Key{Dataset: s.Dataset, Subset: s.Subset, TaskID: s.TaskID, Attempt: n}]
			doc.add(newDemoAnswer(s, answer, at))
		}
	}
	doc.ChecksPerS = report.Round(float64(doc.JudgedRight+doc.JudgedWrong)/took.Seconds(), 1)
	return doc
}

func (d *demoJSON) add(a demoAnswer) {
	switch {
	case a.JudgedRight == nil:
		d.Unsupported++
	case *a.JudgedRight:
		d.JudgedRight++
	default:
		d.JudgedWrong++
	}
	d.Answers = append(d.Answers, a)
}

func newDemoAnswer(s *dataset.Sample, answer dataset.Answer, at harness.Attempt) demoAnswer {
	row := demoAnswer{
		TaskID: s.TaskID, Language: s.Language, Kind: answer.Kind, Does: does(answer),
		Said: at.Reason, Verdict: at.Verdict, Expected: expected(answer), Status: at.Status,
	}
	if at.Verdict == harness.Passed {
		row.Said = "passed"
	}
	if at.Verdict == harness.Errored && strings.HasPrefix(at.Reason, "unsupported: ") {
		return row
	}
	right := judgedRight(answer, at)
	row.JudgedRight = &right
	return row
}

// expected is what cupel should say: where there are several ways to fail, just
// that it does.
func expected(answer dataset.Answer) string {
	switch {
	case answer.Passes:
		return "passed"
	case len(answer.Reasons) == 1:
		return answer.Reasons[0]
	}
	return "not passed"
}

// judgedRight compares a verdict with what the answer is worth.
func judgedRight(answer dataset.Answer, at harness.Attempt) bool {
	if answer.Passes {
		return at.Verdict == harness.Passed
	}
	return at.Verdict == harness.Failed && (len(answer.Reasons) == 0 ||
		slices.ContainsFunc(answer.Reasons, func(r string) bool { return strings.HasPrefix(at.Reason, r) }))
}

// kinds says in words what an answer of a kind does.
var kinds = map[string]string{
	"right": "is right", "wrong": "is wrong", "compile": "doesn't compile", "loop": "loops for ever",
	"sleep": "sleeps for ever", "crash": "crashes", "flood": "floods its output", "memory": "exhausts memory",
	"forkbomb": "forks without end", "disk": "fills the disk", "cheat": "cheats",
}

// does is what an answer does: "cheats: exits early".
func does(answer dataset.Answer) string {
	text, ok := kinds[answer.Kind]
	if !ok {
		text = answer.Kind
	}
	if answer.Name != "" {
		text += ": " + answer.Name
	}
	return text
}
