package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness/dataset"
	"cupel.dev/cupel/internal/harness/judge"
	"cupel.dev/cupel/internal/harness/model"
	"cupel.dev/cupel/service"
)

// evaluation is what evalOptions mean: everything read and checked.
type evaluation struct {
	sets    []*dataset.Set
	model   model.Model
	limit   dataset.Limit
	repeats int
	batch   int
	seed    uint64
	dir     string
	engine  service.EngineRef
	server  string // the one that engine remote talks to
	spec    cupel.Spec
	grading judge.Grading
	rejudge bool
}

// read reads the options. Nothing is started.
func (o evalOptions) read() (*evaluation, error) {
	e := &evaluation{repeats: o.repeats, batch: o.concurrency(), seed: o.seed, rejudge: o.rejudge}
	for _, step := range []func(evalOptions) error{
		e.readEngine, e.readNumbers, e.readSets, e.readModel, e.readDir,
	} {
		if err := step(o); err != nil {
			return nil, err
		}
	}
	return e, nil
}

func (e *evaluation) readEngine(o evalOptions) error {
	sandbox, err := o.sandbox()
	if err != nil {
		return err
	}
	e.engine = sandbox.engine
	if e.spec.Image, err = absoluteImage(sandbox.image); err != nil {
		return err
	}
	e.server = sandbox.server
	e.grading, err = judge.ParseGrading(o.grading)
	return err
}

func (e *evaluation) readNumbers(o evalOptions) error {
	const most = 1 << 20
	for _, n := range []struct {
		flag  string
		value int
	}{{"--repeats", o.repeats}, {"--eval-batch-size", o.batch}} {
		if n.value < 0 || n.value > most {
			return cupel.Invalidf(n.flag, strconv.Itoa(n.value), fmt.Sprintf("give a number from 1 to %d", most))
		}
	}
	var err error
	if e.limit, err = dataset.ParseLimit(o.limit); err != nil {
		return cupel.Invalidf("--limit", o.limit, reason(err))
	}
	return nil
}

func (e *evaluation) readSets(o evalOptions) error {
	known := "known: " + strings.Join(dataset.Names(), ", ")
	switch {
	case len(o.datasets) == 0:
		return cupel.Errorf(cupel.Invalid, "", "--datasets is needed; %s", known)
	case o.data != "" && len(o.datasets) > 1:
		return cupel.Invalidf("--data", o.data, "it is the copy of one dataset, and several are named; use --dataset-args with a local_path for each")
	}
	args, err := o.argsByDataset()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, name := range o.datasets {
		set, err := dataset.Open(strings.TrimSpace(name), dataset.Options{Path: o.data, Args: args[name]})
		if err != nil {
			return err
		}
		if seen[set.Name] {
			return cupel.Invalidf("--datasets", name, "it is named twice")
		}
		seen[set.Name] = true
		delete(args, name)
		e.sets = append(e.sets, set)
	}
	for _, name := range slices.Sorted(maps.Keys(args)) {
		return cupel.Invalidf("--dataset-args", name, "no such dataset among those named: "+strings.Join(o.datasets, ", "))
	}
	return nil
}

// argsByDataset reads --dataset-args: an object of objects.
func (o evalOptions) argsByDataset() (map[string]map[string]json.RawMessage, error) {
	args := map[string]map[string]json.RawMessage{}
	if strings.TrimSpace(o.datasetArgs) == "" {
		return args, nil
	}
	if err := json.Unmarshal([]byte(o.datasetArgs), &args); err != nil {
		return nil, cupel.Invalidf("--dataset-args", o.datasetArgs,
			`write an object for each dataset, such as {"mbpp": {"eval_split": "all"}} (`+strings.TrimPrefix(err.Error(), "json: ")+")")
	}
	return args, nil
}

func (e *evaluation) readModel(o evalOptions) error {
	if o.model == "" {
		return cupel.Errorf(cupel.Invalid, "", "--model is needed").
			WithHint("canonical judges the dataset's own answers, replay:FILE recorded ones")
	}
	var err error
	e.model, err = model.Open(o.model, e.sets)
	return err
}

func (e *evaluation) readDir(o evalOptions) error {
	var err error
	e.dir, err = o.dir(time.Now())
	return err
}

// languages are those of the tasks that will be judged.
func (e *evaluation) languages() []string {
	all := map[string]bool{}
	for _, set := range e.sets {
		samples := e.limit.Apply(set.Samples)
		for i := range samples {
			if e.model.Attempts(&samples[i]) != 0 {
				all[samples[i].Language] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// service is where the evaluation's programs run. On a server, this machine's
// cores and memory bound nothing.
func (e *evaluation) service() *service.Service {
	if e.server == "" {
		return newService(service.Config{})
	}
	return newService(service.Config{Programs: e.batch, MemoryBudget: cupel.Size(e.batch) * cupel.TiB})
}

// newService makes a service that opens engines by name.
func newService(cfg service.Config) *service.Service {
	cfg.Open = func(ctx context.Context, ref service.EngineRef) (cupel.Engine, error) {
		return openEngine(ctx, ref.Name, ref.Config)
	}
	return service.New(cfg)
}
