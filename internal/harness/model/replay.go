package model

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness/dataset"
	"cupel.dev/cupel/internal/nearest"
)

// Replay is a file of recorded answers: JSONL, each line with task_id and
// either completion (code) or reply (a whole chat answer). Several lines of a
// task are its attempts, in the file's order. A line may name its dataset;
// else it belongs to every dataset that has the task.
type Replay struct {
	name    string
	sha256  string
	answers map[task][]Answer
}

var _ Model = (*Replay)(nil)

type task struct{ dataset, id string }

// OpenReplay reads a replay, plain or gzip, and refuses it whole, naming the
// line, when a line is broken, names a task that is in none of sets, or hasn't
// exactly one of completion and reply.
func OpenReplay(path string, sets []*dataset.Set) (*Replay, error) {
	data, err := read(path)
	if err != nil {
		return nil, err
	}
	return parse(path, data, sets)
}

func parse(path string, data []byte, sets []*dataset.Set) (*Replay, error) {
	sum := sha256.Sum256(data)
	r := &Replay{
		name:    ReplayPrefix + path,
		sha256:  hex.EncodeToString(sum[:]),
		answers: map[task][]Answer{},
	}
	tasks := index(sets)
	err := dataset.Lines(path, data, func(line int, raw []byte) error {
		var l replayLine
		if err := json.Unmarshal(raw, &l); err != nil {
			return dataset.Broken(path, line, raw, err)
		}
		if err := r.add(l, tasks, sets); err != nil {
			return cupel.Errorf(cupel.Invalid, "read replay", "%s:%d: %w", path, line, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}

type replayLine struct {
	Dataset    string          `json:"dataset"`
	TaskID     json.RawMessage `json:"task_id"`
	Completion *string         `json:"completion"`
	Reply      *string         `json:"reply"`
}

// taskID is the id as text: a string, or a number as its digits.
func (l replayLine) taskID() (string, error) {
	var s string
	if err := json.Unmarshal(l.TaskID, &s); err == nil && s != "" {
		return s, nil
	}
	var n json.Number
	if err := json.Unmarshal(l.TaskID, &n); err == nil && n != "" {
		return n.String(), nil
	}
	return "", errors.New(`"task_id" is missing, or neither a string nor a number`)
}

func (r *Replay) add(l replayLine, tasks map[string][]string, sets []*dataset.Set) error {
	id, err := l.taskID()
	if err != nil {
		return err
	}
	var a Answer
	switch {
	case l.Completion != nil && l.Reply != nil:
		return errors.New(`both "completion" and "reply" are given; keep one`)
	case l.Completion != nil:
		a = Answer{Text: *l.Completion}
	case l.Reply != nil:
		a = Answer{Text: *l.Reply, Reply: true}
	default:
		return errors.New(`neither "completion" nor "reply" is given`)
	}
	found := false
	for _, name := range tasks[id] {
		if l.Dataset == "" || l.Dataset == name {
			t := task{name, id}
			r.answers[t] = append(r.answers[t], a)
			found = true
		}
	}
	if !found {
		return unknown(id, l.Dataset, tasks, sets)
	}
	return nil
}

func unknown(id, set string, tasks map[string][]string, sets []*dataset.Set) error {
	for _, s := range sets {
		if slices.Contains(s.Excluded, id) && (set == "" || set == s.Name) {
			return fmt.Errorf("task %q is outside %s's split %s; --dataset-args '{%q: {\"eval_split\": \"all\"}}' takes all rows",
				id, s.Name, s.Args["eval_split"], s.Name)
		}
	}
	ids := make([]string, 0, len(tasks))
	for t := range tasks {
		ids = append(ids, t)
	}
	in := "the datasets named"
	if set != "" {
		in = "dataset " + set
	}
	if n := nearest.To(id, ids); n != "" && len(ids) <= 5000 {
		return fmt.Errorf("task %q is not in %s; did you mean %q", id, in, n)
	}
	return fmt.Errorf("task %q is not in %s", id, in)
}

// index maps a task's id to the datasets that have it.
func index(sets []*dataset.Set) map[string][]string {
	tasks := map[string][]string{}
	for _, set := range sets {
		for i := range set.Samples {
			id := set.Samples[i].TaskID
			tasks[id] = append(tasks[id], set.Name)
		}
	}
	return tasks
}

// Name is "replay:" and the path as it was given.
func (r *Replay) Name() string { return r.name }

// Fingerprint is the hash of the file's content.
func (r *Replay) Fingerprint() string { return "replay sha256:" + r.sha256 }

// Attempts is the number of the task's lines.
func (r *Replay) Attempts(s *dataset.Sample) int { return len(r.answers[task{s.Dataset, s.TaskID}]) }

// Answer returns the task's line of that number.
func (r *Replay) Answer(_ context.Context, s *dataset.Sample, attempt int) (Answer, error) {
	all := r.answers[task{s.Dataset, s.TaskID}]
	if attempt < 0 || attempt >= len(all) {
		return Answer{}, cupel.Errorf(cupel.NotFound, "answer", "%s has no attempt %d of task %s", r.name, attempt, s.TaskID)
	}
	return all[attempt], nil
}

func read(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cupel.Errorf(cupel.NotFound, "read replay", "%s: no such file", path).
			WithHint("--model replay:FILE needs a file of JSON lines with task_id and completion or reply")
	}
	if err != nil {
		return nil, cupel.Errorf(cupel.Invalid, "read replay", "%w", err)
	}
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data, nil
	}
	const most = 4 << 30
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err == nil {
		data, err = io.ReadAll(io.LimitReader(z, most))
	}
	if err != nil {
		return nil, cupel.Errorf(cupel.Invalid, "read replay", "%s: broken gzip: %w", path, err)
	}
	return data, nil
}
