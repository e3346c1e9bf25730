package main

import (
	"cupel.dev/cupel/api"
	"fmt"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// newTable is a table in cupel's style, no wider than the terminal.
func (a *app) newTable(header table.Row) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleRounded)
	t.Style().Format.Header = text.FormatDefault
	if f, ok := a.stdout.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil {
			t.Style().Size.WidthMax = width
		}
	}
	t.AppendHeader(header)
	return t
}

// mark is ✓, ✗, or – where nothing was found out.
func mark(ok *bool, color bool) string {
	sign, c := "–", text.FgYellow
	if ok != nil {
		sign, c = "✗", text.FgRed
		if *ok {
			sign, c = "✓", text.FgGreen
		}
	}
	if !color {
		return sign
	}
	return c.EscapeSeq() + sign + text.Reset.EscapeSeq()
}

// clipped keeps a reason, which may quote a program, from breaking the table
// or steering the terminal.
func clipped(s string) string {
	const most = 40
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

// isolationText is the tier, and what a better place would add.
func isolationText(is api.Isolation) string {
	if len(is.Missing) == 0 {
		return string(is.Tier)
	}
	return fmt.Sprintf("%s (without %s)", is.Tier, strings.Join(is.Missing, ", "))
}
