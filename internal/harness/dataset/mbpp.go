package dataset

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/nearest"
)

// mbppTime is EvalScope's review_timeout for it.
const mbppTime = 20 * time.Second

// mbppRow is a row of mbpp.jsonl or, with other names, of sanitized-mbpp.json.
type mbppRow struct {
	TaskID  text     `json:"task_id"`
	Text    string   `json:"text"`
	Prompt  string   `json:"prompt"`
	Code    string   `json:"code"`
	Setup   string   `json:"test_setup_code"`
	Imports []string `json:"test_imports"`
	Tests   []string `json:"test_list"`
}

// mbppSplits are the ids of each split, both ends included.
var mbppSplits = map[string][2]int{
	"prompt": {1, 10}, "test": {11, 510}, "validation": {511, 600}, "train": {601, 974},
}

var mbppSplitNames = []string{"test", "train", "validation", "prompt", "all"}

func openMBPP(path string, a args) (*Set, error) {
	if _, ok := mbppSplits[a.split]; !ok && a.split != "" && a.split != "all" {
		return nil, cupel.Invalidf("dataset_args.mbpp.eval_split", a.split, nearest.Fix(a.split, mbppSplitNames))
	}
	f, err := load(path)
	if err != nil {
		return nil, err
	}
	return readMBPP(f, a)
}

func readMBPP(f *file, a args) (*Set, error) {
	cpu := a.limit(mbppTime)
	set := &Set{Name: "mbpp", Subset: "full", SHA256: f.sha256}
	sanitized := f.isArray()
	seen := unique{}
	err := f.rows(func(at place, raw []byte) error {
		var r mbppRow
		if err := json.Unmarshal(raw, &r); err != nil {
			return at.broken(err)
		}
		if err := r.check(at); err != nil {
			return err
		}
		if err := seen.add(string(r.TaskID), at); err != nil {
			return err
		}
		sanitized = sanitized || r.Text == ""
		set.Samples = append(set.Samples, r.sample(cpu))
		return nil
	})
	if err != nil {
		return nil, err
	}
	if sanitized {
		set.Subset = "sanitized"
	}
	split := set.chooseSplit(a.split, sanitized)
	set.Args = a.fingerprint(split, cpu)
	for i := range set.Samples {
		set.Samples[i].Dataset, set.Samples[i].Subset = set.Name, set.Subset
	}
	return set, set.notEmpty(f.path)
}

func (r *mbppRow) check(at place) error {
	switch {
	case r.TaskID == "":
		return at.missing("task_id")
	case r.Text == "" && r.Prompt == "":
		return at.missing("text")
	case len(r.Tests) == 0:
		return at.missing("test_list")
	}
	return nil
}

func (r *mbppRow) sample(cpu time.Duration) Sample {
	s := Sample{
		TaskID: string(r.TaskID), Language: "python",
		Prompt: r.Text + r.Prompt, Canonical: r.Code,
		Python: &PythonTest{
			Form: FormAsserts, Imports: strings.Join(r.Imports, "\n"), Setup: r.Setup,
			Test: strings.Join(r.Tests, "\n"),
		},
	}
	s.setTime(cpu)
	return s
}

// chooseSplit keeps the rows of the split and returns its name. With none
// asked for that is the test split, or all rows of a file that isn't made of
// splits (the sanitized one) or has no row of that one.
func (s *Set) chooseSplit(asked string, sanitized bool) string {
	split := asked
	if split == "" {
		split = "test"
		if sanitized {
			return "all"
		}
	}
	ids, ok := mbppSplits[split]
	if !ok {
		return "all"
	}
	var kept []Sample
	var excluded []string
	for _, sample := range s.Samples {
		if n, err := strconv.Atoi(sample.TaskID); err == nil && n >= ids[0] && n <= ids[1] {
			kept = append(kept, sample)
		} else {
			excluded = append(excluded, sample.TaskID)
		}
	}
	if asked == "" && len(kept) == 0 {
		return "all"
	}
	s.Samples, s.Excluded = kept, excluded
	return split
}

func (s *Set) notEmpty(path string) error {
	if len(s.Samples) > 0 {
		return nil
	}
	return cupel.Errorf(cupel.Invalid, "read data", "%s: no task of dataset %s in it", path, s.Name)
}
