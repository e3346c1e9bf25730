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
	for i, answers := range byTask(doc.Answers) {
		if i > 0 {
			t.AppendSeparator()
		}
		task, language := answers[0].TaskID, answers[0].Language
		if answers[0].JudgedRight == nil {
			all := fmt.Sprintf("(%d answers)", len(answers))
			t.AppendRow(table.Row{task, language, all, clipped(answers[0].Said), "", mark(nil, color)})
			continue
		}
		for _, row := range answers {
			t.AppendRow(table.Row{task, language, row.Does, clipped(row.Said), row.Expected, mark(row.JudgedRight, color)})
			task, language = "", ""
		}
	}
	total := doc.JudgedRight + doc.JudgedWrong
	var b strings.Builder
	fmt.Fprintf(&b, "Answers whose worth is known, each judged in a sandbox of its own:\n%s\n\n%d of %d answers judged right",
		t.Render(), doc.JudgedRight, total)
	if doc.Unsupported > 0 {
		fmt.Fprintf(&b, ", %d could not run here (%s)", doc.Unsupported, strings.Join(installs(doc), "; "))
	}
	fmt.Fprintf(&b, "\n%.1f s, %.1f checks/s, isolation %s\n", doc.WallS, doc.ChecksPerS, isolationText(doc.Isolation))
	if _, err := io.WriteString(a.stdout, b.String()); err != nil {
		return cupel.Errorf(cupel.Internal, "write stdout", "%w", err)
	}
	return nil
}

// byTask splits answers where the task changes. A toolchain is missing for all
// of a task's answers or for none.
func byTask(answers []demoAnswer) [][]demoAnswer {
	var tasks [][]demoAnswer
	for _, a := range answers {
		if n := len(tasks); n > 0 && tasks[n-1][0].TaskID == a.TaskID {
			tasks[n-1] = append(tasks[n-1], a)
		} else {
			tasks = append(tasks, []demoAnswer{a})
		}
	}
	return tasks
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
