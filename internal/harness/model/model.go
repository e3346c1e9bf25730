// Package model holds who answers: the dataset's own answers (canonical), its
// answers of known worth (bundled) or a file of recorded ones (replay:FILE).
package model

import (
	"context"
	"strings"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness/dataset"
	"cupel.dev/cupel/internal/nearest"
)

// Answer is a model's text.
type Answer struct {
	// Text is code, or a whole chat answer when Reply is set.
	Text  string
	Reply bool
}

// Model answers tasks. It is safe for concurrent use.
type Model interface {
	// Name is the model's name in reports.
	Name() string
	// Fingerprint changes whenever an answer may change.
	Fingerprint() string
	// Attempts is how many answers the model has for a task: Any when it can
	// give as many as are asked for, 0 when the task is missing.
	Attempts(s *dataset.Sample) int
	// Answer returns the answer of an attempt, counted from 0. An error is
	// the model's failure, never scored.
	Answer(ctx context.Context, s *dataset.Sample, attempt int) (Answer, error)
}

// Any is the number of attempts of a model that never runs out.
const Any = -1

// The names that Open knows, a file's name following the second.
const (
	Canonical    = "canonical"
	ReplayPrefix = "replay:"
)

// Open finds a model by name. sets are the datasets that it will answer: a
// replay of a task that is in none of them is refused. Errors are of kind
// Invalid or NotFound.
func Open(name string, sets []*dataset.Set) (Model, error) {
	if name == Canonical {
		return canonical{}, nil
	}
	if path, ok := strings.CutPrefix(name, ReplayPrefix); ok {
		return OpenReplay(path, sets)
	}
	return nil, cupel.Invalidf("model", name, nearest.Fix(name, []string{Canonical, ReplayPrefix + "FILE"}))
}

// canonical answers with the dataset's own answers.
type canonical struct{}

var _ Model = canonical{}

func (canonical) Name() string        { return Canonical }
func (canonical) Fingerprint() string { return Canonical }

func (canonical) Attempts(s *dataset.Sample) int {
	if s.Canonical == "" {
		return 0
	}
	return Any
}

func (canonical) Answer(_ context.Context, s *dataset.Sample, _ int) (Answer, error) {
	return Answer{Text: s.Canonical}, nil
}

// known answers with a sample's answers of known worth, one an attempt.
type known struct{}

// Known returns the model whose attempts are Sample.Answers in their order.
func Known() Model { return known{} }

func (known) Name() string                   { return "bundled answers" }
func (known) Fingerprint() string            { return "known" }
func (known) Attempts(s *dataset.Sample) int { return len(s.Answers) }

func (known) Answer(_ context.Context, s *dataset.Sample, attempt int) (Answer, error) {
	if attempt < 0 || attempt >= len(s.Answers) {
		return Answer{}, cupel.Errorf(cupel.Internal, "answer", "task %s has no attempt %d", s.TaskID, attempt)
	}
	return Answer{Text: s.Answers[attempt].Text}, nil
}
