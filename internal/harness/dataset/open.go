package dataset

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/nearest"
)

// Set is a dataset that was read.
type Set struct {
	// Name is the dataset's, Subset EvalScope's name of the part.
	Name, Subset string
	// SHA256 is of the data, decompressed, in hex.
	SHA256 string
	// Args are the arguments that change which rows are judged and how, for
	// a run's fingerprint.
	Args    map[string]string
	Samples []Sample
	// Excluded are the ids of rows outside the split that was chosen.
	Excluded []string
}

// Options say where a dataset's data is and how to read it.
type Options struct {
	// Path is the data file, plain or gzip. The bundled set needs none.
	Path string
	// Args are the dataset's dataset_args: eval_split, review_timeout,
	// local_path. EvalScope's arguments that only shape prompts are accepted.
	Args map[string]json.RawMessage
}

type source struct {
	about string
	open  func(path string, a args) (*Set, error)
	// needsPath is false where the data is part of the program.
	needsPath bool
	// origin says where the data comes from.
	origin string
}

var sources = map[string]source{
	"humaneval": {about: "HumanEval: 164 Python functions", open: openHumanEval, needsPath: true,
		origin: "HumanEval.jsonl.gz of github.com/openai/human-eval"},
	"mbpp": {about: "MBPP: mostly basic Python problems, 500 in its test split", open: openMBPP, needsPath: true,
		origin: "mbpp.jsonl or sanitized-mbpp.json of github.com/google-research/google-research/tree/master/mbpp"},
	Bundled: {about: "a small set of answers of known worth, in bash, python and c", open: openBundled},
}

// aliases are other spellings of datasets' names.
var aliases = map[string]string{"bundled": Bundled, "human_eval": "humaneval", "human-eval": "humaneval"}

// Names lists the datasets.
func Names() []string { return slices.Sorted(maps.Keys(sources)) }

// About describes a dataset in a line, "" if there is none of that name.
func About(name string) string { return sources[name].about }

// Open reads a dataset. Errors are of kind Invalid (an unknown name, with the
// nearest right one; a bad argument; broken data, with file, line and column)
// or NotFound (the file).
func Open(name string, o Options) (*Set, error) {
	canonical := name
	if a, ok := aliases[name]; ok {
		canonical = a
	}
	src, ok := sources[canonical]
	if !ok {
		return nil, cupel.Invalidf("dataset", name, nearest.Fix(name, Names()))
	}
	a, err := parseArgs(canonical, o.Args)
	if err != nil {
		return nil, err
	}
	path := o.Path
	if path == "" {
		path = a.localPath
	}
	if src.needsPath && path == "" {
		return nil, cupel.Errorf(cupel.Invalid, "dataset "+canonical, "no data file given").
			WithHint("give --data PATH, a copy of %s", src.origin)
	}
	if !src.needsPath && path != "" {
		return nil, cupel.Invalidf("data", path, "dataset "+canonical+" is part of cupel and takes no file")
	}
	return src.open(path, a)
}

// args are the dataset_args that matter here.
type args struct {
	dataset       string
	split         string
	reviewTimeout time.Duration
	localPath     string
}

// promptArgs shape prompts or name downloads, neither of which judging uses.
var promptArgs = []string{
	"dataset_id", "few_shot_num", "few_shot_prompt_template", "few_shot_random", "name", "pretty_name",
	"prompt_template", "query_template", "shuffle", "system_prompt", "train_split", "sandbox_config",
	"extra_params", "filters", "metric_list", "subset_list", "default_subset", "aggregation",
}

func parseArgs(dataset string, raw map[string]json.RawMessage) (args, error) {
	a := args{dataset: dataset}
	for _, key := range slices.Sorted(maps.Keys(raw)) {
		var err error
		switch key {
		case "eval_split":
			err = json.Unmarshal(raw[key], &a.split)
		case "local_path":
			err = json.Unmarshal(raw[key], &a.localPath)
		case "review_timeout":
			a.reviewTimeout, err = seconds(raw[key])
		default:
			if !slices.Contains(promptArgs, key) {
				known := append([]string{"eval_split", "local_path", "review_timeout"}, promptArgs...)
				return a, cupel.Invalidf("dataset_args."+dataset, key, nearest.Fix(key, known))
			}
		}
		if err != nil {
			return a, cupel.Invalidf("dataset_args."+dataset+"."+key, string(raw[key]), "give "+argFix(key))
		}
	}
	return a, nil
}

func argFix(key string) string {
	if key == "review_timeout" {
		return "a number of seconds from 0.001 to 86400"
	}
	return "a string"
}

func seconds(raw json.RawMessage) (time.Duration, error) {
	var s float64
	if err := json.Unmarshal(raw, &s); err != nil {
		return 0, err
	}
	if math.IsNaN(s) || s < 0.001 || s > 86400 {
		return 0, errors.New("out of range")
	}
	return time.Duration(s * float64(time.Second)), nil
}

// limit returns the CPU limit: the argument's, or else the dataset's own.
func (a args) limit(own time.Duration) time.Duration {
	if a.reviewTimeout > 0 {
		return a.reviewTimeout
	}
	return own
}

// noSplit refuses a split for datasets that have one part only.
func (a args) noSplit(only string) error {
	if a.split == "" || a.split == only || a.split == "all" {
		return nil
	}
	return cupel.Invalidf("dataset_args."+a.dataset+".eval_split", a.split, "this dataset has only the split "+only)
}

// fingerprint is what of the arguments changes rows or verdicts.
func (a args) fingerprint(split string, cpu time.Duration) map[string]string {
	return map[string]string{"eval_split": split, "review_timeout": cpu.String()}
}

func readFile(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, cupel.Errorf(cupel.NotFound, "read data", "%s: no such file", path).
			WithHint("check the path given by --data")
	}
	if err != nil {
		return nil, &cupel.Error{Kind: cupel.Invalid, Op: "read data", Err: fmt.Errorf("%w", err)}
	}
	return data, nil
}
