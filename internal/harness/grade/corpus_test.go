package grade

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// block is one program of a corpus.
type block struct {
	name, text string
	crlf       bool
	only, not  []string
}

func corpus(t testing.TB, file string) []block {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	seen := map[string]bool{}
	for part := range strings.SplitSeq("\n"+string(data), "\n# === ") {
		title, text, _ := strings.Cut(part, "\n")
		if len(blocks) == 0 && !seen[""] {
			seen[""] = true // what stands before the first block
			continue
		}
		b := block{text: text}
		b.name, _, _ = strings.Cut(title, ":")
		b.name, _, _ = strings.Cut(b.name, " (")
		if seen[b.name] {
			t.Fatalf("%s: two blocks are called %q", file, b.name)
		}
		seen[b.name] = true
		b.crlf = strings.Contains(title, "(crlf)")
		b.only, b.not = listed(title, "(only "), listed(title, "(not ")
		blocks = append(blocks, b)
	}
	return blocks
}

// listed is the words after mark and before the next parenthesis.
func listed(title, mark string) []string {
	_, rest, ok := strings.Cut(title, mark)
	if !ok {
		return nil
	}
	rest, _, _ = strings.Cut(rest, ")")
	return strings.Fields(rest)
}

// for_ is the program that a block becomes for a row.
func (b block) program(r row) string {
	text := "\n" + strings.ReplaceAll(b.text, "ENTRY", r.entry)
	canonical := strings.ReplaceAll(r.canonical, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\nCANONICAL\n", "\n"+canonical+"\n")[1:]
	if b.crlf {
		text = strings.ReplaceAll(text, "\n", "\r\n")
	}
	return text
}

// suits reports whether a block is for a row.
func (b block) suits(r row) bool {
	id := strings.TrimPrefix(r.task.ID, "HumanEval/")
	if len(b.only) > 0 {
		return slices.Contains(b.only, r.task.ID)
	}
	return !slices.Contains(b.not, id)
}

// sample is a few rows of every kind of both datasets, or all of them with
// CUPEL_TEST_ALL set.
func sample(t testing.TB) []row {
	t.Helper()
	all := append(humanEval(t), mbpp(t)...)
	if os.Getenv("CUPEL_TEST_ALL") != "" {
		return all
	}
	ids := strings.Fields("HumanEval/1 HumanEval/32 HumanEval/33 HumanEval/38 HumanEval/50 HumanEval/53 HumanEval/107 HumanEval/111 2 4 65 126 601 912 927")
	return slices.DeleteFunc(all, func(r row) bool { return !slices.Contains(ids, r.task.ID) })
}

// judgeCorpus grades every block on every row it suits, mixed, several at a
// time on one grader, so that what one does to the grader would show in others.
func judgeCorpus(t *testing.T, blocks []block, want Verdict) {
	rows := sample(t)
	g := newGrader(t, Strict)
	type job struct {
		block
		row
	}
	var jobs []job
	for _, b := range blocks {
		n := len(jobs)
		for _, r := range rows {
			if b.suits(r) {
				jobs = append(jobs, job{b, r})
			}
		}
		if len(jobs) == n {
			t.Errorf("%s: suits no row", b.name)
		}
	}
	reasons := map[string]string{}
	each(len(jobs), func(i int) {
		b, r := jobs[i].block, jobs[i].row
		r.task.CPULimit, r.task.WallLimit = r.task.CPULimit/4, r.task.WallLimit/4
		if want == Passed {
			r.task.CPULimit, r.task.WallLimit = r.task.CPULimit*8, r.task.WallLimit*8
		}
		o, err := g.Grade(t.Context(), r.task, Attempt{Program: b.program(r)})
		if err != nil {
			t.Errorf("%s on %s: errored: %v", b.name, r.task.ID, err)
			return
		}
		if o.Verdict != want {
			t.Errorf("%s on %s: %s (%s), want %s\n%s", b.name, r.task.ID, o.Verdict, o.Reason, want, o.Stderr)
		}
		if o.Verdict == Failed && o.Reason == "" {
			t.Errorf("%s on %s: failed without a reason", b.name, r.task.ID)
		}
		_ = reasons
	})
}

func TestCheatsPassNowhere(t *testing.T) {
	blocks := corpus(t, "testdata/cheats.py")
	if len(blocks) < 80 {
		t.Errorf("%d cheats, want 80 at least", len(blocks))
	}
	judgeCorpus(t, blocks, Failed)
}

func TestHonestOdditiesPass(t *testing.T) {
	blocks := corpus(t, "testdata/honest.py")
	if len(blocks) < 40 {
		t.Errorf("%d oddities, want 40 at least", len(blocks))
	}
	judgeCorpus(t, blocks, Passed)
}
