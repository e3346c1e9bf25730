package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"cupel.dev/cupel/internal/harness/grade"
)

// versionJSON says what this binary is.
type versionJSON struct {
	// Version is the module's, "devel" for a build of a working tree.
	Version string `json:"version"`
	// Commit is the revision built from, "" where the build doesn't say;
	// Modified says that the tree had changes on top.
	Commit   string `json:"commit"`
	Modified bool   `json:"modified"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	// Grading changes whenever a verdict could.
	Grading string `json:"grading"`
}

func newVersion(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Say what this cupel is",
		GroupID: groupMachine,
		Example: "  cupel version --json",
		Args:    noArguments,
		RunE:    func(*cobra.Command, []string) error { return a.runVersion() },
	}
	cmd.Flags().BoolVar(&a.json, "json", false, "print one JSON document")
	return cmd
}

// runVersion prints what this binary is.
func (a *app) runVersion() error {
	v := readVersion()
	if a.json {
		return a.printJSON(v)
	}
	_, err := fmt.Fprintln(a.stdout, v)
	return err
}

func readVersion() versionJSON {
	v := versionJSON{
		Version: "devel", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH, Grading: grade.Version,
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

// String is the version on one line.
func (v versionJSON) String() string {
	commit := ""
	if v.Commit != "" {
		commit = " (" + v.Commit[:min(len(v.Commit), 12)]
		if v.Modified {
			commit += ", modified"
		}
		commit += ")"
	}
	return fmt.Sprintf("cupel %s%s, grading %s, %s %s/%s", v.Version, commit, v.Grading, v.Go, v.OS, v.Arch)
}
