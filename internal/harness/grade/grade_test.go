package grade

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"cupel.dev/cupel"
)

// asserts is a task of MBPP's form.
func asserts(setup, test string) Task {
	return Task{ID: "t", Form: FormAsserts, Setup: setup, Test: test, CPULimit: 5 * time.Second, WallLimit: 20 * time.Second}
}

func TestVerdicts(t *testing.T) {
	g := newGrader(t, Strict)
	node := "class Node:\n    def __init__(self, v):\n        self.v, self.next = v, None\n"
	for _, c := range []struct {
		name, setup, test, program string
		verdict                    Verdict
		reason                     string // a part of it
		proof                      Proof
	}{
		{"right", "", "assert f(2) == 4", "def f(x): return x * x", Passed, "", ProofData},
		{"off by one", "", "assert f(2) == 4", "def f(x): return x * x + 1", Failed, "wrong answer", ProofData},
		{"raises", "", "assert f(2) == 4", "def f(x): raise ValueError('no\\nmore')", Failed, "exception: ValueError: no", ProofData},
		{"not defined", "", "assert f(2) == 4", "def g(x): return 4", Failed, "exception: NameError", ProofData},
		{"not Python", "", "assert f(2) == 4", "def f(x) return 4", Failed, "syntax error", ProofData},
		{"fails to load", "", "assert f(2) == 4", "import no_such_thing", Failed, "exception: ModuleNotFoundError", ProofData},
		{"ends itself", "", "assert f(2) == 4", "raise SystemExit", Failed, "checks did not finish", ProofData},
		{"too large", "", "assert f(2) == 4", "def f(x): return 'x' * 50000000", Failed, "answer too large", ProofData},
		{"too slow", "", "assert f(2) == 4", "def f(x):\n    while True: pass", Failed, "time limit", ProofData},
		{"expected exception", "", "try:\n    f(0)\nexcept ZeroDivisionError:\n    ok = True\nelse:\n    ok = False\nassert ok",
			"def f(x): return 1 / x", Passed, "", ProofData},
		{"expected exception, subclass", "", "try:\n    f(0)\nexcept LookupError as e:\n    assert 'gone' in str(e)\nelse:\n    assert False",
			"class Gone(KeyError): pass\ndef f(x): raise Gone('gone')", Passed, "", ProofData},
		{"expected exception missing", "", "try:\n    f(0)\nexcept ZeroDivisionError:\n    pass\nelse:\n    assert False",
			"def f(x): return 0", Failed, "wrong answer", ProofData},
		{"changed argument", "", "x = [3, 1, 2]\nf(x)\nassert x == [1, 2, 3]", "def f(x): x.sort()", Passed, "", ProofData},
		{"changed inside", "", "x = {'a': [1]}\ny = x['a']\nf(x)\nassert y == [1, 2] and x['b'] == 0", "def f(x): x['a'].append(2); x['b'] = 0", Passed, "", ProofData},
		{"argument left alone", "", "x = [3, 1, 2]\nf(x)\nassert x == [1, 2, 3]", "def f(x): return sorted(x)", Failed, "wrong answer", ProofData},
		{"call of a call", "", "assert f(f(2)) == 16", "def f(x): return x * x", Passed, "", ProofData},
		{"four deep", "", "assert f(f(f(f(2)))) == 65536", "def f(x): return x * x", Passed, "", ProofData},
		{"five deep is too many rounds", "", "assert f(f(f(f(f(2))))) == 4294967296", "def f(x): return x * x", Failed, "checks did not finish", ProofData},
		{"constant of the answer's", "", "assert LIMIT == 7 and f(LIMIT) == 7", "LIMIT = 7\ndef f(x): return x", Passed, "", ProofData},
		{"objects, attributes", "a = Node(1)\na.next = Node(2)\n", "assert total(a) == 3\nassert a.next.v == 2", node + "def total(n):\n    return n.v + (total(n.next) if n.next else 0)", Passed, "", ProofData},
		{"objects, wrong", "a = Node(1)\na.next = Node(2)\n", "assert total(a) == 3", node + "def total(n): return 4", Failed, "wrong answer", ProofData},
		{"objects compare by identity", "a = Node(1)", "assert same(a) == a\nassert Node(1) != a", node + "def same(n): return n", Passed, "", ProofData},
		{"methods", "", "s = Stack()\ns.push(1)\ns.push(2)\nassert s.pop() == 2 and len(s) == 1 and s[0] == 1 and 1 in s",
			"class Stack:\n    def __init__(self): self.x = []\n    def push(self, v): self.x.append(v)\n    def pop(self): return self.x.pop()\n    def __len__(self): return len(self.x)\n    def __getitem__(self, i): return self.x[i]\n    def __contains__(self, v): return v in self.x",
			Passed, "", ProofData},
		{"library module of the grader's", "", "assert f() == sys.maxsize", "import sys\nsys.maxsize = 5\ndef f(): return sys.maxsize", Failed, "wrong answer", ProofData},
		{"a function is handed over", "", "assert f(lambda x: x + 1, 2) == 3", "def f(g, x): return g(x)", Passed, "", ProofInProcess},
		{"a function is handed over, wrong", "", "assert f(lambda x: x + 1, 2) == 3", "def f(g, x): return g(x) + 1", Failed, "wrong answer", ProofInProcess},
		{"in process, always equal", "", "assert f(lambda x: x + 1, 2) == 3", "class E:\n    def __eq__(s, o): return True\n    def __bool__(s): return True\ndef f(g, x): return E()", Passed, "", ProofInProcess},
		{"in process, exits", "", "assert f(lambda x: x + 1, 2) == 3", "import os\ndef f(g, x): os._exit(0)", Failed, "checks did not finish", ProofInProcess},
		{"in process, asserts swallowed", "", "assert f(lambda x: x + 1, 2) == 3", "import builtins, sys\nframe = sys._getframe(1)\nframe.f_globals['compile'] = lambda *a: 'pass'\ndef f(g, x): return 0", Failed, "opposite", ProofInProcess},
		{"subclass of the answer's class", "", "class B(A):\n    pass\nassert B().f() == 1", "class A:\n    def f(self): return 1", Passed, "", ProofInProcess},
	} {
		t.Run(c.name, func(t *testing.T) {
			task := asserts(c.setup, c.test)
			if c.name == "too slow" {
				task.CPULimit = time.Second
			}
			o, err := g.Grade(t.Context(), task, Attempt{Program: c.program})
			if err != nil {
				t.Fatal(err)
			}
			if o.Verdict != c.verdict || !strings.Contains(o.Reason, c.reason) || (c.reason == "") != (o.Reason == "") {
				t.Errorf("%s (%s), want %s (%s)\n%s", o.Verdict, o.Reason, c.verdict, c.reason, o.Stderr)
			}
			if o.Proof != c.proof {
				t.Errorf("proof %s, want %s", o.Proof, c.proof)
			}
		})
	}
}

