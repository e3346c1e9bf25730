// Package report is what an evaluation ends with: report.json for scripts,
// tables for people, and the progress shown on the way.
package report

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/score"
)

// Schema is report.json's version, and File its name.
const (
	Schema = 1
	File   = "report.json"
)

// Report is report.json.
type Report struct {
	Schema   int       `json:"schema"`
	Model    string    `json:"model"`
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished"`
	Engine   string    `json:"engine"`
	// Grading is "strict" or "upstream".
	Grading  string    `json:"grading"`
	Datasets []Dataset `json:"datasets"`
}

// Dataset is the outcome on one dataset. Attempts is the sum of Passed, Failed
// and Errored; Missing counts tasks that the model has no answer to.
type Dataset struct {
	Name     string `json:"name"`
	Subset   string `json:"subset"`
	Tasks    int    `json:"tasks"`
	Attempts int    `json:"attempts"`
	Passed   int    `json:"passed"`
	Failed   int    `json:"failed"`
	Errored  int    `json:"errored"`
	Missing  int    `json:"missing"`
	// PassAtK maps k, from 1 to the most attempts of a task, to its estimate.
	PassAtK map[string]Estimate `json:"pass_at_k"`
	// WallS is how many seconds attempts were being judged.
	WallS float64 `json:"wall_s"`
	// Reasons counts why attempts did not pass, most frequent first.
	Reasons []Reason `json:"reasons"`
	// Proofs counts what the verdicts rest on.
	Proofs map[harness.Proof]int `json:"proofs"`
}

// Estimate is a pass@k from 0 to 1 and its 95 % interval over Tasks tasks.
type Estimate struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Tasks int     `json:"tasks"`
}

// Reason is a kind of failure and how often it came up.
type Reason struct {
	Verdict harness.Verdict `json:"verdict"`
	Reason  string          `json:"reason"`
	Count   int             `json:"count"`
}

// Count adds an attempt.
func (d *Dataset) Count(a harness.Attempt) {
	d.Attempts++
	if d.Proofs == nil {
		d.Proofs = map[harness.Proof]int{}
	}
	if a.Proof != "" {
		d.Proofs[a.Proof]++
	}
	switch a.Verdict {
	case harness.Passed:
		d.Passed++
		return
	case harness.Failed:
		d.Failed++
	default:
		d.Errored++
	}
	r := Reason{a.Verdict, a.Reason, 1}
	if a.Verdict == harness.Failed {
		r.Reason = class(a.Reason)
	}
	same := func(x Reason) bool { return x.Verdict == r.Verdict && x.Reason == r.Reason }
	if i := slices.IndexFunc(d.Reasons, same); i >= 0 {
		d.Reasons[i].Count++
	} else {
		d.Reasons = append(d.Reasons, r)
	}
}

// class is a reason without what only one attempt has: "exception: NameError".
func class(reason string) string {
	parts := strings.SplitN(reason, ": ", 3)
	return strings.Join(parts[:min(len(parts), 2)], ": ")
}

// Score fills in pass@k from the tasks' verdicts and brings the reasons in
// order. The same tasks and seed give the same numbers.
func (d *Dataset) Score(tasks []score.Task, seed uint64) {
	d.PassAtK = map[string]Estimate{}
	most := 0
	for _, t := range tasks {
		most = max(most, len(t.Judged))
	}
	for k := 1; k <= most; k++ {
		e := score.At(tasks, k, seed)
		if e.Tasks > 0 {
			d.PassAtK[strconv.Itoa(k)] = Estimate{Round(e.Value, 6), Round(e.Low, 3), Round(e.High, 3), e.Tasks}
		}
	}
	if d.Reasons == nil {
		d.Reasons = []Reason{}
	}
	if d.Proofs == nil {
		d.Proofs = map[harness.Proof]int{}
	}
	slices.SortFunc(d.Reasons, func(a, b Reason) int {
		if a.Count != b.Count {
			return b.Count - a.Count
		}
		return strings.Compare(string(a.Verdict)+a.Reason, string(b.Verdict)+b.Reason)
	})
}

// Round rounds to so many decimals.
func Round(v float64, decimals int) float64 {
	scale := math.Pow10(decimals)
	return math.Round(v*scale) / scale
}

// Errored is how many attempts say nothing because the machine failed.
func (r *Report) Errored() int {
	n := 0
	for _, d := range r.Datasets {
		n += d.Errored
	}
	return n
}

// JSON is report.json's content.
func (r *Report) JSON() ([]byte, error) {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, cupel.Errorf(cupel.Internal, "encode report", "%w", err)
	}
	return append(raw, '\n'), nil
}

// Save writes dir's report.json, replacing the one before as a whole.
func (r *Report) Save(dir string) error {
	raw, err := r.JSON()
	if err != nil {
		return err
	}
	return WriteFile(filepath.Join(dir, File), raw)
}

// Load reads dir's report.json.
func Load(dir string) (*Report, error) {
	path := filepath.Join(dir, File)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cupel.Errorf(cupel.NotFound, "read report", "%s: no such file", path).
			WithHint("the run is not finished, or the folder is not a run's; cupel eval writes the report at its end")
	}
	if err != nil {
		return nil, cupel.Errorf(cupel.Invalid, "read report", "%w", err)
	}
	var r Report
	if err := json.Unmarshal(raw, &r); err != nil || r.Schema != Schema {
		return nil, cupel.Errorf(cupel.Invalid, "read report", "%s is not a report of schema %d", path, Schema)
	}
	return &r, nil
}

// WriteFile writes a file so that at any moment, a power cut included, the
// path holds the old content or the new.
func WriteFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return cupel.Errorf(cupel.Internal, "write file", "%w", err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return cupel.Errorf(cupel.Internal, "write file", "%w", err)
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return cupel.Errorf(cupel.Internal, "sync folder", "%w", err)
	}
	defer func() { _ = d.Close() }()
	// Some file systems can't sync a folder; the rename is done all the same.
	_ = d.Sync()
	return nil
}
