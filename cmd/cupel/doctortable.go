package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"cupel.dev/cupel"
)

// printDoctor shows what was found, and what to do first below.
func (a *app) printDoctor(doc doctorJSON) error {
	color := colors(a.stdout)
	var b strings.Builder
	s := doc.System
	fmt.Fprintf(&b, "%s/%s, kernel %s, %d cores, uid %d, %s\n", s.OS, s.Arch, orNone(s.Kernel), s.CPUs, s.UID, idsText(s))
	fmt.Fprintf(&b, "cache %s, home %s\n\n", orNone(s.Cache), orNone(s.Home))

	t := a.newTable(table.Row{"", "Ability", "Found", "What to do"})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 4, WidthMax: 56, WidthMaxEnforcer: text.WrapSoft}})
	for _, p := range doc.Abilities {
		t.AppendRow(table.Row{mark(&p.OK, color), p.Name, clipped(p.Detail), p.Fix})
	}
	works := doc.Engine.Isolation != nil
	t.AppendRow(table.Row{mark(&works, color), "a sandbox of all this", doc.Engine.found(), doc.Engine.Hint})
	t.AppendSeparator()
	for _, c := range []string{"memory", "pids", "cpu"} {
		ok, found := doc.Cgroups.has(c)
		t.AppendRow(table.Row{mark(&ok, color), "cgroup " + c, found, ""})
	}
	t.AppendSeparator()
	for _, l := range doc.Languages {
		t.AppendRow(table.Row{mark(&l.OK, color), l.Language, clipped(l.Version), l.Install})
	}
	fmt.Fprintf(&b, "%s\n\n%s", t.Render(), doc.conclusion())
	if _, err := io.WriteString(a.stdout, b.String()); err != nil {
		return cupel.Errorf(cupel.Internal, "write stdout", "%w", err)
	}
	return nil
}

func (c cgroupsJSON) has(controller string) (ok bool, found string) {
	if slices.Contains(c.Controllers, controller) {
		return true, c.Mode
	}
	return false, "a watcher and rlimits in its place"
}

// found is what came of making a sandbox.
func (e engineJSON) found() string {
	if e.Isolation == nil {
		return clipped(e.Error)
	}
	return fmt.Sprintf("made, and ran true, in %.1f ms", e.FirstRunMS)
}

// conclusion says which isolation this place gives and why not more.
func (d doctorJSON) conclusion() string {
	var b strings.Builder
	if d.Cgroups.Reason != "" {
		fmt.Fprintf(&b, "cgroups %s: %s\n", d.Cgroups.Mode, d.Cgroups.Reason)
	}
	if is := d.Engine.Isolation; is != nil {
		fmt.Fprintf(&b, "The %s engine works here; isolation: %s.\n", d.Engine.Name, isolationText(*is))
		if !d.OK {
			fmt.Fprintf(&b, "That is weaker than --isolation standard accepts.\n")
		}
	}
	if d.Engine.Error != "" {
		fmt.Fprintf(&b, "The %s engine does not work here: %s\n", d.Engine.Name, d.Engine.Error)
		if d.Engine.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", d.Engine.Hint)
		}
	}
	return b.String()
}

func idsText(s systemJSON) string {
	switch s.IDs {
	case 0:
		return "id maps unreadable"
	case 1:
		return fmt.Sprintf("one id mapped (%d)", s.FirstID)
	}
	return fmt.Sprintf("%d ids mapped from %d", s.IDs, s.FirstID)
}

func orNone(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
