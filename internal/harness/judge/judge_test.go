package judge_test

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cupel.dev/cupel"
	"cupel.dev/cupel/internal/harness"
	"cupel.dev/cupel/internal/harness/dataset"
	"cupel.dev/cupel/internal/harness/judge"
	"cupel.dev/cupel/internal/harness/model"
	"cupel.dev/cupel/internal/lang"
	"cupel.dev/cupel/internal/lang/langtest"
)

// machine lends this machine as a sandbox: only honest answers may run there.
type machine struct {
	t       *testing.T
	missing []string
	lent    atomic.Int64
	// helpers counts those that were lent for graders.
	helpers atomic.Int64
}

func (m *machine) Run(ctx context.Context, spec cupel.Spec, fn func(context.Context, cupel.Sandbox) error) error {
	m.lent.Add(1)
	if spec.Limits.Output == cupel.TiB { // see grade.GraderSpec
		m.helpers.Add(1)
	}
	return fn(ctx, langtest.Sandbox(m.t, spec, m.missing...))
}

func newJudge(t *testing.T, grading judge.Grading, missing ...string) (*judge.Judge, *machine) {
	m := &machine{t: t, missing: missing}
	j := judge.New(judge.Config{Sandboxes: m, Grading: grading})
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j, m
}

func needs(t *testing.T, language string) {
	t.Helper()
	l, err := lang.Lookup(language)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath(l.Needs); err != nil {
		t.Skipf("%s is not installed: %s", l.Needs, l.Install)
	}
}

