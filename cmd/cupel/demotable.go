package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"cupel.dev/cupel"
)

// printDemo shows the answers, one a row, and the sums below.
func (a *app) printDemo(doc demoJSON) error {
	t := a.newTable(table.Row{"Task", "Language", "The answer", "cupel said", "Should be", ""})
	color := colors(a.stdout)
	last := ""
	for _, row := range doc.Answers {
		task, language := row.TaskID, row.Language
		switch {
		case task == last:
			task, language = "", ""
		case last != "":
			t.AppendSeparator()
		}
		last = row.TaskID
		t.AppendRow(table.Row{task, language, row.Does, clipped(row.Said), row.Expected, mark(row.JudgedRight, color)})
	}
	total := doc.JudgedRight + doc.JudgedWrong
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%d of %d answers judged right", t.Render(), doc.JudgedRight, total)
	if doc.Unsupported > 0 {
		fmt.Fprintf(&b, ", %d could not run here (%s)", doc.Unsupported, strings.Join(installs(doc), "; "))
	}
	fmt.Fprintf(&b, "\n%.1f s, %.1f checks/s, isolation %s\n", doc.WallS, doc.ChecksPerS, isolationText(doc.Isolation))
	if _, err := io.WriteString(a.stdout, b.String()); err != nil {
		return cupel.Errorf(cupel.Internal, "write stdout", "%w", err)
	}
	return nil
}

// installs are the commands that bring the toolchains that were missing.
func installs(doc demoJSON) []string {
	var all []string
	seen := map[string]bool{}
	for _, row := range doc.Answers {
		if fix := strings.TrimPrefix(row.Said, "unsupported: "); row.JudgedRight == nil && !seen[fix] {
			seen[fix] = true
			all = append(all, fix)
		}
	}
	return all
}
