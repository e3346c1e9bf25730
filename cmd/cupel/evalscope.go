package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cupel.dev/cupel"
)

// This file is about how EvalScope's users write things. What they know keeps
// working, or is refused by name.

// evalFlagName makes dashes of underscores, and today's names of EvalScope's
// others.
func evalFlagName(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	out := []byte(name)
	for i, c := range out {
		if c == '_' {
			out[i] = '-'
		}
	}
	if string(out) == "rerun-review" {
		return "rejudge"
	}
	return pflag.NormalizedName(out)
}

// noConfigFile refuses arguments: config files are not read yet.
func noConfigFile(_ *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return refused{cupel.Errorf(cupel.Unsupported, "", "config file %q: cupel eval doesn't read config files yet", args[0]).
		WithHint("give its values as flags: --datasets, --model, --dataset-args, --limit, …; see cupel eval --help")}
}

// notYet are EvalScope's flags, and the contract's, that cupel eval can't
// honour yet. They are refused by name: an ignored flag gives wrong numbers.
var notYet = map[string]string{
	"api-url":                 "judge recorded answers with --model replay:FILE",
	"api-key":                 "judge recorded answers with --model replay:FILE",
	"generation-config":       "judge recorded answers with --model replay:FILE",
	"model-id":                "the model's name in reports is that of --model",
	"model-args":              "judge recorded answers with --model replay:FILE",
	"dataset-dir":             "name the file with --data",
	"dataset-hub":             "cupel downloads nothing; name the file with --data",
	"eval-type":               "judge recorded answers with --model replay:FILE",
	"no-timestamp":            "name the run's folder with --out",
	"enable-progress-tracker": "progress is on stderr",
	"ignore-errors":           "errored attempts never end a run; leave it out",
	"debug":                   "leave it out",
	"judge":                   "no dataset here needs a judging model; leave it out",
	"analysis-report":         "read report.json",
	"collect-perf":            "leave it out",
	"no-collect-perf":         "leave it out",
	"agent-config":            "no dataset here needs an agent; leave it out",
}

// spreadLists rewrites "eval --datasets A B" as "eval --datasets=A
// --datasets=B": EvalScope's flag takes every word up to the next flag.
func spreadLists(args []string) []string {
	if len(args) == 0 || args[0] != "eval" {
		return args
	}
	const flag = "--datasets"
	out := make([]string, 0, len(args))
	listing := false
	for i, arg := range args {
		switch {
		case arg == "--":
			return append(out, args[i:]...)
		case arg == flag && i+1 < len(args) && !strings.HasPrefix(args[i+1], "-"):
			listing = true
		case strings.HasPrefix(arg, "-"):
			listing = false
			out = append(out, arg)
		case listing:
			out = append(out, flag+"="+arg)
		default:
			out = append(out, arg)
		}
	}
	return out
}