// TestOutputIsTheAnswers shows that what the program prints comes out whole and
// without our messages, and that a bounded part is kept.
func TestOutputIsTheAnswers(t *testing.T) {
	g := newGrader(t, Strict)
	o, err := g.Grade(t.Context(), asserts("", "assert f() == 1"),
		Attempt{Program: "import sys, atexit\nprint('a')\nprint('e', file=sys.stderr)\natexit.register(print, 'c')\ndef f():\n    print('b')\n    return 1"})
	if err != nil {
		t.Fatal(err)
	}
	if o.Verdict != Passed || string(o.Stdout) != "a\nb\nc\n" || string(o.Stderr) != "e\n" {
		t.Errorf("%s, stdout %q, stderr %q", o.Verdict, o.Stdout, o.Stderr)
	}
	o, err = g.Grade(t.Context(), asserts("", "assert f() == 1"), Attempt{Program: "print('x' * 3000000)\ndef f(): return 1"})
	if err != nil || o.Verdict != Passed || len(o.Stdout) != 64<<10 {
		t.Errorf("%v %s (%s), %d bytes kept", err, o.Verdict, o.Reason, len(o.Stdout))
	}
	o, err = g.Grade(t.Context(), asserts("", "assert f() == 1"), Attempt{Program: "print('x' * 9000000)\ndef f(): return 1"})
	if err != nil || o.Verdict != Failed || o.Reason != "output limit" {
		t.Errorf("flood: %v %s (%s)", err, o.Verdict, o.Reason)
	}
}

