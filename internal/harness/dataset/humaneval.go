package dataset

import (
	"encoding/json"
	"regexp"
	"time"
)

// humanEvalTime is EvalScope's review_timeout for it.
const humanEvalTime = 4 * time.Second

type humanEvalRow struct {
	TaskID    text    `json:"task_id"`
	Prompt    *string `json:"prompt"`
	Canonical string  `json:"canonical_solution"`
	Entry     string  `json:"entry_point"`
	Test      string  `json:"test"`
}

func openHumanEval(path string, a args) (*Set, error) {
	if err := a.noSplit("test"); err != nil {
		return nil, err
	}
	f, err := load(path)
	if err != nil {
		return nil, err
	}
	return readHumanEval(f, a)
}

func readHumanEval(f *file, a args) (*Set, error) {
	cpu := a.limit(humanEvalTime)
	set := &Set{Name: "humaneval", Subset: "openai_humaneval", SHA256: f.sha256, Args: a.fingerprint("test", cpu)}
	seen := unique{}
	err := f.rows(func(at place, raw []byte) error {
		var r humanEvalRow
		if err := json.Unmarshal(raw, &r); err != nil {
			return at.broken(err)
		}
		if err := r.check(at); err != nil {
			return err
		}
		if err := seen.add(string(r.TaskID), at); err != nil {
			return err
		}
		set.Samples = append(set.Samples, r.sample(set, cpu))
		return nil
	})
	if err == nil {
		err = set.notEmpty(f.path)
	}
	return set, err
}

func (r *humanEvalRow) check(at place) error {
	switch {
	case r.TaskID == "":
		return at.missing("task_id")
	case r.Prompt == nil:
		return at.missing("prompt")
	case !identifier.MatchString(r.Entry):
		return at.missing("entry_point")
	case r.Test == "":
		return at.missing("test")
	}
	return nil
}

var identifier = regexp.MustCompile(`^[\pL_][\pL\pN_]*$`)

func (r *humanEvalRow) sample(set *Set, cpu time.Duration) Sample {
	s := Sample{
		Dataset: set.Name, Subset: set.Subset, TaskID: string(r.TaskID), Language: "python",
		Prompt: *r.Prompt, Canonical: r.Canonical,
		Python: &PythonTest{
			Form: FormCheck, EntryPoint: r.Entry, Test: r.Test,
			Preamble: preamble(*r.Prompt, r.Entry),
		},
	}
	s.setTime(cpu)
	return s
}
