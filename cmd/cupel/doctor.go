package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/spf13/cobra"

	"cupel.dev/cupel"
	"cupel.dev/cupel/api"
	"cupel.dev/cupel/engines"
	"cupel.dev/cupel/internal/harness/report"
	"cupel.dev/cupel/internal/lang"
	"cupel.dev/cupel/internal/linux/cgroup"
	"cupel.dev/cupel/internal/linux/probe"
)

func newDoctor(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "doctor",
		Short:   "Find out what this machine can do, and what to fix",
		GroupID: groupMachine,
		Long: `Try every ability of the kernel that sandboxes are built from, make a sandbox, and look
for each language's toolchain in it. What is missing is shown with what to do about it.

Exit status: 0 when programs can be run at --isolation standard, else 1.`,
		Example: "  cupel doctor\n  cupel doctor --json",
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.runDoctor(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&a.json, "json", false, "print one JSON document instead of tables")
	return cmd
}

// runDoctor examines this place and prints what it found.
func (a *app) runDoctor(ctx context.Context) error {
	doc := examine(ctx)
	if ctx.Err() != nil {
		return cupel.Errorf(cupel.Canceled, "doctor", "%w", context.Cause(ctx))
	}
	var err error
	if a.json {
		err = a.printJSON(doc)
	} else {
		err = a.printDoctor(doc)
	}
	if err == nil && !doc.OK {
		err = errNotHeld
	}
	return err
}

// doctorJSON is what cupel doctor --json prints.
type doctorJSON struct {
	Schema int `json:"schema"`
	// OK says that a program ran at standard isolation.
	OK        bool            `json:"ok"`
	Engine    engineJSON      `json:"engine"`
	System    systemJSON      `json:"system"`
	Cgroups   cgroupsJSON     `json:"cgroups"`
	Abilities []abilityJSON   `json:"abilities"`
	Languages []toolchainJSON `json:"languages"`
}

type engineJSON struct {
	Name string `json:"name"`
	// Isolation is null where the engine does not work; Error and Hint say
	// why then.
	Isolation *api.Isolation `json:"isolation"`
	// FirstRunMS is what making the first sandbox and running true in it took.
	FirstRunMS float64 `json:"first_run_ms"`
	Error      string  `json:"error"`
	Hint       string  `json:"hint"`
}

type systemJSON struct {
	OS     string `json:"os"`
	Arch   string `json:"arch"`
	Kernel string `json:"kernel"`
	CPUs   int    `json:"cpus"`
	UID    int    `json:"uid"`
	// IDs is how many user ids exist in this user namespace, from FirstID on.
	IDs     uint32 `json:"ids"`
	FirstID uint32 `json:"first_id"`
	Cache   string `json:"cache"`
	Home    string `json:"home"`
}

type cgroupsJSON struct {
	Mode        string   `json:"mode"`
	Controllers []string `json:"controllers"`
	Reason      string   `json:"reason"`
}

type abilityJSON struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
	Fix    string `json:"fix"`
}

type toolchainJSON struct {
	Language string `json:"language"`
	OK       bool   `json:"ok"`
	Version  string `json:"version"`
	Install  string `json:"install"`
}

func examine(ctx context.Context) doctorJSON {
	doc := doctorJSON{
		Schema: 1, Engine: engineJSON{Name: engines.Default}, System: examineSystem(), Cgroups: examineCgroups(),
		Abilities: []abilityJSON{}, Languages: []toolchainJSON{},
	}
	for _, p := range probe.All(ctx) {
		doc.Abilities = append(doc.Abilities, abilityJSON(p))
	}
	if err := doc.examineEngine(ctx); err != nil {
		doc.Engine.Error, doc.Engine.Hint = err.Error(), cupel.HintOf(err)
	}
	return doc
}

func examineSystem() systemJSON {
	sys := systemJSON{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), UID: os.Getuid()}
	sys.Kernel, _, _ = probe.Kernel()
	sys.FirstID, sys.IDs = probe.IDRange()
	sys.Cache = placeOf("CUPEL_CACHE", "/var/cache/cupel", os.UserCacheDir)
	sys.Home = placeOf("CUPEL_HOME", "/var/lib/cupel", userDataDir)
	return sys
}

// placeOf is a directory of cupel's: what the environment says, else root's,
// else the user's.
func placeOf(env, root string, user func() (string, error)) string {
	if dir := os.Getenv(env); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return root
	}
	dir, err := user()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "cupel")
}

func userDataDir() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); dir != "" {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".local", "share"), err
}

func examineCgroups() cgroupsJSON {
	m, err := cgroup.Open(cgroup.Config{Name: "cupel-doctor"})
	if err != nil {
		return cgroupsJSON{Mode: cgroup.None.String(), Controllers: []string{}, Reason: err.Error()}
	}
	c := cgroupsJSON{Mode: m.Mode().String(), Controllers: m.Controllers(), Reason: m.Reason()}
	if c.Controllers == nil {
		c.Controllers = []string{}
	}
	if err := m.Close(); err != nil {
		c.Reason = err.Error()
	}
	return c
}

// examineEngine makes a sandbox, runs a program in it and looks for toolchains.
func (d *doctorJSON) examineEngine(ctx context.Context) (err error) {
	e, err := openEngine(ctx, engines.Default, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	began := time.Now()
	sb, err := e.Create(ctx, cupel.Spec{Isolation: cupel.IsolationAny})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sb.Close()) }()
	res, _, stderr, err := cupel.Output(ctx, sb, cupel.Cmd{Args: []string{"true"}})
	switch {
	case err != nil:
		return err
	case res.Status != cupel.StatusOK:
		return cupel.Errorf(cupel.Internal, "", "true ends with %s, exit status %d, signal %q: %.200q",
			res.Status, res.ExitCode, res.Signal, stderr)
	}
	is := api.NewIsolation(res.Isolation)
	d.Engine.Isolation, d.Engine.FirstRunMS = &is, report.Round(time.Since(began).Seconds()*1000, 3)
	d.OK, err = cupel.IsolationStandard.Accepts(is.Tier)
	if err != nil {
		return err
	}
	return d.examineLanguages(ctx, sb)
}

func (d *doctorJSON) examineLanguages(ctx context.Context, sb cupel.Sandbox) error {
	for _, l := range lang.All() {
		version, err := lang.Available(ctx, sb, l)
		switch cupel.KindOf(err) {
		case "":
			d.Languages = append(d.Languages, toolchainJSON{Language: l.Name, OK: true, Version: version})
		case cupel.Unsupported:
			d.Languages = append(d.Languages, toolchainJSON{Language: l.Name, Install: l.Install})
		default:
			return err
		}
	}
	return nil
}
