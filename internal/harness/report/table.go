package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"cupel.dev/cupel/internal/harness"
)

// reasonsShown is how many reasons a table lists for each dataset.
const reasonsShown = 12

// Table writes the report for people.
func (r *Report) Table(w io.Writer, color bool) error {
	_, err := io.WriteString(w, r.render(color, table.Writer.Render))
	return err
}

// Markdown writes the report as Markdown.
func (r *Report) Markdown(w io.Writer) error {
	_, err := io.WriteString(w, r.render(false, table.Writer.RenderMarkdown))
	return err
}

// render puts the report together from tables that show draws.
func (r *Report) render(color bool, show func(table.Writer) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "model %s, engine %s, %s grading\n\n", oneLine(r.Model), r.Engine, r.Grading)
	b.WriteString(show(r.scores(color)) + "\n")
	if t := r.reasons(); t.Length() > 0 {
		b.WriteString("\nWhy attempts did not pass\n\n" + show(t) + "\n")
	}
	b.WriteString("\n" + r.notes())
	return b.String()
}

func newTable(header table.Row) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(header)
	return t
}

func (r *Report) scores(color bool) table.Writer {
	t := newTable(table.Row{"Dataset", "Subset", "Tasks", "Attempts", "Passed", "Failed", "Errored", "Missing", "Score", "95 %", "Time"})
	var right []table.ColumnConfig
	for n := 3; n <= 8; n++ {
		right = append(right, table.ColumnConfig{Number: n, Align: text.AlignRight})
	}
	t.SetColumnConfigs(right)
	for _, d := range r.Datasets {
		ks := d.shownK()
		if len(ks) == 0 {
			t.AppendRow(append(d.counts(color), "–", "", d.time()))
		}
		for i, k := range ks {
			e := d.PassAtK[k]
			score := fmt.Sprintf("pass@%s %.1f %%", k, 100*e.Value)
			interval := fmt.Sprintf("%.1f–%.1f", 100*e.Low, 100*e.High)
			if i == 0 {
				t.AppendRow(append(d.counts(color), score, interval, d.time()))
			} else {
				t.AppendRow(table.Row{"", "", "", "", "", "", "", "", score, interval, ""})
			}
		}
	}
	return t
}

// counts is a dataset's row as far as the counts go.
func (d *Dataset) counts(color bool) table.Row {
	return table.Row{
		d.Name, d.Subset, d.Tasks, d.Attempts, tint(color, text.FgGreen, d.Passed), tint(color, text.FgRed, d.Failed),
		tint(color, text.FgYellow, d.Errored), d.Missing,
	}
}

func (d *Dataset) time() string {
	return time.Duration(d.WallS * float64(time.Second)).Round(100 * time.Millisecond).String()
}

// tint colours a count that isn't zero.
func tint(color bool, c text.Color, n int) string {
	if !color || n == 0 {
		return strconv.Itoa(n)
	}
	return c.EscapeSeq() + strconv.Itoa(n) + text.Reset.EscapeSeq()
}

// shownK are the ks worth a line: 1, 2, 5, 10, 20, 50, … and the largest.
func (d *Dataset) shownK() []string {
	most := 0
	for k := range d.PassAtK {
		n, _ := strconv.Atoi(k)
		most = max(most, n)
	}
	if most == 0 {
		return nil
	}
	var ks []string
	for step := 1; step < most; step *= 10 {
		for _, k := range []int{step, 2 * step, 5 * step} {
			if _, ok := d.PassAtK[strconv.Itoa(k)]; ok && k < most {
				ks = append(ks, strconv.Itoa(k))
			}
		}
	}
	return append(ks, strconv.Itoa(most))
}

func (r *Report) reasons() table.Writer {
	t := newTable(table.Row{"Dataset", "Verdict", "Reason", "Attempts"})
	for _, d := range r.Datasets {
		for _, reason := range d.Reasons[:min(len(d.Reasons), reasonsShown)] {
			t.AppendRow(table.Row{d.Name, string(reason.Verdict), oneLine(reason.Reason), reason.Count})
		}
		if more := len(d.Reasons) - reasonsShown; more > 0 {
			t.AppendRow(table.Row{d.Name, "", fmt.Sprintf("%d other reasons", more), ""})
		}
	}
	return t
}

// oneLine keeps what a program wrote from breaking the table or steering the
// terminal.
func oneLine(s string) string {
	const most = 80
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return s
}

// notes says what the numbers rest on and what they leave out.
func (r *Report) notes() string {
	var b strings.Builder
	for _, d := range r.Datasets {
		if len(d.Proofs) > 0 {
			var parts []string
			for _, p := range slices.Sorted(maps.Keys(d.Proofs)) {
				parts = append(parts, fmt.Sprintf("%d by %s", d.Proofs[p], proofText(p)))
			}
			fmt.Fprintf(&b, "%s: verdicts %s.\n", d.Name, strings.Join(parts, ", "))
		}
		if d.Missing > 0 {
			fmt.Fprintf(&b, "%s: no answer to %d of the tasks, which are outside the score.\n", d.Name, d.Missing)
		}
		if d.Errored > 0 {
			fmt.Fprintf(&b, "%s: %d of the attempts errored and are outside the score; the same command tries them again.\n", d.Name, d.Errored)
		}
	}
	return b.String()
}

func proofText(p harness.Proof) string {
	switch p {
	case harness.ProofData:
		return "data"
	case harness.ProofInProcess:
		return "in-process checks"
	case harness.ProofExitStatus:
		return "exit status"
	}
	return string(p)
}