// The bundled set's honest answers get the verdicts they are labelled with;
// its hostile ones need a real sandbox and are the demo's to judge.
func TestBundledHonestAnswers(t *testing.T) {
	set, err := dataset.Open(dataset.Bundled, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range set.Samples {
		t.Run(s.TaskID, func(t *testing.T) {
			needs(t, s.Language)
			j, _ := newJudge(t, judge.Strict)
			for _, answer := range s.Answers {
				if !slices.Contains([]string{"right", "wrong"}, answer.Kind) {
					continue
				}
				a, err := j.Judge(t.Context(), &s, model.Answer{Text: answer.Text})
				if err != nil {
					t.Fatalf("%s %s: %v", answer.Kind, answer.Name, err)
				}
				if (a.Verdict == harness.Passed) != answer.Passes || a.Proof != harness.ProofData {
					t.Errorf("%s %s: %s (%s) by %s; stderr %s", answer.Kind, answer.Name, a.Verdict, a.Reason, a.Proof, a.Stderr)
				}
				if (a.Reason == "") != answer.Passes {
					t.Errorf("%s %s: reason %q", answer.Kind, answer.Name, a.Reason)
				}
			}
		})
	}
}

func bashSample(cases ...dataset.Case) *dataset.Sample {
	return &dataset.Sample{
		Dataset: "d", TaskID: "t", Language: "bash", Cases: cases,
		CPULimit: time.Second, WallLimit: 2 * time.Second,
	}
}

func TestCases(t *testing.T) {
	needs(t, "bash")
	j, _ := newJudge(t, judge.Strict)
	s := bashSample(dataset.Case{Stdin: "1\n", Want: "1\n2\n"}, dataset.Case{Stdin: "5\n", Args: []string{"x"}, Want: "5\n2\n"})
	for _, tc := range []struct{ name, program, reason string }{
		{"right", "cat; echo 2", ""},
		{"white space at ends", "read n; printf '%s \\t\\r\\n2\\n\\n\\n' $n", ""},
		{"white space within", "read n; echo \" $n\"; echo 2", "wrong answer"},
		{"a line too many", "cat; echo; echo 2", "wrong answer"},
		{"only the first", "echo 1; echo 2", "wrong answer"},
		{"nothing", "", "wrong answer"},
		{"on stderr", "(cat; echo 2) >&2", "wrong answer"},
		{"right, then a bad end", "cat; echo 2; exit 4", "exit status 4"},
		{"signal", "kill -SEGV $$", "killed by SIGSEGV"},
		{"too slow", "exec sleep 60", "time limit"},
		{"exit 127", "exit 127", "exit status 127"},
	} {
		a, err := j.Judge(t.Context(), s, model.Answer{Text: tc.program})
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		want := harness.Failed
		if tc.reason == "" {
			want = harness.Passed
		}
		if a.Verdict != want || a.Reason != tc.reason {
			t.Errorf("%s: %s, %q; want %s, %q", tc.name, a.Verdict, a.Reason, want, tc.reason)
		}
	}
}

func TestRepliesAreExtracted(t *testing.T) {
	needs(t, "bash")
	j, _ := newJudge(t, judge.Strict)
	s := bashSample(dataset.Case{Want: "hi"})
	reply := "Sure:\n```bash\necho hi\n```\n"
	if a, err := j.Judge(t.Context(), s, model.Answer{Text: reply, Reply: true}); err != nil || a.Verdict != harness.Passed {
		t.Errorf("a reply: %+v, %v", a, err)
	}
	if a, err := j.Judge(t.Context(), s, model.Answer{Text: reply}); err != nil || a.Verdict != harness.Failed {
		t.Errorf("a completion is not cut: %+v, %v", a, err)
	}
}

func TestMissingToolchainIsNoVerdict(t *testing.T) {
	j, m := newJudge(t, judge.Strict, "gcc")
	s := bashSample(dataset.Case{Want: "hi"})
	s.Language = "c"
	for range 2 {
		a, err := j.Judge(t.Context(), s, model.Answer{Text: "int main(void) {}"})
		if cupel.KindOf(err) != cupel.Unsupported || !strings.HasPrefix(cupel.HintOf(err), "apt install") || a.Verdict != "" {
			t.Errorf("got %+v, %v", a, err)
		}
	}
	if n := m.lent.Load(); n != 1 {
		t.Errorf("the toolchain was looked at %d times", n)
	}
}

// What strict and upstream grading make of the same answers.
func TestGradings(t *testing.T) {
	needs(t, "python")
	humaneval := &dataset.Sample{
		Dataset: "humaneval", TaskID: "h", Language: "python", Prompt: "import math\n\n\ndef f(x):\n    \"\"\" Twice. \"\"\"\n",
		CPULimit: 4 * time.Second, WallLimit: 12 * time.Second,
		Python: &dataset.PythonTest{
			Form: dataset.FormCheck, EntryPoint: "f", Preamble: "import math\n\n\n",
			Test: "def check(c):\n    assert c(2) == 4\n    assert c(math.floor(3.5)) == 6\n",
		},
	}
	mbpp := &dataset.Sample{
		Dataset: "mbpp", TaskID: "m", Language: "python", CPULimit: 4 * time.Second, WallLimit: 12 * time.Second,
		Python: &dataset.PythonTest{
			Form: dataset.FormAsserts, Imports: "import math", Setup: "node = Node(1)",
			Test: "assert value(node) == 1\nassert value(Node(math.floor(2.5))) == 2",
		},
	}
	judges := map[judge.Grading]*judge.Judge{}
	for _, g := range []judge.Grading{judge.Strict, judge.Upstream} {
		judges[g], _ = newJudge(t, g)
	}
	node := "class Node:\n    def __init__(self, v):\n        self.v = v\n\n\ndef value(n):\n    return n.v\n"
	for _, tc := range []struct {
		name             string
		sample           *dataset.Sample
		answer           model.Answer
		strict, upstream harness.Verdict
	}{
		{"body", humaneval, model.Answer{Text: "    return 2 * x\n"}, harness.Passed, harness.Passed},
		{"wrong body", humaneval, model.Answer{Text: "    return x\n"}, harness.Failed, harness.Failed},
		{"whole function using the prompt's import", humaneval, model.Answer{Text: "def f(x):\n    return math.floor(2 * x)\n"}, harness.Passed, harness.Passed},
		{"early exit", humaneval, model.Answer{Text: "    import sys\n    sys.exit(0)\n"}, harness.Failed, harness.Passed},
		{"reply", humaneval, model.Answer{Text: "```python\ndef f(x):\n    return 2 * x\n```", Reply: true}, harness.Passed, harness.Passed},
		{"set-up needs the program first", mbpp, model.Answer{Text: node}, harness.Passed, harness.Failed},
	} {
		for grading, want := range map[judge.Grading]harness.Verdict{judge.Strict: tc.strict, judge.Upstream: tc.upstream} {
			a, err := judges[grading].Judge(t.Context(), tc.sample, tc.answer)
			if err != nil {
				t.Fatalf("%s, %s: %v", tc.name, grading, err)
			}
			if a.Verdict != want {
				t.Errorf("%s, %s: %s (%s), want %s; stderr %s", tc.name, grading, a.Verdict, a.Reason, want, a.Stderr)
			}
			if grading == judge.Upstream && a.Proof != harness.ProofExitStatus {
				t.Errorf("%s, %s: proof %s", tc.name, grading, a.Proof)
			}
		}
	}
}

// Graders may live elsewhere than answers, and nothing else runs there.
func TestGradersApart(t *testing.T) {
	needs(t, "python")
	answers, graders := &machine{t: t}, &machine{t: t}
	j := judge.New(judge.Config{Sandboxes: answers, Graders: graders})
	s := &dataset.Sample{
		Dataset: "d", TaskID: "t", Language: "python", CPULimit: 4 * time.Second, WallLimit: 12 * time.Second,
		Python: &dataset.PythonTest{Form: dataset.FormAsserts, Test: "assert f(2) == 4"},
	}
	a, err := j.Judge(t.Context(), s, model.Answer{Text: "def f(x):\n    return 2 * x\n"})
	if err != nil || a.Verdict != harness.Passed {
		t.Errorf("%+v, %v", a, err)
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	if answers.lent.Load() == 0 || answers.helpers.Load() != 0 {
		t.Errorf("answers' sandboxes were lent %d times, %d of them to graders", answers.lent.Load(), answers.helpers.Load())
	}
	if graders.lent.Load() != graders.helpers.Load() || graders.lent.Load() == 0 {
		t.Errorf("graders' sandboxes were lent %d times, %d of them to graders", graders.lent.Load(), graders.helpers.Load())
	}
}

func TestParseGrading(t *testing.T) {
	if g, err := judge.ParseGrading(""); err != nil || g != judge.Strict {
		t.Errorf("default: %s, %v", g, err)
	}
	if _, err := judge.ParseGrading("strickt"); cupel.KindOf(err) != cupel.Invalid || !strings.Contains(err.Error(), "did you mean strict") {
		t.Errorf("unknown: %v", err)
	}
}
