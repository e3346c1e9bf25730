package main

import (
	"github.com/spf13/cobra"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/nearest"
)

var shells = []string{"bash", "zsh", "fish"}

func newCompletion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "completion bash|zsh|fish",
		Short:   "Print a shell's completion script",
		GroupID: groupMachine,
		Example: `  source <(cupel completion bash)
  cupel completion zsh > "${fpath[1]}/_cupel"
  cupel completion fish > ~/.config/fish/completions/cupel.fish`,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cupel.Errorf(cupel.Invalid, "", "name one shell: bash, zsh or fish")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			}
			return cupel.Invalidf("shell", args[0], nearest.Fix(args[0], shells))
		},
	}
}