// TestUpstream pins EvalScope's rule with both of its known mistakes.
func TestUpstream(t *testing.T) {
	g := newGrader(t, Upstream)
	for _, c := range []struct {
		name, program string
		want          Verdict
		reason        string
	}{
		{"right", "def f(x): return x", Passed, ""},
		{"wrong", "def f(x): return 0", Failed, "exit status 1"},
		{"exit 0 passes", "import sys\nsys.exit(0)", Passed, ""},
		{"guards run", "def f(x): return x\nif __name__ == '__main__':\n    raise SystemExit(7)", Failed, "exit status 7"},
	} {
		o, err := g.Grade(t.Context(), asserts("", "assert f(3) == 3"), Attempt{Program: c.program})
		if err != nil {
			t.Fatal(err)
		}
		if o.Verdict != c.want || o.Reason != c.reason || o.Proof != ProofExitStatus {
			t.Errorf("%s: %s (%s) by %s", c.name, o.Verdict, o.Reason, o.Proof)
		}
	}
}

// TestMachineFailures shows that what is not the program's doing is an error.
func TestMachineFailures(t *testing.T) {
	needPython(t)
	broken := errors.New("no sandbox today")
	for _, c := range []struct {
		name string
		cfg  Config
		kind cupel.Kind
	}{
		{"no sandbox for the grader", Config{Candidate: always(processRunner{}), Grader: failingRunner{cupel.Errorf(cupel.Exhausted, "lend", "%w", broken)}}, cupel.Exhausted},
		{"no sandbox for the answer", Config{Candidate: always(failingRunner{cupel.Errorf(cupel.Unavailable, "lend", "%w", broken)}), Grader: processRunner{}}, cupel.Unavailable},
		{"no interpreter", Config{Candidate: always(processRunner{}), Grader: processRunner{}, Python: "/no/such/python"}, cupel.Internal},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.cfg.Python == "" {
				c.cfg.Python = testPython()
			}
			g, err := New(c.cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer g.Close()
			o, err := g.Grade(t.Context(), asserts("", "assert f(3) == 3"), Attempt{Program: "def f(x): return x"})
			if cupel.KindOf(err) != c.kind {
				t.Errorf("%v, %v; want kind %s", o.Verdict, err, c.kind)
			}
		})
	}
}

type failingRunner struct{ err error }

func (f failingRunner) Run(context.Context, func(context.Context, cupel.Sandbox) error) error {
	return f.err
}

// TestDeadGraderIsReplaced kills the grading process between two attempts.
func TestDeadGraderIsReplaced(t *testing.T) {
	g := newGrader(t, Strict)
	task, right := asserts("", "assert f(3) == 3"), Attempt{Program: "def f(x): return x"}
	for range 3 {
		o, err := g.Grade(t.Context(), task, right)
		if err != nil || o.Verdict != Passed {
			t.Fatal(o.Verdict, o.Reason, err)
		}
		g.procs.mu.Lock()
		for _, pr := range g.procs.idle {
			pr.cancel()
		}
		g.procs.mu.Unlock()
	}
}

func TestCloseAndCancel(t *testing.T) {
	g := newGrader(t, Strict)
	task, right := asserts("", "assert f(3) == 3"), Attempt{Program: "def f(x): return x"}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := g.Grade(ctx, task, right); cupel.KindOf(err) != cupel.Canceled {
		t.Errorf("canceled: %v", err)
	}
	if o, err := g.Grade(t.Context(), task, right); err != nil || o.Verdict != Passed {
		t.Errorf("after that: %v (%s) %v", o.Verdict, o.Reason, err)
	}
	for range 2 {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := g.Grade(t.Context(), task, right); cupel.KindOf(err) != cupel.Closed {
		t.Errorf("closed: %v", err)
	}
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no candidate": {Grader: processRunner{}},
		"no grader":    {Candidate: always(processRunner{})},
		"mode":         {Candidate: always(processRunner{}), Grader: processRunner{}, Mode: "lenient"},
	} {
		if _, err := New(cfg); cupel.KindOf(err) != cupel.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, spec := range []cupel.Spec{GraderSpec(cupel.Spec{}), CandidateSpec(cupel.DefaultSpec(), 4*time.Second, 12*time.Second)} {
		if _, err := spec.Normalize(); err != nil {
			t.Error(err)
		}
	}
}
