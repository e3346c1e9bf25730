package grade

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
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

// program is the program that a block becomes for a row.
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
	if len(b.only) > 0 {
		return slices.Contains(b.only, r.task.ID)
	}
	return !slices.Contains(b.not, r.task.ID)
}

// sampled are rows of every kind: bool, number, text and list answers, helpers
// in the prompt, random arguments, sets, objects of the answer's, a builtin's
// name, a set-up.
var sampled = strings.Fields("HumanEval/1 sanitized/2 HumanEval/32 601 HumanEval/33 912 HumanEval/38 4 " +
	"HumanEval/50 65 HumanEval/53 126 HumanEval/107 927 HumanEval/111 2")

// perBlock is how many of the sampled rows a block is tried on.
const perBlock = 4

// job is a block on a row.
type job struct {
	block
	row
}

// jobs gives each block a few of the sampled rows, in turn, or every row of
// both datasets with CUPEL_TEST_ALL set.
func jobs(t testing.TB, blocks []block) []job {
	t.Helper()
	var out []job
	all := slices.Concat(humanEval(t), mbpp(t), sanitized(t))
	everything := os.Getenv("CUPEL_TEST_ALL") != ""
	if !everything {
		all = slices.DeleteFunc(all, func(r row) bool { return !slices.Contains(sampled, r.task.ID) })
		slices.SortFunc(all, func(a, b row) int {
			return slices.Index(sampled, a.task.ID) - slices.Index(sampled, b.task.ID)
		})
	}
	for i, b := range blocks {
		suited := slices.DeleteFunc(slices.Clone(all), func(r row) bool { return !b.suits(r) })
		if len(suited) == 0 {
			t.Errorf("%s: suits no row", b.name)
		}
		if n := len(suited); !everything && n > perBlock {
			suited = append(suited, suited...)[i*perBlock%n:][:perBlock]
		}
		for _, r := range suited {
			out = append(out, job{b, r})
		}
	}
	return out
}

// judgeCorpus grades blocks mixed, several at a time on one grader, so that
// what one does to the grader would show in others.
func judgeCorpus(t *testing.T, blocks []block, want Verdict, cpu, wall time.Duration) {
	t.Helper()
	work := jobs(t, blocks)
	g := newGrader(t, Strict)
	each(len(work), func(i int) {
		b, r := work[i].block, work[i].row
		r.task.CPULimit, r.task.WallLimit = cpu, wall
		o, err := g.Grade(t.Context(), r.task, Attempt{Program: b.program(r)})
		switch {
		case err != nil:
			t.Errorf("%s on %s: errored: %v", b.name, r.task.ID, err)
		case o.Verdict != want:
			t.Errorf("%s on %s: %s (%s), want %s\n%s", b.name, r.task.ID, o.Verdict, o.Reason, want, o.Stderr)
		case o.Verdict == Failed && o.Reason == "":
			t.Errorf("%s on %s: failed without a reason", b.name, r.task.ID)
		}
	})
}

func TestCheatsPassNowhere(t *testing.T) {
	blocks := corpus(t, "testdata/cheats.py")
	if len(blocks) < 80 {
		t.Errorf("%d cheats, want 80 at least", len(blocks))
	}
	judgeCorpus(t, blocks, Failed, 2*time.Second, 8*time.Second)
}

func TestHonestOdditiesPass(t *testing.T) {
	blocks := corpus(t, "testdata/honest.py")
	if len(blocks) < 40 {
		t.Errorf("%d oddities, want 40 at least", len(blocks))
	}
	judgeCorpus(t, blocks, Passed, 20*time.Second, 60*time.Second)
}
