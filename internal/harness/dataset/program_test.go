package dataset

import (
	"slices"
	"testing"
)

func TestHumanEvalProgram(t *testing.T) {
	prompt := "from typing import List\n\n\ndef helper(x):\n    return x\n\n\ndef f(xs: List[int]) -> int:\n    \"\"\" Sum. \"\"\"\n"
	before := "from typing import List\n\n\ndef helper(x):\n    return x\n\n\n"
	s := Sample{Prompt: prompt, Python: &PythonTest{Form: FormCheck, EntryPoint: "f", Preamble: preamble(prompt, "f")}}
	for _, tc := range []struct{ name, completion, want string }{
		{"body", "    return sum(xs)\n", prompt + "    return sum(xs)\n"},
		{"empty", "", prompt},
		{"signature", "def f(xs):\n    return sum(xs)\n", before + "def f(xs):\n    return sum(xs)\n"},
		{"comment first", "# easy\ndef f(xs):\n    pass\n", before + "# easy\ndef f(xs):\n    pass\n"},
		{"helper first", "import math\ndef g(): pass\ndef f (xs): pass\n", before + "import math\ndef g(): pass\ndef f (xs): pass\n"},
		{"decorated", "@cache\ndef f(xs): pass", before + "@cache\ndef f(xs): pass"},
		{"future", "from __future__ import annotations\ndef f(xs): pass", "from __future__ import annotations\n" + before + "def f(xs): pass"},
		{
			"future, more lines", "\"\"\"Doc.\"\"\"\nfrom __future__ import (\n    annotations,\n)\ndef f(xs): pass",
			"\"\"\"Doc.\"\"\"\nfrom __future__ import (\n    annotations,\n)\n" + before + "def f(xs): pass",
		},
		{"body, then the same again", "    return 1\n\ndef f(xs): pass\n", prompt + "    return 1\n\ndef f(xs): pass\n"},
		{"another name", "def f2(xs): pass\n", prompt + "def f2(xs): pass\n"},
		{"nested", "    def f(x): pass\n", prompt + "    def f(x): pass\n"},
	} {
		if got := s.Program(tc.completion); got != tc.want {
			t.Errorf("%s: got\n%s\nwant\n%s", tc.name, got, tc.want)
		}
	}
	mbpp := Sample{Prompt: "x", Python: &PythonTest{Form: FormAsserts}}
	if got := mbpp.Program("code\r\n"); got != "code\r\n" {
		t.Errorf("an MBPP answer was changed: %q", got)
	}
}

func TestPreambleStopsBeforeDecorators(t *testing.T) {
	if got := preamble("import x\n@a\n@b(1)\nasync def f(): pass\n", "f"); got != "import x\n" {
		t.Errorf("got %q", got)
	}
	if got := preamble("no definition", "f"); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestBundled(t *testing.T) {
	set, err := Open("bundled", Options{})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	languages := map[string]bool{}
	for _, s := range set.Samples {
		languages[s.Language] = true
		if s.Answers[0].Kind != "right" || s.Canonical != s.Answers[0].Text || s.Prompt == "" {
			t.Errorf("%s: the first answer is %s", s.TaskID, s.Answers[0].Kind)
		}
		if (s.Python == nil) == (s.Cases == nil) || s.CPULimit == 0 || s.WallLimit <= s.CPULimit {
			t.Errorf("%s is not whole: %+v", s.TaskID, s)
		}
		for _, a := range s.Answers {
			kinds[a.Kind]++
			if !slices.Contains(kindOrder, a.Kind) || a.Text == "" {
				t.Errorf("%s has an answer of kind %q", s.TaskID, a.Kind)
			}
		}
	}
	for _, want := range kindOrder {
		if kinds[want] == 0 {
			t.Errorf("no answer of kind %s", want)
		}
	}
	for _, want := range []string{"bash", "python", "c"} {
		if !languages[want] {
			t.Errorf("no task in %s", want)
		}
	}
	if entries, _ := bundledFS.ReadDir("bundled"); len(entries) != len(set.Samples) {
		t.Errorf("%d folders, %d tasks: every folder belongs into bundledOrder", len(entries), len(set.Samples))
	}
}
