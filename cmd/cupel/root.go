package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/nearest"
)

// The groups of verbs in the help.
const (
	groupJudge   = "judge"
	groupMachine = "machine"
)

func newRoot(a *app) *cobra.Command {
	var version bool
	root := &cobra.Command{
		Use:   "cupel",
		Short: "Judge model-written code in a sandbox of its own",
		Long: `cupel runs programs that nobody has read, such as code written by a model, in an
embedded sandbox: no Docker, no daemon, no root. It judges whole benchmarks with
checks that an answer can't cheat.`,
		Example: `  cupel demo                            see it work, offline
  cupel run answer.py                   run one program
  cupel eval --datasets humaneval --data HumanEval.jsonl.gz --model canonical
  cupel doctor                          what this machine can do`,
		Args:             unknownVerb,
		PersistentPreRun: func(*cobra.Command, []string) { a.parsed = true },
		RunE: func(cmd *cobra.Command, _ []string) error {
			if version {
				return a.runVersion()
			}
			return cmd.Help()
		},
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.Flags().BoolVar(&version, "version", false, "say what this cupel is")
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpCommandGroupID(groupMachine)
	root.AddGroup(&cobra.Group{ID: groupJudge, Title: "Judge:"}, &cobra.Group{ID: groupMachine, Title: "This machine:"})
	root.AddCommand(newDemo(a), newRun(a), newEval(a), newServer(a), newDoctor(a), newBench(a), newVersion(a), newCompletion(a))
	return root
}

// unknownVerb refuses the argument of a bare cupel.
func unknownVerb(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var verbs []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			verbs = append(verbs, c.Name())
		}
	}
	return cupel.Invalidf("verb", args[0], nearest.Fix(args[0], verbs))
}

// flagError words what pflag found wrong: the flag, the value and the fix.
func flagError(cmd *cobra.Command, err error) error {
	var (
		unknown  *pflag.NotExistError
		noValue  *pflag.ValueRequiredError
		badValue *pflag.InvalidValueError
	)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case errors.As(err, &unknown):
		return unknownFlag(cmd, unknown)
	case errors.As(err, &noValue):
		return cupel.Errorf(cupel.Invalid, "", "--%s needs a value: %s", noValue.GetFlag().Name, noValue.GetFlag().Usage)
	case errors.As(err, &badValue):
		return cupel.Invalidf("--"+badValue.GetFlag().Name, badValue.GetValue(), reason(badValue.Unwrap()))
	}
	return cupel.Errorf(cupel.Invalid, "", "%w", err)
}

func unknownFlag(cmd *cobra.Command, e *pflag.NotExistError) error {
	if short := e.GetSpecifiedShortnames(); short != "" {
		return cupel.Errorf(cupel.Invalid, "", "unknown flag -%s", short).WithHint("see %s --help", cmd.CommandPath())
	}
	name := strings.ReplaceAll(e.GetSpecifiedName(), "_", "-")
	if why, ok := notYet[name]; ok && cmd.Name() == "eval" {
		return refused{cupel.Errorf(cupel.Unsupported, "", "--%s is not supported yet: %s", name, why)}
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	err := cupel.Errorf(cupel.Invalid, "", "unknown flag --%s", e.GetSpecifiedName())
	if n := nearest.To(name, names); n != "" {
		return err.WithHint("did you mean --%s?", n)
	}
	return err.WithHint("see %s --help", cmd.CommandPath())
}

// reason is what is wrong with a value, without the name of the field: the
// flag's name is said already.
func reason(err error) string {
	text := err.Error()
	if number, ok := errors.AsType[*strconv.NumError](err); ok {
		if number.Func == "ParseBool" {
			return "write true or false"
		}
		return "write a whole number in range"
	}
	if _, fix, ok := strings.Cut(text, " is not valid: "); ok {
		return fix
	}
	return text
}

// suggest makes shells complete a flag's value.
func suggest(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// noArguments refuses arguments that a verb has no use for.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return cupel.Invalidf("argument", args[0], fmt.Sprintf("cupel %s takes none", cmd.Name()))
}
